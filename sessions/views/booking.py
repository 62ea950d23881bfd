"""Booking a course, a single visit, moving, states."""

import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, cast
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from mesoclinic.accounts.models import User
from mesoclinic.accounts.permissions import Permission, has_permission, require
from mesoclinic.audit.actions import record_access
from mesoclinic.ui import formatting
from mesoclinic.ui.forms import Col, DateInput, PickWidget, grid_helper
from mesoclinic.ui.middleware import typed
from mesoclinic.ui.reading import row_id
from mesoclinic.ui.toasts import toast
from patients.models import Patient
from patients.queries import clean_query, search_anywhere
from patients.shell import banner_for
from protocols.models import PlannedSession, TreatmentPlan
from sessions.actions import booking as actions
from sessions.actions.restore import REASONS, reason_words
from sessions.models import Appointment, AppointmentType, Location, Practitioner
from sessions.models.types import CONSULTATION
from sessions.places import every_location, location_of
from sessions.queries.booking import (
    acts_on,
    last_practitioner,
    neighbours,
    physician_of,
    practitioners_at,
    search_course,
    slot_of,
    visit_of,
    window_of,
)
from sessions.queries.calendar import closures, warnings_of
from sessions.queries.diary import diary
from sessions.queries.types import offered, visit_for
from sessions.reminders.schedule import address_of, taken_back
from sessions.scheduling import (
    CourseOption,
    Diary,
    Obstacle,
    Preferences,
    Slot,
    Visit,
    Wish,
    check_move,
    find_all_slots,
    read_wish,
)
from sessions.views.shared import called, names_of, pack, unpack, wall_clock, where


def _user(request: HttpRequest) -> User:
    return cast(User, request.user)


def _wish_of(
    plan: TreatmentPlan, text: str | None, practitioner: str, location: int | None, usual: int
) -> tuple[str, Wish, Preferences]:
    """(text shown, what was understood, preferences). Without a text the assessment's wishes count."""
    assessment = plan.assessment
    if text is None:
        names = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
        words = [names[day - 1] for day in assessment.weekdays]
        if assessment.time_from:
            words.append(f"after {assessment.time_from:%H:%M}")
        if assessment.time_until:
            words.append(f"before {assessment.time_until:%H:%M}")
        text = " ".join(words)
    wish = read_wish(text, timezone.localdate())
    return text[:200], wish, Preferences(
        wish.weekdays, wish.time_from, wish.time_until, row_id(practitioner), wish.day_from, wish.day_until,
        wish.without, physician_of(plan), location, usual,
    )  # fmt: skip


#: What the page sends for all locations together.
ANYWHERE = "any"


def _place_of(text: str | None, location: Location, elsewhere: Sequence[Location]) -> int | None:
    """The location that is searched, or None for all; that of the desk unless another one is chosen."""
    if text == ANYWHERE and elsewhere:
        return None
    chosen = row_id(text)
    return chosen if chosen in {place.pk for place in elsewhere} else location.pk


def _told(
    option: CourseOption,
    index: int,
    places: Mapping[int, Location],
    plan: TreatmentPlan,
    names: Any,
    best: CourseOption,
    physician: int | None,
) -> dict[str, Any]:
    """An option as its card shows it. `places` are the locations that were searched."""
    local = [wall_clock(slot.start, places[slot.location].zone) for slot in option.slots]
    people = list(dict.fromkeys(slot.practitioner for slot in option.slots))
    return {
        "name": "ABCDEF"[index],
        "number": index + 1,
        "rows": [
            {"slot": slot, "offset": offset, "back": -offset, "far": abs(offset) >= 5, "local": at,
             "place": places[slot.location].short_name if len(places) > 1 else ""}
            for slot, offset, at in zip(option.slots, option.offsets, local, strict=True)
        ],
        "deviation": option.deviation_days,
        "misses": option.misses,
        "who": ", ".join(filter(None, (names["practitioner"].get(key, "") for key in people))),
        "where": where(option.slots, names, places),
        "character": _character(local, best.days[0], index),
        "keeps": None if physician is None else people == [physician],
        "partly": physician in people,
        "first": local[0],
        "last": local[-1],
        "packed": pack(option.slots, plan=plan.pk),
    }  # fmt: skip


def _character(local: list[datetime], best: date, index: int) -> str:
    """What sets an option apart, in words."""
    words = []
    later = (local[0].date() - best).days
    if index == 0:
        words.append("Closest to the plan")
    elif later:
        words.append(
            f"Starts {abs(later)} day{'s' if abs(later) != 1 else ''} {'later' if later > 0 else 'sooner'}"
        )
    days = {at.isoweekday() for at in local}
    if len(local) > 1 and len(days) == 1:
        words.append(f"always {date_format(local[0].date(), 'l')}")
    if len(local) > 1 and len({at.time() for at in local}) == 1:
        words.append(f"always {local[0]:%H:%M}")
    text = ", ".join(words)
    return text[:1].upper() + text[1:]


#: The drawing of the windows: width, where time begins, height of a lane and of the space below it.
STRIP_WIDTH, STRIP_LEFT, STRIP_LANE, STRIP_GAP = 1130, 92, 20, 4


def _lanes(marks: list[dict[str, Any]]) -> int:
    """Give each window the first lane where none before it reaches it, at least two in turn; how many lanes."""
    ends: list[float] = []
    for mark in marks:
        lane = next((n for n, end in enumerate(ends) if end + STRIP_GAP < mark["left"]), len(ends))
        if lane == len(ends):
            ends.append(0)
        ends[lane] = mark["left"] + mark["width"]
        mark["lane"] = lane
    return max(len(ends), 1)


def _shut(places: Sequence[Location], first: date, last: date) -> list[tuple[date, date, str]]:
    """(first day, day after, reasons) of each stretch in which all of the locations are closed."""
    named = {place.pk: place for place in places}
    reasons: dict[date, dict[int, str]] = defaultdict(dict)
    for shut in closures(places[0], first, (last - first).days, places[1:]):
        zone = named[shut.location_id].zone
        day = max(shut.starts_at.astimezone(zone).date(), first)
        # A closure until midnight does not touch the next day.
        while day <= (shut.ends_at - timedelta(minutes=1)).astimezone(zone).date() and day < last:
            reasons[day][shut.location_id] = shut.reason
            day += timedelta(days=1)
    found: list[tuple[date, date, str]] = []
    for day in sorted(day for day, own in reasons.items() if len(own) == len(places)):
        text = ", ".join(dict.fromkeys(reasons[day][place.pk] for place in places))
        if found and found[-1][1:] == (day, text):
            found[-1] = found[-1][0], day + timedelta(days=1), text
        else:
            found.append((day, day + timedelta(days=1), text))
    return found


def _strip(
    options: list[CourseOption], planned: list[PlannedSession], places: Sequence[Location], start: date
) -> dict[str, Any] | None:
    """Windows, targets, dates and closures along one time line. Windows that meet lie on lanes of their own."""
    if not options:
        return None
    last = max(option.days[-1] for option in options)
    first = min(start, *(option.days[0] for option in options))
    days = max((last - first).days + 7, 14)
    end_day = first + timedelta(days=days)

    def x(day: date) -> float:
        return STRIP_LEFT + (day - first).days * (STRIP_WIDTH - STRIP_LEFT - 12) / days

    drawn: list[list[dict[str, Any]]] = []
    for option in options:
        before: date | None = None
        marks: list[dict[str, Any]] = []
        for row, day, offset in zip(planned, option.days, option.offsets, strict=True):
            target = day - timedelta(days=offset)
            base = before if before is not None else target - timedelta(days=row.target_days)
            begin, end = base + timedelta(days=row.earliest_days), base + timedelta(days=row.latest_days)
            left, right = x(max(begin, first)), x(min(end, end_day))
            marks.append(
                {"x": f"{x(day):.1f}", "target": f"{x(max(target, first)):.1f}", "left": left,
                 "width": max(right - left, 3), "number": row.number}
            )  # fmt: skip
            before = day
        drawn.append(marks)
    tall = max(_lanes(marks) for marks in drawn) * (STRIP_LANE + STRIP_GAP)
    rows = []
    for index, marks in enumerate(drawn):
        y = 32 + index * (tall + 12)
        for mark in marks:
            lane = y + mark["lane"] * (STRIP_LANE + STRIP_GAP)
            mark |= {
                "y": lane,
                "end": lane + STRIP_LANE,
                "mid": lane + STRIP_LANE // 2,
                "base": lane + STRIP_LANE // 2 + 4,
            }
            mark |= {"left": f"{mark['left']:.1f}", "width": f"{mark['width']:.1f}"}
        rows.append({"name": "ABCDEF"[index], "number": index + 1, "marks": marks, "base": y + tall // 2 + 2})
    bottom = 28 + len(options) * (tall + 12)
    weeks = []
    monday = first - timedelta(days=first.weekday())
    step = 7 if days <= 112 else 14
    while monday <= end_day:
        if monday >= first:
            # A label near the end would be cut: it stands before its line.
            weeks.append({"x": f"{x(monday):.1f}", "day": monday, "late": x(monday) > STRIP_WIDTH - 50})
        monday += timedelta(days=step)
    closed = [
        {"x": f"{x(begin):.1f}", "width": f"{max(x(end) - x(begin), 2):.1f}", "reason": reason, "day": begin}
        for begin, end, reason in _shut(places, first, end_day)
    ]
    return {
        "rows": rows, "weeks": weeks, "height": bottom + 8, "bottom": bottom, "closed": closed, "tall": bottom - 22,
        "width": STRIP_WIDTH,
    }  # fmt: skip


def _course_context(request: HttpRequest, plan: TreatmentPlan, course: int, data: Any) -> dict[str, Any]:
    location, now = location_of(request), timezone.now()
    elsewhere = [place for place in every_location(request) if place != location]
    chosen = _place_of(data.get("place"), location, elsewhere)
    text, wish, preferences = _wish_of(
        plan, data.get("wish"), str(data.get("practitioner", "")), chosen, location.pk
    )
    found = search_course(plan, location, preferences, now=now, course=course, elsewhere=elsewhere)
    planned, options = found.planned, found.options
    every = [location, *elsewhere]
    places = {place.pk: place for place in every if chosen in {None, place.pk}}
    names = names_of(*places.values())
    can = {
        p.pk: str(p)
        for p in Practitioner.objects.filter(hours__location__in=places).select_related("user").distinct()
    }
    return {
        "plan": plan, "patient": plan.patient, "banner": banner_for(request, plan.patient), "course": course,
        "location": places[chosen] if chosen else None, "wish_text": text, "unknown": wish.unknown, "understood": _understood(wish), "planned": planned,
        "options": [_told(option, i, places, plan, names, options[0], preferences.favourite) for i, option in enumerate(options)],
        "strip": _strip(options, planned, list(places.values()), timezone.localdate()), "key": uuid.uuid4(),
        "practitioners": can, "practitioner": preferences.practitioner, "total": plan.planned_sessions.filter(course=course).count(),
        "obstacle": _obstacle(found.obstacle, {place.pk: place for place in every}),
        "physician": names["practitioner"].get(preferences.favourite or 0), "address": address_of(plan.patient),
        # A clinic with one location is not asked where.
        "places": sorted(every, key=lambda place: place.pk) if elsewhere else [],
    }  # fmt: skip


#: What is missing, in words: in a window, and as the one thing that would have to be free.
LACKING = {
    "qualification": "nobody here is qualified for it",
    "hours": "nobody who can do it works then",
    "practitioner": "everybody who can do it is taken",
    "room": "no fitting room is free",
    "device": "the device is taken",
    "preparation": "no place for the cream is free",
    "patient": "the patient has other visits, or too near ones",
    "wish": "the patient can't come",
    "opening": "nobody is there early enough to put the cream on",
    "past": "the window is over",
}
RELIEF = {
    "days": "Without the days the patient excluded, the course fits.",
    "person": "With any practitioner, the course fits.",
    "place": "In {place}, the course fits.",
    "practitioner": "One practitioner more{there} on {day} would be enough.",
    "room": "One room more{there} on {day} would be enough.",
    "device": "One device more{there} on {day} would be enough.",
    "preparation": "One more place for the cream{there} on {day} would be enough.",
    "patient": "Moving the patient's other visit of {day} would be enough.",
}


def _obstacle(found: Obstacle | None, places: Mapping[int, Location]) -> dict[str, Any] | None:
    """Why no course fits, in the words of the front desk."""
    if found is None:
        return None
    today = timezone.localdate()
    helps = []
    for relief in found.reliefs:
        day = formatting.day(relief.day, today) if relief.day else ""
        if relief.kind == "later":
            days = f"{relief.days} day{'s' if relief.days != 1 else ''}"
            helps.append(
                f"Session {found.number} on {day}, {days} past its window, would fit: ask the physician."
            )
        else:
            place = places[relief.location].short_name if relief.location else ""
            helps.append(
                "With visits at any location, the course fits."
                if relief.kind == "place" and not place
                else RELIEF[relief.kind].format(day=day, place=place, there=f" in {place}" if place else "")
            )
    lacking = [LACKING[kind] for kind in found.lacking] or [
        "people, rooms and devices are never free together"
    ]
    return {
        "number": found.number,
        "first": found.first,
        "last": found.last,
        "lacking": lacking,
        "helps": helps,
    }


def _weekdays(days: frozenset[int]) -> str:
    return ", ".join(date_format(date(2026, 11, 29) + timedelta(days=day), "l") for day in sorted(days))


def _understood(wish: Wish) -> list[str]:
    words = []
    if wish.without:
        words.append(f"not {_weekdays(wish.without)}")
    if wish.weekdays and wish.weekdays != frozenset(range(1, 8)) - wish.without:
        words.append(_weekdays(wish.weekdays))
    if wish.time_from:
        words.append(f"from {wish.time_from:%H:%M}")
    if wish.time_until:
        words.append(f"until {wish.time_until:%H:%M}")
    if wish.day_from:
        words.append(f"from {formatting.day(wish.day_from, timezone.localdate())}")
    if wish.day_until:
        words.append(f"until {formatting.day(wish.day_until, timezone.localdate())}")
    return words


@require_http_methods(["GET", "HEAD", "POST"])
@require(Permission.BOOKING_EDIT)
def course_book(request: HttpRequest, pk: int, course: int = 0) -> HttpResponse:
    """Options for a whole course; confirming books them all or none."""
    plans = TreatmentPlan.objects.select_related("patient", "assessment", "signed_by")
    plan = get_object_or_404(plans, pk=pk, status__in=TreatmentPlan.LIVE)
    taken, status = "", 200
    if request.method == "POST":
        data = unpack(str(request.POST.get("option", "")))
        try:
            key = uuid.UUID(str(request.POST.get("key", "")))
        except ValueError as error:
            raise Http404("no key") from error
        if data.get("plan") != plan.pk:
            raise Http404("options of another plan")
        # One location, or several: each slot names its own.
        places = list(Location.objects.filter(pk__in={slot.location for slot in data["slots"]}))
        if not places:
            raise Http404("no location")
        try:
            booking = actions.book_course(
                plan=plan,
                location=places[0],
                elsewhere=places[1:],
                slots=data["slots"],
                key=key,
                by=_user(request),
                now=timezone.now(),
            )
        except actions.BookingError as error:
            taken, status = str(error), 409
        else:
            count = booking.appointments.count()
            messages.success(
                request,
                f"{count} session{'s' if count != 1 else ''} booked for {called(request, plan.patient)}.",
            )
            return redirect("patients:chart", plan.patient_id)
    context = _course_context(request, plan, course, request.POST if taken else request.GET) | {
        "taken": taken
    }
    template = (
        "sessions/booking/_options.html"
        if getattr(request, "htmx", False)
        else "sessions/booking/course.html"
    )
    return render(request, template, context, status=status)


# ---- one visit ---------------------------------------------------------------------------------------------


#: More choices than this become a list (design/README.md, section 6).
MOST_BUTTONS = 7


class SingleForm(forms.Form):
    """A single visit: what, how long, with whom, from which day."""

    type = forms.TypedChoiceField(
        label="Type", coerce=row_id, error_messages={"required": "Choose what the visit is for."}
    )
    minutes = forms.TypedChoiceField(
        label="Length", coerce=int, choices=[("", "As usual"), *((n, f"{n} min") for n in (15, 30, 45, 60))],
        widget=PickWidget, required=False, empty_value=None,
    )  # fmt: skip
    day = forms.DateField(label="From day", widget=DateInput)
    practitioner = forms.TypedChoiceField(
        label="Practitioner", coerce=row_id, required=False, empty_value=None
    )

    def __init__(
        self, *args: Any, practitioners: dict[int, str], types: dict[int, AppointmentType], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.types = types
        kinds = cast(forms.TypedChoiceField, self.fields["type"])
        if len(types) <= MOST_BUTTONS:
            kinds.widget = PickWidget(
                wrap=True, hints={pk: f"{row.minutes} min" for pk, row in types.items()}
            )
        kinds.choices = [(pk, row.name) for pk, row in types.items()]
        field = cast(forms.TypedChoiceField, self.fields["practitioner"])
        field.choices = [("", "Any practitioner"), *((str(pk), name) for pk, name in practitioners.items())]
        self.helper = grid_helper(Col("type", 6), Col("minutes", 6), Col("day", 4), Col("practitioner", 4))

    def clean(self) -> dict[str, Any]:
        """`minutes` of a length "as usual" are those of the type."""
        cleaned = super().clean() or self.cleaned_data
        if (
            cleaned.get("type") in self.types
            and cleaned.get("minutes") is None
            and "minutes" not in self.errors
        ):
            cleaned["minutes"] = self.types[cleaned["type"]].minutes
        return cleaned

    def clean_day(self) -> date:
        day: date = self.cleaned_data["day"]
        if not timezone.localdate() <= day <= timezone.localdate() + timedelta(days=730):
            raise forms.ValidationError("Choose a day from today on, within two years.")
        return day


#: Parts of the day on the wall clock: from which hour, its word.
PARTS = ((0, "Morning"), (13, "Afternoon"), (17, "Evening"))


def slots_by_day(
    visit: Visit,
    book: Diary,
    first: date,
    days: int,
    names: Any,
    *,
    practitioner: int | None = None,
    **more: Any,
) -> list[dict[str, Any]]:
    """Free times of some days by part of the day, each with the practitioner and the room it would be in."""
    found = find_all_slots(visit, book, first, first + timedelta(days=days - 1), timezone.now(), practitioner)
    return [
        {
            "day": day,
            "parts": [
                {
                    "name": name,
                    "slots": [
                        {"slot": slot, "local": local, "wall": f"{local:%Y-%m-%d %H:%M}", "packed": pack([slot], **more),
                         "who": names["practitioner"].get(slot.practitioner, ""), "room": names["room"].get(slot.room, "")}
                        for slot in slots
                        if (local := wall_clock(slot.start, book.zone)).hour >= hour and local.hour < until
                    ],
                }
                for (hour, name), until in zip(PARTS, (13, 17, 24), strict=True)
            ],
            "free": bool(slots),
        }
        for day, slots in found.items()
    ]  # fmt: skip


def _mismatch(form: SingleForm, slot: Slot, type_key: int | None, location: Location) -> str:
    """What is chosen above the times must be what the time stands for: else the page had not caught up."""
    if not form.is_valid():
        return "Something above the times is missing."
    chosen = form.cleaned_data
    minutes = int((slot.end - slot.start).total_seconds() // 60)
    day = slot.start.astimezone(location.zone).date()
    if (
        chosen["type"] != type_key
        or chosen["minutes"] != minutes
        or day < chosen["day"]
        or chosen["practitioner"] not in {None, slot.practitioner}
    ):
        return "The visit was changed after these times were shown."
    return ""


def _book_single(
    request: HttpRequest, patient: Patient, location: Location, form: SingleForm
) -> Appointment | str:
    """The visit made, or why not."""
    if not request.POST.get("slot"):
        return "Choose a time."
    data = unpack(str(request.POST["slot"]))
    if data.get("patient") != patient.pk:
        raise Http404("times of another patient")
    slot = data["slots"][0]
    fault = _mismatch(form, slot, data.get("type"), location)
    if fault:
        return fault
    booked_as = form.types[data["type"]]
    try:
        return actions.book_single(
            patient=patient, location=location, slot=slot, kind=booked_as.kind, type=booked_as, by=_user(request),
            now=timezone.now(), note=typed(request, "note", 300),
        )  # fmt: skip
    except actions.BookingError as error:
        return str(error)


@require_http_methods(["GET", "HEAD", "POST"])
@require(Permission.BOOKING_EDIT)
def appointment_new(request: HttpRequest) -> HttpResponse:
    """Book a consultation, a review or an emergency for a patient."""
    location = location_of(request)
    key = row_id(request.GET.get("patient") or request.POST.get("patient"))
    if key is None:
        return _who_is_coming(request)
    patient = get_object_or_404(Patient, pk=key)
    posted, types = request.method == "POST", offered()
    wanted = (request.POST if posted else request.GET).copy()
    # A link may name the class only: `kind=emergency` is the first type that counts as one.
    of_kind = [pk for pk, row in types.items() if row.kind == wanted.get("kind", "consultation")]
    wanted.setdefault("type", str(next(iter(of_kind), "")))
    chosen = types.get(row_id(wanted["type"]) or 0)
    needs = chosen.needs if chosen is not None else CONSULTATION
    able = practitioners_at(location, needs.qualifications)
    # For what the page's list of practitioners was drawn; another answer brings another list.
    asked = " ".join(sorted(needs.qualifications))
    if not posted:
        wanted.setdefault("day", timezone.localdate().isoformat())
        wanted.setdefault("practitioner", str(last_practitioner(patient, able) or ""))
        if row_id(wanted["practitioner"]) not in able:
            # Another type may need somebody else; the list beside it follows.
            wanted["practitioner"] = ""
    form = SingleForm(wanted, practitioners=able, types=types)
    fault = ""
    if posted and "show" not in request.POST:
        made = _book_single(request, patient, location, form)
        if isinstance(made, Appointment):
            messages.success(request, f"{made.what} booked for {called(request, patient)}.")
            day = made.starts_at.astimezone(location.zone).date()
            return redirect(f"{reverse('sessions:calendar')}?day={day.isoformat()}")
        fault = made
    days: list[dict[str, Any]] = []
    if form.is_valid():
        first = form.cleaned_data["day"]
        visit = visit_for(needs, form.cleaned_data["minutes"])
        book = diary(location, first, first + timedelta(days=6), patient)
        days = slots_by_day(
            visit, book, first, 7, names_of(location), practitioner=form.cleaned_data["practitioner"],
            patient=patient.pk, type=form.cleaned_data["type"],
        )  # fmt: skip
    context = {
        "patient": patient, "form": form, "days": days, "fault": fault, "location": location,
        "note": typed(request, "note", 300) if posted else str(request.GET.get("note", ""))[:300],
        "wanted_at": f"{wanted.get('day')} {request.GET.get('time', '')}",
        "banner": banner_for(request, patient), "what": chosen.name if chosen else "",
        "able": asked, "relist": wanted.get("able", asked) != asked,
    }  # fmt: skip
    htmx = getattr(request, "htmx", False)
    template = "sessions/booking/_single_slots.html" if htmx else "sessions/booking/single.html"
    return render(request, template, context, status=409 if fault else 200)


def _who_is_coming(request: HttpRequest) -> HttpResponse:
    """New visit without a patient: find one on this page."""
    text = clean_query(str(request.GET.get("q", "")))
    found = search_anywhere(text, limit=12) if text else []
    # A time that was clicked in the calendar stays chosen while the patient is found.
    kept = {name: request.GET[name][:20] for name in ("day", "time", "practitioner") if request.GET.get(name)}
    context = {
        "q": text, "found": found, "recent": [] if text else Patient.objects.order_by("-pk")[:8], "kept": kept,
        "kept_query": urlencode(kept),
    }  # fmt: skip
    htmx = getattr(request, "htmx", False)
    return render(request, "sessions/booking/_who.html" if htmx else "sessions/booking/who.html", context)


def _appointments() -> QuerySet[Appointment]:
    return Appointment.objects.select_related(
        "patient",
        "location",
        "practitioner__user",
        "room",
        "device",
        "type",
        "planned_session__plan",
        "booked_by",
    )


@require_safe
@require(Permission.CALENDAR_VIEW)
def appointment(request: HttpRequest, pk: int) -> HttpResponse:
    """One visit with its next acts; as a quick card inside the calendar, as a page by its address."""
    found = get_object_or_404(_appointments(), pk=pk)
    return _appointment_page(request, found)


def _page_of(request: HttpRequest, found: Appointment) -> str:
    """Where an act on the quick card leads back to: the calendar as it stands."""
    htmx = getattr(request, "htmx", None)
    path = (htmx.current_url_abs_path or "") if htmx else ""
    return path or reverse("sessions:appointment", args=[found.pk])


def _appointment_page(
    request: HttpRequest, found: Appointment, fault: str = "", status: int = 200
) -> HttpResponse:
    record_access(by=_user(request), patient_id=found.patient_id, what="appointment")
    planned = found.planned_session
    clinical = has_permission(request.user, Permission.PROFILE_VIEW)
    context: dict[str, Any] = {
        "appointment": found, "planned": planned, "patient": found.patient, "fault": fault,
        "total": planned.plan.planned_sessions.filter(course=planned.course).count() if planned else 0,
        "next": acts_on(found, may_treat=has_permission(request.user, Permission.TREATMENT_RECORD)),
        "back": _page_of(request, found), "window": window_of(found),
        "warnings": warnings_of(found.patient, timezone.localdate()) if clinical else [], "clinical": clinical,
        "messages_of": found.messages.order_by("-send_at")[:6],
        "today": found.starts_at.astimezone(found.location.zone).date()
        == timezone.now().astimezone(found.location.zone).date(),
        "coming": found.starts_at > timezone.now(),
        "reasons": REASONS, "typed_reason": typed(request, "reason", 300) if request.method == "POST" else "",
        "record": found.records.order_by("-version").first(),
    }  # fmt: skip
    htmx = getattr(request, "htmx", False)
    template = "sessions/booking/_appointment.html" if htmx else "sessions/booking/appointment.html"
    if not htmx:
        context["banner"] = banner_for(request, found.patient)
    return render(request, template, context, status=status)


@require_POST
@require(Permission.CHECK_IN)
def appointment_status(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a visit to another state: confirm, check in, missed, cancel, back."""
    found = get_object_or_404(_appointments(), pk=pk)
    to, version = str(request.POST.get("to", "")), str(request.POST.get("version", ""))
    if to not in Appointment.Status.values:
        raise Http404
    clinical = {Appointment.Status.IN_TREATMENT, Appointment.Status.DONE}
    if to in clinical and to not in acts_on(
        found, may_treat=has_permission(request.user, Permission.TREATMENT_RECORD)
    ):
        return _appointment_page(
            request, found, "A session begins and ends with its treatment record. Open the treatment.", 409
        )
    try:
        actions.change_status(
            appointment=found, to=to, by=_user(request), now=timezone.now(),
            version=row_id(version),
            reason=reason_words(str(request.POST.get("why", "")), typed(request, "reason", 300)),
        )  # fmt: skip
    except actions.BookingError as error:
        return _appointment_page(request, get_object_or_404(_appointments(), pk=pk), str(error), 409)
    changed = get_object_or_404(_appointments(), pk=pk)
    said = f"{called(request, changed.patient)}: {changed.get_status_display().lower()}."
    back = str(request.POST.get("next", ""))
    undo = ""
    if to == Appointment.Status.CANCELLED and changed.starts_at > timezone.now():
        undo = f"{reverse('sessions:appointment-restore', args=[pk])}?version={changed.version}"
    toast(request, said, undo_url=undo)
    if back.startswith("/") and not back.startswith("//") and "\\" not in back:
        return redirect(back)
    return redirect("sessions:appointment", pk)


def _move_back(request: HttpRequest, found: Appointment) -> HttpResponse:
    """Undo a move: the same act with the time before. The patient is told nothing if nothing had left."""
    data = unpack(str(request.GET.get("undo", "")))
    if data.get("appointment") != found.pk:
        raise Http404("a move of another visit")
    now = timezone.now()
    try:
        with transaction.atomic():
            back = actions.move(
                appointment=found, slot=data["slots"][0], by=_user(request), now=now, version=data.get("version"),
                reason="Undone",
            )  # fmt: skip
            taken_back(back, before=data["version"])
            if (
                data.get("status") == Appointment.Status.CONFIRMED
                and back.status == Appointment.Status.BOOKED
            ):
                actions.change_status(appointment=back, to="confirmed", by=_user(request), now=now)
    except actions.BookingError as error:
        return _appointment_page(request, get_object_or_404(_appointments(), pk=found.pk), str(error), 409)
    day = back.starts_at.astimezone(found.location.zone).date()
    messages.success(request, f"{called(request, found.patient)}: back at the time before.")
    return redirect(f"{reverse('sessions:calendar')}?day={day.isoformat()}")


def _move(request: HttpRequest, found: Appointment) -> HttpResponse | str:
    """The answer after a move with its way back, or why it was not made."""
    if not request.POST.get("slot"):
        return "Choose a time."
    data = unpack(str(request.POST["slot"]))
    if data.get("appointment") != found.pk:
        raise Http404("times of another visit")
    before = slot_of(found)
    try:
        moved = actions.move(
            appointment=found, slot=data["slots"][0], by=_user(request), now=timezone.now(),
            version=data.get("version"), reason=typed(request, "reason", 300),
        )  # fmt: skip
    except actions.BookingError as error:
        return str(error)
    undo = pack([before], appointment=found.pk, version=moved.version, status=found.status)
    local = moved.starts_at.astimezone(found.location.zone)
    told = (
        " The patient is told in 3 minutes."
        if moved.starts_at != before.start and address_of(found.patient)
        else ""
    )
    toast(
        request,
        f"{called(request, found.patient)} moved to {formatting.day(local.date(), timezone.localdate())}, {local:%H:%M}.{told}",
        undo_url=f"{reverse('sessions:appointment-move', args=[found.pk])}?{urlencode({'undo': undo})}",
    )
    return redirect(f"{reverse('sessions:calendar')}?day={local.date().isoformat()}")


@require_http_methods(["GET", "HEAD", "POST"])
@require(Permission.BOOKING_EDIT)
def appointment_move(request: HttpRequest, pk: int) -> HttpResponse:
    """Another time for a visit. What leaves its window is told before it is saved."""
    found = get_object_or_404(_appointments(), pk=pk)
    location, fault = found.location, ""
    if request.method == "POST":
        if "undo" in request.GET:
            return _move_back(request, found)
        answer = _move(request, found)
        if isinstance(answer, HttpResponse):
            return answer
        fault = answer
    found = get_object_or_404(_appointments(), pk=pk)
    day = _day(request.GET.get("day")) or found.starts_at.astimezone(location.zone).date()
    today = timezone.now().astimezone(location.zone).date()
    day = max(day, today)
    planned = found.planned_session
    visit = visit_of(planned) if planned is not None else visit_for(found.needs, slot_of(found).minutes)
    able = practitioners_at(location, visit.needs)
    # The present one unless somebody says "any": an empty choice is a choice.
    text = request.GET.get("practitioner")
    practitioner = found.practitioner_id if text is None else row_id(text)
    book = diary(location, day, day + timedelta(days=6), found.patient, leave_out=[found.pk])
    days = slots_by_day(
        visit,
        book,
        day,
        7,
        names_of(location),
        practitioner=practitioner,
        appointment=found.pk,
        version=found.version,
    )
    others = neighbours(found)
    placed = {n: row.starts_at.astimezone(row.location.zone).date() for n, row in others.items()}
    visits = [visit_of(row.planned_session) for row in others.values() if row.planned_session]
    for row in days:
        row["leaving"] = check_move(visits, placed, planned.number, row["day"]) if planned else ()
        # Too soon after the visit before is never possible; too soon before the next one is when that one moves too.
        row["blocked"] = any(one.days < 0 and one.number == visit.number for one in row["leaving"])
        row["reflow"] = any(one.days < 0 and one.number != visit.number for one in row["leaving"])
    context = {
        "appointment": found, "patient": found.patient, "days": days, "fault": fault, "day": day,
        "earlier": max(day - timedelta(days=7), today), "later": day + timedelta(days=7),
        "banner": banner_for(request, found.patient), "location": location, "practitioners": able,
        "practitioner": practitioner, "address": address_of(found.patient),
    }  # fmt: skip
    htmx = getattr(request, "htmx", False)
    template = "sessions/booking/_slots.html" if htmx else "sessions/booking/move.html"
    return render(request, template, context, status=409 if fault else 200)


def _day(text: str | None) -> date | None:
    try:
        day = date.fromisoformat(text or "")
    except ValueError:
        return None
    return day if date(2000, 1, 1) <= day <= date(2100, 1, 1) else None
