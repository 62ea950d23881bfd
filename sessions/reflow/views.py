"""Pages of a re-flow: one course, or all that an absence, a closure or a change hits. Seen first, then applied."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast
from urllib.parse import urlencode

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from mesoclinic.accounts.models import User
from mesoclinic.accounts.permissions import Permission, require
from mesoclinic.ui.reading import row_id
from mesoclinic.ui.toasts import toast
from patients.models import Patient
from patients.queries import with_name
from patients.shell import banner_for
from protocols.models import TreatmentPlan
from sessions.actions.checks import BookingError
from sessions.clocks.queries import Adrift, adrift
from sessions.models import Absence, Appointment, AppointmentType, Closure, Device, Practitioner, Room
from sessions.queries.slack import days_to_spare, most_urgent_first
from sessions.reflow import actions, last, queries
from sessions.reflow.actions import Change
from sessions.reflow.queries import Cause, Line, Proposal
from sessions.reflow.unfit import Unfit, words_of
from sessions.reflow.unfit import unfit as unfit_visits
from sessions.reminders.schedule import address_of
from sessions.scheduling import Slot
from sessions.views.shared import called, names_of, pack, unpack, wall_clock

#: So many patients are put in order at once; the others follow, the most urgent first.
AT_ONCE = 25
_CAUSES: dict[str, type[Cause]] = {
    "absence": Absence,
    "closure": Closure,
    "practitioner": Practitioner,
    "room": Room,
    "device": Device,
    "type": AppointmentType,
}


def _user(request: HttpRequest) -> User:
    return cast(User, request.user)


def _packed(proposal: Proposal) -> str:
    lines = proposal.changes
    return pack(
        [line.slot for line in lines if line.slot is not None],
        visits=[line.visit.pk if line.visit else None for line in lines],
        versions=[line.visit.version if line.visit else None for line in lines],
    )


def _changes(text: str) -> list[Change]:
    data = unpack(text)
    if not {"visits", "versions"} <= data.keys():
        raise Http404("no such proposal")
    return [
        Change(slot, visit, version)
        for slot, visit, version in zip(data["slots"], data["visits"], data["versions"], strict=True)
    ]


def _row(line: Line, names: dict[str, dict[int, str]], proposal: Proposal) -> dict[str, Any]:
    slot, visit, places = line.slot, line.visit, proposal.places
    # A time that somebody chose for a visit is at the visit's location.
    then = visit.location if visit else places.get(slot.location if slot else 0, proposal.location)
    rooms = (names["room"].get(slot.room, ""), names["device"].get(slot.device or 0, "")) if slot else ()
    return {
        "title": line.title, "visit": visit, "slot": slot, "days": abs(line.leaves), "late": line.leaves > 0,
        "now": wall_clock(visit.starts_at, visit.location.zone) if visit else None,
        "then": wall_clock(slot.start, then.zone) if slot else None,
        "who": names["practitioner"].get(slot.practitioner, "") if slot else "",
        "where": ", ".join(filter(None, rooms)), "place": then.short_name if proposal.elsewhere else "",
    }  # fmt: skip


def _told(proposal: Proposal, names: dict[str, dict[int, str]]) -> dict[str, Any]:
    """A proposal as its table shows it."""
    return {
        "rows": [_row(line, names, proposal) for line in proposal.visits],
        "changes": len(proposal.changes),
        "fits": proposal.fits,
        "packed": _packed(proposal) if proposal.fits and proposal.changes else "",
    }


def _way_back(done: actions.Done) -> str:
    versions = {row.planned_session_id or row.pk: row for row in done.visits}
    rows = [(slot, versions[slot.visit] if slot.visit else done.visits[0]) for slot in done.before]
    moved = {row.pk for _slot, row in rows}
    return pack(
        [slot for slot, _row in rows], visits=[row.pk for _slot, row in rows],
        versions=[row.version for _slot, row in rows], added=[row.pk for row in done.visits if row.pk not in moved],
        confirmed=done.confirmed, message=done.message,
    )  # fmt: skip


def _go_back(text: str, request: HttpRequest, now: datetime) -> tuple[Patient, str]:
    """(patient, fault): all visits of one patient as they were; what stands in the way is told."""
    data = unpack(text)
    if "message" not in data:
        raise Http404("no re-flow")
    visit = Appointment.objects.select_related("patient").get(pk=[*data["visits"], *data["added"]][0])
    try:
        actions.undo(
            changes=_changes(text), added=data["added"], confirmed=data.get("confirmed", ()), message=data["message"],
            by=_user(request), now=now,
        )  # fmt: skip
    except BookingError as error:
        return visit.patient, str(error)
    return visit.patient, ""


def _said(request: HttpRequest, patient: Patient, done: actions.Done) -> None:
    count = len(done.visits)
    told = " The patient is told once, in 3 minutes." if address_of(patient) else " Nobody is told: call."
    toast(
        request, f"{called(request, patient)}: {count} visit{'s' if count != 1 else ''} changed.{told}",
        undo_url=f"{reverse('sessions:reflow-undo')}?{urlencode({'undo': _way_back(done)})}",
    )  # fmt: skip


@require_http_methods(["GET", "HEAD", "POST"])
@require(Permission.BOOKING_EDIT)
def course(request: HttpRequest, pk: int, course: int) -> HttpResponse:
    """The course before and after. Posted with a time (from *Move*) it is laid out around it; with a proposal it is done."""
    plans = TreatmentPlan.objects.select_related("patient", "assessment", "signed_by")
    plan = get_object_or_404(plans, pk=pk, status__in=TreatmentPlan.LIVE)
    now, fault, put, chosen = timezone.now(), "", {}, ""
    if request.POST.get("proposal"):
        try:
            done = actions.apply(
                changes=_changes(str(request.POST["proposal"])), by=_user(request), now=now, reason="Re-flow"
            )
        except BookingError as error:
            fault = str(error)
        else:
            _said(request, plan.patient, done)
            return redirect("patients:chart", plan.patient_id)
    if request.POST.get("slot"):
        chosen = str(request.POST["slot"])
        put = _put(unpack(chosen), plan)
    # A visit that can't take place where it is does not stay there.
    unfit = [row.visit for row in unfit_visits(now, plan=plan.root_pk)]
    proposal = queries.course_proposal(plan, course, now=now, put=put, must_move=unfit)
    if proposal is not None and put and not proposal.changes:
        raise Http404("nothing to lay out")
    context = {
        "plan": plan, "patient": plan.patient, "banner": banner_for(request, plan.patient), "course": course,
        "fault": fault, "proposal": _told(proposal, names_of(*proposal.places.values())) if proposal else None,
        "address": address_of(plan.patient), "slot": chosen, "places": list(proposal.places.values()) if proposal else [],
    }  # fmt: skip
    return render(request, "sessions/reflow/course.html", context, status=409 if fault else 200)


def _put(data: dict[str, Any], plan: TreatmentPlan) -> dict[int, Slot]:
    """The session that somebody puts at a time of their own."""
    visit = get_object_or_404(
        Appointment, pk=data.get("appointment", 0), planned_session__plan=plan, version=data.get("version", 0)
    )
    return {visit.planned_session_id or 0: data["slots"][0]}


@require_POST
@require(Permission.BOOKING_EDIT)
def undo(request: HttpRequest) -> HttpResponse:
    """Back as it was before a re-flow."""
    patient, fault = _go_back(str(request.GET.get("undo", "")), request, timezone.now())
    if fault:
        messages.error(request, f"Not undone. {fault}")
    else:
        messages.success(request, f"{called(request, patient)}: back as it was.")
    return redirect("patients:chart", patient.pk)


@require_safe
@require(Permission.BOOKING_EDIT)
def out_of_window(request: HttpRequest) -> HttpResponse:
    """Booked visits that lie outside of their windows, the soonest first."""
    text = request.GET.get("q", "").strip()[:80]
    page = Paginator(queries.out_of_window(timezone.now(), text), 25).get_page(request.GET.get("page"))
    context = {"page": page, "rows": queries.lines_of(page.object_list), "q": text}
    return render(request, "sessions/reflow/out_of_window.html", context)


def _clock_words(row: Adrift | None, visit: Appointment) -> list[str]:
    if row is None:
        return []
    stands = visit.location.on_the_wall(row.starts_at)
    return [f"told {row.promised:%H:%M}, stands at {stands:%H:%M}: the clock's rules changed"]


@require_safe
@require(Permission.VISITS_REFLOW)
def not_possible(request: HttpRequest) -> HttpResponse:
    """Booked visits that can't take place as booked since hours, people, rooms or devices changed, the soonest first."""
    text = request.GET.get("q", "").replace("\x00", "").strip()[:80]
    now = timezone.now()
    left_behind = {row.visit: row for row in adrift(now)}
    found = unfit_visits(now)
    known = {row.visit for row in found}
    found += [Unfit(row.visit, row.starts_at, ()) for row in left_behind.values() if row.visit not in known]
    found.sort(key=lambda row: (row.starts_at, row.visit))
    if text:
        named = set(
            Appointment.objects.filter(
                pk__in=[row.visit for row in found], patient__in=with_name(text)
            ).values_list("pk", flat=True)
        )
        found = [row for row in found if row.visit in named]
    page = Paginator(found, 25).get_page(request.GET.get("page"))
    visits = Appointment.objects.select_related(
        "patient", "location", "practitioner__user", "room", "device", "type", "planned_session__plan"
    ).in_bulk([row.visit for row in page])
    rows = [
        {
            "visit": visits[row.visit],
            "why": words_of(row, visits[row.visit])
            + _clock_words(left_behind.get(row.visit), visits[row.visit]),
        }
        for row in page
        if row.visit in visits
    ]
    return render(request, "sessions/reflow/not_possible.html", {"page": page, "rows": rows, "q": text})


# ---- an absence, a closure, a change of the set-up -------------------------------------------------------------


def _words(cause: Cause) -> str:
    if isinstance(cause, Absence):
        return f"{cause.practitioner} is away"
    if isinstance(cause, Closure):
        return f"{cause.location.short_name} is closed"
    if isinstance(cause, Device):
        return f"{cause} is out of service" if not cause.in_service else f"{cause} is another device now"
    if isinstance(cause, Practitioner):
        return f"Visits with {cause} that no longer fit"
    return f"Visits {'in' if isinstance(cause, Room) else 'of type'} {cause} that no longer fit"


def _apply_all(request: HttpRequest, now: datetime) -> tuple[list[str], list[str]]:
    """(the way back of each patient put in order, faults): each patient's visits in a transaction of their own."""
    done: list[str] = []
    faults: list[str] = []
    for text in request.POST.getlist("proposal")[:AT_ONCE]:
        changes = _changes(text)
        try:
            made = actions.apply(changes=changes, by=_user(request), now=now, reason="Re-flow")
        except BookingError as error:
            visit = Appointment.objects.select_related("patient").get(
                pk=next(one.visit for one in changes if one.visit)
            )
            faults.append(f"{called(request, visit.patient)}: {error}")
        else:
            done.append(_way_back(made))
    return done, faults


def _patients(count: int) -> str:
    return f"{count} patient{'s' if count != 1 else ''}"


@require_POST
@require(Permission.VISITS_REFLOW)
def undo_all(request: HttpRequest, key: str) -> HttpResponse:
    """All patients of a re-flow back as they were, the last one first: times that changed hands change back."""
    known = last.last(request)
    if known is None or known.key != key:
        messages.error(request, "Not undone. This is not your last re-flow, or it was undone already.")
        return redirect("sessions:calendar")
    now = timezone.now()
    stay: list[str] = []
    for text in reversed(known.ways_back):
        patient, fault = _go_back(text, request, now)
        if fault:
            stay.insert(0, text)
            messages.error(request, f"{called(request, patient)}: not undone. {fault}")
    if len(stay) < known.patients:
        messages.success(request, f"{_patients(known.patients - len(stay))} back as before.")
    last.left(request, known, stay)
    # The cause may be gone by now: that is a good reason to undo what was done for it.
    if _CAUSES[known.kind].objects.filter(pk=known.cause).exists():
        return redirect("sessions:reflow-cause", known.kind, known.cause)
    return redirect("sessions:calendar")


@require_http_methods(["GET", "HEAD", "POST"])
@require(Permission.VISITS_REFLOW)
def cause(request: HttpRequest, kind: str, pk: int) -> HttpResponse:
    """All visits that an absence, a closure or a change hits, each patient's with a proposal to tick."""
    if kind not in _CAUSES:
        raise Http404("no such cause")
    found = cast(Cause, get_object_or_404(_CAUSES[kind], pk=row_id(str(pk)) or 0))
    now = timezone.now()
    if request.method == "POST":
        done, faults = _apply_all(request, now)
        if done:
            made = last.remember(request, kind, pk, now, done)
            toast(request, f"{_patients(len(done))} put in order.", undo_url=made.url)
        for fault in faults:
            messages.error(request, fault)
        if not done and not faults:
            messages.error(request, "Nobody was ticked. Nothing was changed.")
        return redirect("sessions:reflow-cause", kind, pk)
    hit = queries.hit_by(found, now)
    spare = days_to_spare(hit)
    urgent = most_urgent_first(hit, spare)
    proposals = queries.proposals_for(_first(urgent), now=now)
    rows = []
    hits = {visit.pk for visit in hit}
    names = names_of(*{place for proposal in proposals for place in proposal.places.values()})
    for proposal in proposals:
        patient = next(line.visit for line in proposal.visits if line.visit and line.visit.pk in hits).patient
        rows.append(_told(proposal, names) | {"patient": patient, "plan": proposal.plan})
    context = {
        "cause": found, "words": _words(found), "rows": rows, "hits": len(hit), "kind": kind,
        "patients": len({visit.patient_id for visit in hit}), "shown": len(rows),
        "fitting": sum(1 for row in rows if row["packed"]), "last": last.last_for(request, kind, pk),
    }  # fmt: skip
    return render(request, "sessions/reflow/cause.html", context)


def _first(visits: Sequence[Appointment]) -> list[Appointment]:
    """The visits of the first patients, at most so many at once."""
    patients: list[int] = []
    for visit in visits:
        if visit.patient_id not in patients:
            patients.append(visit.patient_id)
    kept = set(patients[:AT_ONCE])
    return [visit for visit in visits if visit.patient_id in kept]
