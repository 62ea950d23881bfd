"""Reads of the waiting list: who waits, in which window, and which free times there are for them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Prefetch, Q, QuerySet

from patients.models import Patient
from patients.queries import with_name
from protocols.models import PlannedSession, TreatmentPlan
from sessions.models import Appointment, FreedTime, Location, Offer, WaitlistEntry
from sessions.models.types import CONSULTATION
from sessions.queries.booking import visit_of
from sessions.queries.diary import LIVE, diary
from sessions.queries.types import visit_for
from sessions.scheduling import Diary, Preferences, Slot, Span, find_all_slots
from sessions.waitlist.rank import Waiting

MOVABLE = (Appointment.Status.REQUESTED, Appointment.Status.BOOKED, Appointment.Status.CONFIRMED)
#: Days after which the age of the list turns amber, then red.
AGES = (7, 21)


@dataclass(frozen=True, slots=True)
class WaitingCount:
    """How many wait and how long the first has: `level` is "", `warn` or `block`, as the chips are coloured."""

    count: int
    days: int
    level: str


def waiting_count(location: Location, now: datetime) -> WaitingCount:
    """The waiting list of a location for the calendar's bar. One query."""
    since = list(
        WaitlistEntry.objects.filter(state__in=WaitlistEntry.OPEN, locations=location)
        .order_by("created_at")
        .values_list("created_at", flat=True)
    )
    days = (now - since[0]).days if since else 0
    level = "block" if days >= AGES[1] else "warn" if days >= AGES[0] else ""
    return WaitingCount(len(since), days, level)


@dataclass(frozen=True, slots=True)
class Course:
    """Where a planned session stands: its own visit, and the days its neighbours leave it (both ends inclusive)."""

    visit: Appointment | None
    first: date | None
    last: date | None
    #: The session is over, or its plan is: nothing to wait for.
    closed: bool = False


def _local(visit: Appointment) -> date:
    return visit.starts_at.astimezone(visit.location.zone).date()


def _window(
    planned: PlannedSession, visits: Mapping[int, Appointment], sessions: Mapping[int, PlannedSession]
) -> tuple[date | None, date | None]:
    """The clinical window: after the session before, and so that the one after keeps its own.

    Without a session before: from the plan's first day, with the days that its signature gives it.
    """
    first = last = None
    before = visits.get(planned.number - 1)
    if before is not None:
        first = _local(before) + timedelta(days=planned.earliest_days)
        last = _local(before) + timedelta(days=planned.latest_days)
    elif planned.number == 1:
        start = planned.not_before or (planned.plan.signed_at.date() if planned.plan.signed_at else None)
        if start is not None:
            first, last = start, start + timedelta(days=planned.latest_days)
    after, following = visits.get(planned.number + 1), sessions.get(planned.number + 1)
    if after is not None and following is not None:
        soonest, latest = (
            _local(after) - timedelta(days=n) for n in (following.latest_days, following.earliest_days)
        )
        first = max(first, soonest) if first else soonest
        last = min(last, latest) if last else latest
    return first, last


def courses_of(entries: Iterable[WaitlistEntry]) -> dict[int, Course]:
    """The course of each entry's planned session, by entry. Two queries, whatever their number."""
    planned = {entry.pk: entry.planned_session for entry in entries if entry.planned_session is not None}
    plans = {row.plan_id for row in planned.values()}
    sessions: dict[tuple[int, int], dict[int, PlannedSession]] = defaultdict(dict)
    visits: dict[tuple[int, int], dict[int, Appointment]] = defaultdict(dict)
    if plans:
        for row in PlannedSession.objects.filter(plan__in=plans).defer("content"):
            sessions[row.plan_id, row.course][row.number] = row
        roots = {row.plan.root_pk: row.plan_id for row in planned.values()}
        rows = Appointment.objects.filter(
            LIVE, Q(planned_session__plan__in=roots) | Q(planned_session__plan__root__in=roots)
        ).select_related("location", "planned_session__plan")
        for visit in rows:
            # Visits of earlier versions of a course stand where they stood.
            assert visit.planned_session is not None
            plan = roots[visit.planned_session.plan.root_pk]
            visits[plan, visit.planned_session.course][visit.planned_session.number] = visit
    found = {}
    for key, row in planned.items():
        own = visits[row.plan_id, row.course]
        mine = own.get(row.number)
        first, last = _window(row, own, sessions[row.plan_id, row.course])
        over = mine is not None and mine.status not in MOVABLE
        found[key] = Course(mine, first, last, over or row.plan.status not in TreatmentPlan.LIVE)
    return found


def _later(one: date | None, two: date | None) -> date | None:
    return max(one, two) if one and two else one or two


def _sooner(one: date | None, two: date | None) -> date | None:
    return min(one, two) if one and two else one or two


def window_of(entry: WaitlistEntry, course: Course | None) -> tuple[date | None, date | None]:
    """The days in which the entry takes a time: what was wished, inside the clinical window."""
    first = _later(entry.day_from, course.first if course else None)
    last = _sooner(entry.day_until, course.last if course else None)
    return first, last


def waiting_of(entry: WaitlistEntry, course: Course | None, asked: Sequence[Span], *, busy: bool) -> Waiting:
    """An entry as the rank sees it."""
    first, last = window_of(entry, course)
    wish = Preferences(
        frozenset(entry.weekdays), entry.time_from, entry.time_until, entry.practitioner_id, first, last
    )
    before = course.visit.starts_at if course and course.visit and entry.earlier else None
    return Waiting(
        entry.pk, entry.patient_id, entry.priority, entry.created_at, wish, timedelta(hours=entry.notice_hours),
        before, tuple(asked), busy,
    )  # fmt: skip


def booked_since(entry: WaitlistEntry, course: Course | None) -> bool:
    """Whether the session got its visit after it came on the list: it waits no more (sessions.waitlist.work)."""
    return course is not None and course.visit is not None and course.visit.booked_at > entry.created_at


def _day(moment: datetime, location: Location) -> date:
    return moment.astimezone(location.zone).date()


def _taken_by_patients(
    patients: Iterable[int], location: Location, first: datetime, last: datetime
) -> dict[int, list[Appointment]]:
    """Standing visits of patients around a free time. One query."""
    day = timedelta(days=1)
    rows = Appointment.objects.filter(
        LIVE, patient__in=set(patients), starts_at__lt=last + day, ends_at__gt=first - day
    )
    found: dict[int, list[Appointment]] = defaultdict(list)
    for row in rows:
        found[row.patient_id].append(row)
    return found


def _with_patient(book: Diary, visits: Sequence[Appointment], moved: int | None, location: Location) -> Diary:
    """The diary with what the patient has: the whole day of a session, the hours of a visit."""
    spans = []
    for row in visits:
        if row.pk == moved:
            continue
        if row.planned_session_id:
            day = datetime.combine(_day(row.starts_at, location), datetime.min.time(), tzinfo=location.zone)
            spans.append(Span(day, day + timedelta(days=1)))
        else:
            spans.append(Span(row.starts_at, row.ends_at))
    return replace(book, busy={**book.busy, ("patient", 0): spans})


def entries_for(freed: FreedTime) -> list[WaitlistEntry]:
    """Open entries that a freed time may suit, before the rank looks at them. One query."""
    first, last = _day(freed.starts_at, freed.location), _day(freed.ends_at, freed.location)
    return list(
        WaitlistEntry.objects.filter(
            Q(practitioner=None) | Q(practitioner=freed.practitioner_id),
            Q(day_from=None) | Q(day_from__lte=last),
            Q(day_until=None) | Q(day_until__gte=first),
            state__in=WaitlistEntry.OPEN,
            locations=freed.location_id,
        ).select_related("patient", "planned_session__plan")
    )


def matching(
    freed: FreedTime, now: datetime
) -> tuple[list[Waiting], dict[int, list[Slot]], dict[int, WaitlistEntry]]:
    """Who waits, the free times in the freed one for each, and the entries. A fixed number of queries.

    A time counts while it touches the freed one and is with its practitioner; it may begin before or end after it,
    where that is free too. Room and device are those that are free then.
    """
    location = freed.location
    entries = entries_for(freed)
    if not entries:
        return [], {}, {}
    courses = courses_of(entries)
    first, last = _day(freed.starts_at, location), _day(freed.ends_at, location)
    book = diary(location, first, last)
    asked: dict[int, list[Span]] = defaultdict(list)
    for offer in Offer.objects.filter(entry__in=[entry.pk for entry in entries]):
        asked[offer.entry_id].append(Span(offer.starts_at, offer.ends_at))
    taken = _taken_by_patients(
        (entry.patient_id for entry in entries), location, freed.starts_at, freed.ends_at
    )
    open_for = set(
        Offer.objects.filter(
            state=Offer.State.OPEN, patient__in=[entry.patient_id for entry in entries]
        ).values_list("patient_id", flat=True)
    )
    span = Span(freed.starts_at, freed.ends_at)
    ranked, slots = [], {}
    for entry in entries:
        course = courses.get(entry.pk)
        if (course is not None and course.closed) or booked_since(entry, course):
            continue
        moved = course.visit.pk if course and course.visit else None
        planned = entry.planned_session
        visit = visit_of(planned) if planned is not None else visit_for(CONSULTATION, entry.length)
        own = _with_patient(book, taken[entry.patient_id], moved, location)
        free = find_all_slots(visit, own, first, last, now, freed.practitioner_id)
        slots[entry.pk] = [
            slot
            for day in free.values()
            for slot in day
            if span.overlaps(Span(slot.start, slot.end))
        ]  # fmt: skip
        ranked.append(waiting_of(entry, course, asked[entry.pk], busy=entry.patient_id in open_for))
    return ranked, slots, {entry.pk: entry for entry in entries}


# ---- pages -------------------------------------------------------------------------------------------------


def entries(
    *, state: str = "open", location: Location | None = None, text: str = "", priority: int | None = None
) -> QuerySet[WaitlistEntry]:
    """The list, in the order in which people are asked."""
    rows = WaitlistEntry.objects.select_related(
        "patient", "planned_session__plan", "practitioner__user"
    ).prefetch_related(
        "locations",
        Prefetch("offers", queryset=Offer.objects.select_related("location").order_by("-made_at", "-pk")),
    )
    if state == "open":
        rows = rows.filter(state__in=WaitlistEntry.OPEN).order_by("priority", "created_at", "pk")
    else:
        rows = rows.exclude(state__in=WaitlistEntry.OPEN).order_by("-closed_at", "-pk")
    if location is not None:
        rows = rows.filter(locations=location)
    if priority is not None:
        rows = rows.filter(priority=priority)
    if text:
        rows = rows.filter(patient__in=with_name(text))
    return rows


def lines(rows: Sequence[WaitlistEntry], today: date, now: datetime) -> list[dict[str, Any]]:
    """Entries as the list shows them, with their window as it stands now. Two queries."""
    courses = courses_of(rows)
    found = []
    for entry in rows:
        course = courses.get(entry.pk)
        first, last = window_of(entry, course)
        offers = list(entry.offers.all())
        days = (now - entry.created_at).days
        found.append(
            {
                "entry": entry, "visit": course.visit if course else None, "first": first, "last": last,
                "late": last is not None and last < today,
                "soon": last is not None and 0 <= (last - today).days <= 7,
                "days": days, "age": "block" if days >= AGES[1] else "warn" if days >= AGES[0] else "",
                "asked": sum(1 for offer in offers if offer.state != Offer.State.OPEN),
                "last_offer": offers[0] if offers else None,
                "places": ", ".join(place.short_name for place in entry.locations.all()),
            }
        )  # fmt: skip
    return found


def open_offers(location: Location) -> list[Offer]:
    """Who is asked just now, the first to end first."""
    return list(
        Offer.objects.filter(state=Offer.State.OPEN, location=location)
        .select_related(
            "patient", "location", "practitioner__user", "room", "entry__planned_session", "freed", "hold"
        )
        .order_by("expires_at", "pk")
    )


def sessions_to_wait_for(patient: Patient) -> list[PlannedSession]:
    """Planned sessions of a patient's courses in force that have not taken place and wait on no list yet."""
    over = Appointment.objects.filter(
        planned_session__plan__patient=patient,
        status__in=[Appointment.Status.ARRIVED, Appointment.Status.IN_TREATMENT, Appointment.Status.DONE],
    ).values("planned_session")
    waiting = WaitlistEntry.objects.filter(
        patient=patient, state__in=WaitlistEntry.OPEN, planned_session__isnull=False
    ).values("planned_session")
    return list(
        PlannedSession.objects.filter(plan__patient=patient, plan__status__in=TreatmentPlan.LIVE)
        .exclude(pk__in=over)
        .exclude(pk__in=waiting)
        .select_related("plan")
        .defer("content")
        .order_by("plan", "course", "number")
    )


def standing_visits(planned: Iterable[PlannedSession]) -> dict[int, Appointment]:
    """The visit of each planned session, if it has one."""
    rows = Appointment.objects.filter(LIVE, planned_session__in=list(planned)).select_related("location")
    return {row.planned_session_id or 0: row for row in rows}
