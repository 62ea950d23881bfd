"""Pages of the waiting list for the front desk, and the page behind the patient's link."""

from datetime import timedelta
from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone, translation
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from mesoclinic.accounts.models import User
from mesoclinic.accounts.permissions import Permission, require
from mesoclinic.ui import formatting
from mesoclinic.ui.middleware import typed
from mesoclinic.ui.reading import row_id
from patients.models import Patient
from patients.queries import clean_query, search_anywhere
from patients.shell import banner_for
from protocols.models import PlannedSession
from sessions.actions.checks import BookingError
from sessions.models import Appointment, Offer, Practitioner, WaitlistEntry
from sessions.places import location_of
from sessions.selfservice.limits import too_many
from sessions.views.shared import called
from sessions.waitlist import act, link, queries
from sessions.waitlist.forms import EntryForm
from sessions.waitlist.messages import language_of, words

#: The page behind a link tells how the offer ended until this long after the time itself.
TOLD_FOR = timedelta(days=2)


def _user(request: HttpRequest) -> User:
    return cast(User, request.user)


@require_safe
@require(Permission.BOOKING_EDIT)
def waitlist(request: HttpRequest) -> HttpResponse:
    """Who waits, in the order in which they are asked, and who is being asked."""
    location, now = location_of(request), timezone.now()
    text = clean_query(request.GET.get("q", ""))
    state = "closed" if request.GET.get("state") == "closed" else "open"
    everywhere = request.GET.get("where") == "all"
    priority = row_id(request.GET.get("priority"))
    priority = priority if priority in WaitlistEntry.Priority.values else None
    rows = queries.entries(
        state=state, location=None if everywhere else location, text=text, priority=priority
    )
    page = Paginator(rows, 25).get_page(request.GET.get("page"))
    offers = queries.open_offers(location) if state == "open" else []
    context = {
        "page": page, "rows": queries.lines(list(page.object_list), timezone.localdate(), now), "q": text,
        "state": state, "everywhere": everywhere, "priority": priority, "location": location, "offers": offers,
        "priorities": WaitlistEntry.Priority.choices, "now": now,
        "count": queries.waiting_count(location, now),
    }  # fmt: skip
    template = "sessions/waitlist/list.html"
    if getattr(request, "htmx", False) and request.GET.get("part") == "offers":
        template = "sessions/waitlist/_offers.html"
    return render(request, template, context)


def _session_words(planned: PlannedSession, visit: Appointment | None) -> str:
    words = f"Session {planned.number}, {planned.plan.title}"
    if visit is None:
        return f"{words}: not booked"
    local = visit.starts_at.astimezone(visit.location.zone)
    return f"{words}: booked {formatting.day(local.date(), timezone.localdate())}, {local:%H:%M}"


def _people() -> dict[int, str]:
    return {
        row.pk: str(row) for row in Practitioner.objects.filter(user__is_active=True).select_related("user")
    }


def _who(request: HttpRequest) -> HttpResponse:
    text = clean_query(request.GET.get("q", ""))
    found = search_anywhere(text, limit=12) if text else []
    context = {
        "q": text, "found": found, "recent": [] if text else Patient.objects.order_by("-pk")[:8],
        "action": reverse("sessions:waitlist-new"), "title": "Put on the waiting list",
    }  # fmt: skip
    htmx = getattr(request, "htmx", False)
    return render(request, "sessions/waitlist/_who.html" if htmx else "sessions/waitlist/who.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@require(Permission.BOOKING_EDIT)
def entry_new(request: HttpRequest) -> HttpResponse:
    """Put a patient on the list: from the chart, from a visit (`appointment`), or after a search."""
    visit_key = row_id(request.GET.get("appointment"))
    visit = Appointment.objects.filter(pk=visit_key).first() if visit_key else None
    key = row_id(request.POST.get("patient") or request.GET.get("patient"))
    if key is None and visit is not None:
        key = visit.patient_id
    if key is None:
        return _who(request)
    patient = get_object_or_404(Patient, pk=key)
    planned = queries.sessions_to_wait_for(patient)
    visits = queries.standing_visits(planned)
    sessions = [(row, _session_words(row, visits.get(row.pk))) for row in planned]
    wanted = (visit.planned_session_id if visit else None) or row_id(request.GET.get("planned"))
    if wanted is None and sessions:
        wanted = next((row.pk for row in planned if row.pk not in visits), planned[0].pk)
    chosen = next((row for row in planned if row.pk == wanted), None)
    location, today = location_of(request), timezone.localdate()
    initial = {
        "what": str(chosen.pk) if chosen else Appointment.Kind.CONSULTATION,
        "earlier": "1" if chosen and chosen.pk in visits else "0",
        "locations": [visit.location_id if visit else location.pk],
    }
    form = EntryForm(
        request.POST or None, sessions=sessions, practitioners=_people(), today=today, initial=initial
    )
    if request.method == "POST" and form.is_valid():
        what = form.cleaned_data["what"]
        session = form.sessions.get(what)
        if form.cleaned_data["earlier"] and (session is None or session.pk not in visits):
            form.add_error("earlier", "Nothing is booked that a time could be earlier than. Choose Any.")
        else:
            try:
                act.put_on(
                    patient=patient, kind=Appointment.Kind.SESSION if session else what, planned=session,
                    locations=list(form.cleaned_data["locations"]), by=_user(request), now=timezone.now(),
                    **form.values(),
                )  # fmt: skip
            except act.WaitlistError as error:
                form.add_error(None, str(error))
            else:
                messages.success(request, f"{called(request, patient)} is on the waiting list.")
                return redirect("sessions:waitlist")
    context = {"form": form, "patient": patient, "banner": banner_for(request, patient), "entry": None}
    return render(
        request, "sessions/waitlist/entry.html", context, status=422 if form.is_bound and form.errors else 200
    )


@require_http_methods(["GET", "HEAD", "POST"])
@require(Permission.BOOKING_EDIT)
def entry(request: HttpRequest, pk: int) -> HttpResponse:
    """One entry: its wishes, to change while it waits, and when the patient was asked."""
    rows = WaitlistEntry.objects.select_related("patient", "planned_session__plan", "created_by")
    found = get_object_or_404(rows, pk=pk)
    initial = {
        "earlier": "1" if found.earlier else "0", "locations": list(found.locations.all()), "wish": found.wish,
        "practitioner": found.practitioner_id, "day_from": found.day_from, "day_until": found.day_until,
        "notice_hours": found.notice_hours, "priority": found.priority, "note": found.note, "minutes": found.minutes,
    }  # fmt: skip
    form = EntryForm(
        request.POST or None, sessions=[], practitioners=_people(), today=timezone.localdate(), initial=initial,
        fixed=found,
    )  # fmt: skip
    if request.method == "POST" and form.is_valid():
        try:
            act.change(
                entry=found, locations=list(form.cleaned_data["locations"]), by=_user(request), now=timezone.now(),
                version=row_id(request.POST.get("version")) or 0, **form.values(),
            )  # fmt: skip
        except act.WaitlistError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, f"{called(request, found.patient)}: wishes saved.")
            return redirect("sessions:waitlist")
    offers = found.offers.select_related("location", "practitioner__user", "answered_by")
    context = {
        "form": form, "entry": found, "patient": found.patient, "banner": banner_for(request, found.patient),
        "offers": offers, "open": found.state in WaitlistEntry.OPEN,
        "version": request.POST.get("version") if form.is_bound else found.version,
    }  # fmt: skip
    return render(
        request, "sessions/waitlist/entry.html", context, status=422 if form.is_bound and form.errors else 200
    )


@require_POST
@require(Permission.BOOKING_EDIT)
def entry_withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a patient off the list."""
    found = get_object_or_404(WaitlistEntry.objects.select_related("patient"), pk=pk)
    try:
        act.withdraw(
            entry=found, by=_user(request), now=timezone.now(), reason=typed(request, "reason", 300),
            version=row_id(request.POST.get("version")),
        )  # fmt: skip
    except act.WaitlistError as error:
        messages.error(request, str(error))
        return redirect("sessions:waitlist-entry", pk)
    messages.success(request, f"{called(request, found.patient)} is off the waiting list.")
    return redirect("sessions:waitlist")


@require_POST
@require(Permission.BOOKING_EDIT)
def offer_answer(request: HttpRequest, pk: int) -> HttpResponse:
    """The front desk answers for the patient, asks the next one, or takes the time back."""
    offer = get_object_or_404(Offer.objects.select_related("patient", "location"), pk=pk)
    name, now = called(request, offer.patient), timezone.now()
    what = request.POST.get("act", "")
    try:
        if what == "accept":
            act.accept(offer=offer, by=_user(request), now=now)
            said = f"{name} is booked."
        elif what == "decline":
            act.decline(offer=offer, by=_user(request), now=now)
            said = f"{name} declined and stays on the list. The next one is asked."
        elif what == "pass":
            act.pass_on(offer=offer, by=_user(request), now=now)
            said = f"{name} stays on the list. The next one is asked."
        elif what == "end":
            act.end(offer=offer, by=_user(request), now=now)
            said = "The time is yours to book. Nobody else is asked."
        else:
            raise Http404("no such answer")
    except (act.Gone, BookingError) as error:
        messages.error(request, f"{name}: {error}")
    else:
        messages.success(request, said)
    return redirect("sessions:waitlist")


# ---- the patient's page ------------------------------------------------------------------------------------


def _answer_page(request: HttpRequest, offer: Offer | None, state: str, status: int = 200) -> HttpResponse:
    language = language_of(offer) if offer is not None else "en"
    with translation.override(language):
        context: dict[str, Any] = {"state": state, "offer": offer, "language": language}
        context["rtl"] = translation.get_language_bidi()
        if offer is not None:
            context["words"] = words(offer, timezone.now())
        response = render(request, "sessions/waitlist/answer.html", context, status=status)
    # The address is a key: no search engine keeps it, and no page that is opened from here learns it.
    response["X-Robots-Tag"], response["Referrer-Policy"] = "noindex", "no-referrer"
    return response


# No sign-in and no cookie stands behind this page: its address alone is the right to answer, so a forged request
# would have to know it, and browsers that keep no cookies can answer too.
@csrf_exempt
@login_not_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def answer(request: HttpRequest, token: str) -> HttpResponse:
    """The offer behind a link. Looking at it changes nothing; the first answer wins."""
    if too_many(request, token):
        return HttpResponse(status=429, headers={"Retry-After": "60"})
    offer, now = link.offer_of(token), timezone.now()
    if offer is None or now > offer.starts_at + TOLD_FOR:
        return _answer_page(request, None, "unknown", 404)
    if request.method == "POST":
        try:
            if request.POST.get("answer") == "accept":
                act.accept(offer=offer, by=None, now=now)
            elif request.POST.get("answer") == "decline":
                act.decline(offer=offer, by=None, now=now)
            else:
                return _answer_page(request, offer, _state_of(offer), 400)
        except act.Gone:
            offer.refresh_from_db()
            return _answer_page(request, offer, _state_of(offer), 409)
        return redirect(request.path)
    return _answer_page(request, offer, _state_of(offer))


def _state_of(offer: Offer) -> str:
    """What the page says: `open`, `booked`, `declined` or `gone`."""
    if offer.state == Offer.State.ACCEPTED:
        return "booked"
    if offer.state == Offer.State.DECLINED:
        return "declined"
    if offer.state == Offer.State.OPEN and timezone.now() < offer.expires_at:
        return "open"
    return "gone"
