"""What a re-flow would do: of one course, or of all visits that an absence, a closure or a change of the set-up hits."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
from django.db.models import F, Func, IntegerField, Q, QuerySet, Window
from django.db.models.functions import Lag

from patients.queries import with_name
from protocols.models import PlannedSession, TreatmentPlan
from sessions.models import Absence, Appointment, Closure, Location
from sessions.queries.booking import near_other_courses, slot_of, visit_of, visits_of_course
from sessions.queries.diary import LIVE, diaries, diary, whole_day
from sessions.queries.types import visit_for
from sessions.reflow.unfit import Changed, unfit_by
from sessions.scheduling import Diary, Preferences, Slot, Span, Stretches, find_course, outside, reflow
from sessions.scheduling.diary import CLEANUP, SETUP

COMING = (Appointment.Status.REQUESTED, Appointment.Status.BOOKED, Appointment.Status.CONFIRMED)
#: A single visit that is hit is put off by at most so much.
PUT_OFF = 28

type Cause = Absence | Closure | Changed


@dataclass(frozen=True, slots=True)
class Line:
    """A visit of a course, and where it would be. `slot` is None where it stays or has no place."""

    title: str
    visit: Appointment | None
    slot: Slot | None = None
    planned: PlannedSession | None = None
    #: Days by which it would leave its window as the course stands: negative is too soon.
    leaves: int = 0


@dataclass(frozen=True, slots=True)
class Proposal:
    """One patient's visits before and after. `fits` is False when there is no way; then nothing would change."""

    visits: tuple[Line, ...]
    location: Location
    plan: TreatmentPlan | None = None
    course: int = 0
    fits: bool = True
    #: Where else visits of the course lie: each stays where it is.
    elsewhere: tuple[Location, ...] = ()

    @property
    def places(self) -> dict[int, Location]:
        """All locations of the visits, by key."""
        return {place.pk: place for place in (self.location, *self.elsewhere)}

    @property
    def changes(self) -> list[Line]:
        """What would be moved or booked."""
        return [line for line in self.visits if line.slot is not None]


def wishes_of(plan: TreatmentPlan) -> Preferences:
    """When the patient likes to come, as it was told at the assessment."""
    said = plan.assessment
    return Preferences(frozenset(said.weekdays), said.time_from, said.time_until)


def _with_taken(book: Diary, slots: Iterable[Slot], own: Sequence[Span] = ()) -> Diary:
    """The diary with times that are as good as taken."""
    busy = dict(book.taken)
    more: dict[tuple[str, int], list[Span]] = {("patient", 0): list(own)}
    for slot in slots:
        around = Span(slot.start - SETUP, slot.end + CLEANUP)
        more.setdefault(("practitioner", slot.practitioner), []).append(Span(slot.start, slot.end))
        more.setdefault(("room", slot.room), []).append(around)
        if slot.device is not None:
            more.setdefault(("device", slot.device), []).append(around)
        if slot.prep_room is not None:
            more.setdefault(("room", slot.prep_room), []).append(Span(slot.comes, slot.start))
    for key, spans in more.items():
        new = Stretches.from_spans(spans)
        old = busy.get(key)
        busy[key] = new if old is None else Stretches.of(
            np.concatenate([old.starts, new.starts]), np.concatenate([old.ends, new.ends])
        )  # fmt: skip
    return replace(book, busy=busy)


def _local(visit: Appointment) -> date:
    return visit.starts_at.astimezone(visit.location.zone).date()


def _leaves(planned: PlannedSession, before: date | None, day: date) -> int:
    """Days by which a visit on `day` is outside its window after `before`."""
    if before is None:
        return 0
    return outside((day - before).days, planned.earliest_days, planned.latest_days)


def course_proposal(
    plan: TreatmentPlan, course: int, *, now: datetime, put: Mapping[int, Slot] | None = None,
    must_move: Iterable[int] = (), taken: Sequence[Slot] = (),
) -> Proposal | None:  # fmt: skip
    """The course back in its windows with the fewest moves; None when there is no coming visit to move.

    `put` fixes visits (key: session) at a new time that somebody chose; sessions before the last of these stay.
    `must_move` are visits (keys) that can't stay. `taken` are times promised to others meanwhile. Seven queries.
    """
    put, forced = put or {}, set(must_move)
    planned = {row.number: row for row in plan.planned_sessions.filter(course=course)}
    visits = visits_of_course(plan, course)
    movable = {
        number
        for number, visit in visits.items()
        if visit.status in COMING and visit.starts_at > now and number in planned
    }
    chosen = {row.number: put[row.pk] for row in planned.values() if row.pk in put}
    fixed = max([*(visits.keys() - movable), *chosen], default=0)
    if chosen:
        fixed = max(fixed, *chosen)
    moving = sorted(number for number in movable if number > fixed)
    if not moving:
        return None
    todo = sorted(
        number
        for number in planned
        if fixed < number <= max(moving) and (number in movable or number not in visits)
    )
    # Each visit stays at its location; one that has no date may be at any of the course's.
    undated = any(number not in movable for number in todo)
    here = [visits[number].location for number in (*moving, *(sorted(visits) if undated else ()))]
    location, *elsewhere = dict.fromkeys(here)
    places = [location, *elsewhere]
    at = {number: visit.location for number, visit in visits.items()}
    chosen_days = {
        number: slot.start.astimezone(at.get(number, location).zone).date() for number, slot in chosen.items()
    }
    before = chosen_days.get(fixed) or (_local(visits[fixed]) if fixed in visits else None)
    today = min(now.astimezone(place.zone).date() for place in places)
    rows = [planned[number] for number in todo]
    start = max(today, rows[0].not_before or today)
    horizon = (before or start) + timedelta(days=sum(row.latest_days for row in rows))
    own = [visits[number].pk for number in moving] + [visits[n].pk for n in chosen if n in visits]
    books = diaries(
        places, min(start, before or start), max(horizon, start), plan.patient, leave_out=own,
        more=near_other_courses(rows, places),
    )  # fmt: skip
    promised = [*taken, *chosen.values()]
    if promised:
        books = [
            _with_taken(book, promised, [whole_day(day, place) for day in chosen_days.values()])
            for book, place in zip(books, places, strict=True)
        ]
    standing = {
        planned[number].pk: slot_of(visits[number]) for number in moving if visits[number].pk not in forced
    }
    wanted = [
        replace(visit_of(row), location=at[row.number].pk if row.number in movable else None) for row in rows
    ]
    found = reflow(wanted, books, wishes_of(plan), standing, start=start, now=now, before=before)
    slots = {slot.visit: slot for slot in found.slots if standing.get(slot.visit) != slot} if found else {}
    return Proposal(
        tuple(_lines(planned, visits, slots, chosen)), location, plan, course, fits=found is not None,
        elsewhere=tuple(elsewhere),
    )  # fmt: skip


def _lines(
    planned: Mapping[int, PlannedSession], visits: Mapping[int, Appointment], slots: Mapping[int, Slot],
    chosen: Mapping[int, Slot],
) -> list[Line]:  # fmt: skip
    """The whole course in order: how far each visit is outside of its window as it stands, and where it would be."""
    found, before = [], None
    for number in sorted(planned.keys() | visits.keys()):
        row, visit = planned.get(number), visits.get(number)
        slot = chosen.get(number) or (slots.get(row.pk) if row is not None else None)
        leaves = 0
        if visit is not None:
            chosen_slot = chosen.get(number)
            day = (
                chosen_slot.start.astimezone(visit.location.zone).date()
                if chosen_slot is not None
                else _local(visit)
            )
            leaves = _leaves(row, before, day) if row is not None and visit.status in COMING else 0
            before = day
        if visit is not None or slot is not None:
            found.append(Line(f"Session {number}", visit, slot, row, leaves))
    return found


def single_proposal(visit: Appointment, *, now: datetime, taken: Sequence[Slot] = ()) -> Proposal:
    """A visit outside of any course at the next best time to its own, with somebody who is qualified."""
    location, today = visit.location, now.astimezone(visit.location.zone).date()
    target = max((_local(visit) - today).days, 0)
    wanted = replace(
        visit_for(visit.needs, slot_of(visit).minutes), key=visit.pk, number=1, target=target,
        latest=target + PUT_OFF,
    )  # fmt: skip
    book = diary(
        location, today, today + timedelta(days=target + PUT_OFF), visit.patient, leave_out=[visit.pk]
    )
    book = _with_taken(book, taken)
    wish = Preferences(time_from=visit.starts_at.astimezone(location.zone).time())
    options = find_course([wanted], book, wish, start=today, now=now, count=1)
    slot = options[0].slots[0] if options else None
    return Proposal((Line(visit.what, visit, slot),), location, fits=slot is not None)


# ---- what an absence, a closure or a change of the set-up hits -------------------------------------------------


def hit_by(cause: Cause, now: datetime) -> list[Appointment]:
    """Coming visits that lie in an absence or closure, or can't take place since the set-up changed; the soonest first."""
    # A time held for the waiting list is nobody's yet: its offer ends by itself.
    rows = Appointment.objects.filter(status__in=COMING, starts_at__gt=now).exclude(
        status=Appointment.Status.REQUESTED, offer__state="open"
    )
    if not isinstance(cause, Absence | Closure):
        rows = rows.filter(pk__in=unfit_by(cause, now))
    else:
        rows = rows.filter(starts_at__lt=cause.ends_at, ends_at__gt=cause.starts_at)
        if isinstance(cause, Absence):
            rows = rows.filter(practitioner=cause.practitioner)
        else:
            rows = rows.filter(location=cause.location)
    return list(
        rows.select_related(
            "patient", "location", "practitioner__user", "room", "device", "type", "planned_session__plan__assessment",
            "planned_session__plan__patient",
        ).order_by("starts_at", "pk")
    )  # fmt: skip


def proposals_for(visits: Sequence[Appointment], *, now: datetime) -> list[Proposal]:
    """A proposal for each patient's course or single visit, in the order given; each counts on those before it."""
    taken: list[Slot] = []
    found: list[Proposal] = []
    done: set[tuple[int, int]] = set()
    hit = {visit.pk for visit in visits}
    for visit in visits:
        planned = visit.planned_session
        if planned is None:
            proposal: Proposal | None = single_proposal(visit, now=now, taken=taken)
        elif (planned.plan_id, planned.course) in done:
            continue
        else:
            done.add((planned.plan_id, planned.course))
            proposal = course_proposal(planned.plan, planned.course, now=now, must_move=hit, taken=taken)
        if proposal is not None:
            found.append(proposal)
            taken += [line.slot for line in proposal.changes if line.slot is not None]
    return found


# ---- courses outside of their windows --------------------------------------------------------------------------


class _LocalDay(Func):
    """The day on the wall clock of the location, as a number."""

    template = "((%(expressions)s)::date - DATE '2000-01-01')"
    arg_joiner = " AT TIME ZONE "
    output_field = IntegerField()


def out_of_window(now: datetime, text: str = "") -> QuerySet[Appointment]:
    """Coming visits that lie outside of their window after the visit before, the soonest first. One query.

    `gap` is the days between the two.
    """
    series = [F("planned_session__plan"), F("planned_session__course")]
    number = F("planned_session__number")
    rows = (
        Appointment.objects.filter(
            LIVE, planned_session__plan__status__in=TreatmentPlan.LIVE, starts_at__gte=now - timedelta(days=130)
        )
        .annotate(
            day=_LocalDay("starts_at", "location__time_zone"),
            day_before=Window(Lag(_LocalDay("starts_at", "location__time_zone")), partition_by=series, order_by=number),
            number_before=Window(Lag(number), partition_by=series, order_by=number),
            gap=F("day") - F("day_before"),
        )
        .filter(
            Q(gap__gt=F("planned_session__latest_days")) | Q(gap__lt=F("planned_session__earliest_days")),
            number_before=F("planned_session__number") - 1, status__in=COMING, starts_at__gt=now,
        )
        .select_related("patient", "location", "practitioner__user", "planned_session__plan")
        .order_by("starts_at", "pk")
    )  # fmt: skip
    return rows.filter(patient__in=with_name(text)) if text else rows


def lines_of(rows: Iterable[Appointment]) -> list[dict[str, Any]]:
    """Visits out of their window as the list shows them."""
    found = []
    for row in rows:
        planned = row.planned_session
        assert planned is not None
        gap = int(row.gap)  # type: ignore[attr-defined]  # annotated by out_of_window
        days = outside(gap, planned.earliest_days, planned.latest_days)
        found.append(
            {
                "visit": row,
                "planned": planned,
                "plan": planned.plan,
                "gap": gap,
                "days": abs(days),
                "late": days > 0,
            }
        )
    return found
