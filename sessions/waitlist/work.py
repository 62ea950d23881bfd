"""Carry the waiting list on: end offers whose time is up, offer what became free. Rows say what to do.

Each row is claimed with its lock and SKIP LOCKED, decided and written in one transaction: a worker that dies leaves it
as it was, two workers never take the same one, and the lock orders (freed time, then resources, then entry) are those
of the other acts.
"""

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q

from mesoclinic.audit.actions import record as audit
from sessions.actions.checks import BookingError, lock_resources
from sessions.models import Appointment, FreedTime, Location, Offer, WaitlistEntry
from sessions.reminders.schedule import address_of
from sessions.scheduling import Span
from sessions.scheduling.diary import CLEANUP, SETUP
from sessions.waitlist import link, messages
from sessions.waitlist.act import book, close_offer, standing_visit
from sessions.waitlist.queries import booked_since, courses_of, matching, window_of
from sessions.waitlist.quiet import QuietHours, read_quiet
from sessions.waitlist.rank import Candidate, candidates

logger = logging.getLogger(__name__)
#: Rows of one run at most: the worker's time limit must never fall into a row.
BATCH = 200
#: Who is passed over because of another open offer is looked at again after it.
AGAIN = timedelta(minutes=1)


class _NotThisOne(Exception):
    """Somebody changed something since the rank was made: the next one is tried."""


class _Tried(Exception):
    """The act could be done; it is taken back."""


def quiet_hours() -> QuietHours:
    """The clinic's quiet hours."""
    return read_quiet(settings.QUIET_HOURS)


def answer_by(now: datetime, location: Location) -> datetime:
    """When an offer made now runs out."""
    return quiet_hours().after(now, timedelta(minutes=settings.WAITLIST_HOLD_MINUTES), location.zone)


def run(now: datetime) -> int:
    """One run of the beat: how many offers were ended and how many were made."""
    return expire_offers(now) + offer_freed(now)


# ---- offers ------------------------------------------------------------------------------------------------


def expire_offers(now: datetime) -> int:
    """End the offers whose time is up; at that very moment the answer comes too late."""
    ended = 0
    for _row in range(BATCH):
        with transaction.atomic():
            offer = (
                Offer.objects.select_for_update(skip_locked=True, of=("self",))
                .filter(state=Offer.State.OPEN, expires_at__lte=now)
                .order_by("expires_at", "pk")
                .first()
            )
            if offer is None:
                return ended
            close_offer(offer, Offer.State.EXPIRED, by=None, now=now)
            ended += 1
    return ended


def offer_freed(now: datetime) -> int:
    """Offer the times that became free and are due; how many offers were made."""
    made, seen = 0, 0
    # A row that fails is left for the next run and never stops the others.
    failed: list[int] = []
    while seen < BATCH:
        seen += 1
        key = 0
        try:
            with transaction.atomic():
                freed = (
                    FreedTime.objects.select_for_update(skip_locked=True, of=("self",))
                    .filter(state=FreedTime.State.WAITING, due_at__lte=now)
                    .exclude(pk__in=failed)
                    .select_related("location")
                    .order_by("due_at", "pk")
                    .first()
                )
                if freed is None:
                    return made
                key = freed.pk
                made += int(_offer(freed, now))
        except Exception as error:
            # Names and times stand in rows, not in the log.
            logger.error("freed time %s could not be offered: %s", key, type(error).__name__)
            failed.append(key)
    return made


def _close(freed: FreedTime, state: str, reason: str = "") -> bool:
    freed.state, freed.closed_reason = state, reason
    freed.save(update_fields=["state", "closed_reason"])
    return False


def _offer(freed: FreedTime, now: datetime) -> bool:
    """Offer one freed time to the first in rank, or say why not. The row is locked."""
    if freed.ends_at <= now:
        return _close(freed, FreedTime.State.CLOSED, "Past")
    quiet = quiet_hours()
    if quiet.quiet(now, freed.location.zone):
        freed.due_at = quiet.awake(now, freed.location.zone)
        freed.save(update_fields=["due_at"])
        return False
    ends = answer_by(now, freed.location)
    ranked, slots, entries = matching(freed, now)
    later, span = False, Span(freed.starts_at, freed.ends_at)
    for candidate in candidates(ranked, slots, freed=span, zone=freed.location.zone, answer_by=ends):
        if candidate.entry.busy:
            later = True
            continue
        try:
            # A savepoint of its own: what it locked is free again when it is not this one.
            with transaction.atomic():
                _hold(freed, candidate, entries[candidate.entry.key], now, ends)
        except (_NotThisOne, BookingError):
            continue
        return True
    if later:
        freed.due_at = now + AGAIN
        freed.save(update_fields=["due_at"])
        return False
    return _close(freed, FreedTime.State.IDLE)


def _hold(
    freed: FreedTime, candidate: Candidate, entry: WaitlistEntry, now: datetime, ends: datetime
) -> Offer:
    """Keep the time for this patient and ask. Raises _NotThisOne or BookingError."""
    slot = candidate.slot
    present = standing_visit(entry)
    lock_resources(
        patients=[entry.patient_id],
        practitioners=[slot.practitioner, *([present.practitioner_id] if present else [])],
        rooms=[slot.room, *([present.room_id] if present else [])],
        devices=[slot.device, present.device_id if present else None],
    )
    current = WaitlistEntry.objects.select_for_update().get(pk=entry.pk)
    if current.state != WaitlistEntry.State.WAITING or current.version != entry.version:
        raise _NotThisOne
    if Offer.objects.filter(patient=entry.patient_id, state=Offer.State.OPEN).exists():
        raise _NotThisOne
    try:
        # The act itself, taken back: nothing is offered that could not be accepted.
        with transaction.atomic():
            book(entry, freed.location, slot, by=None, now=now)
            raise _Tried
    except _Tried:
        pass
    try:
        with transaction.atomic():
            hold = Appointment.objects.create(
                patient_id=entry.patient_id, kind=entry.kind, location=freed.location,
                practitioner_id=slot.practitioner, room_id=slot.room, device_id=slot.device, starts_at=slot.start,
                ends_at=slot.end, occupied_from=slot.start - SETUP, occupied_until=slot.end + CLEANUP,
                prep_from=slot.comes if slot.prep else None, prep_room_id=slot.prep_room,
                status=Appointment.Status.REQUESTED, note="Held: offered from the waiting list",
                local_start=freed.location.on_the_wall(slot.start),
            )  # fmt: skip
            offer = Offer.objects.create(
                entry=entry, freed=freed, patient_id=entry.patient_id, hold=hold, location=freed.location,
                practitioner_id=slot.practitioner, room_id=slot.room, device_id=slot.device, starts_at=slot.start,
                ends_at=slot.end, by_phone=address_of(entry.patient) is None, made_at=now, expires_at=ends,
                link_key=link.new_key(),
            )  # fmt: skip
    except IntegrityError as error:
        # The patient's own visit may lie over it: then only a person can help.
        raise _NotThisOne from error
    current.state = WaitlistEntry.State.OFFERED
    current.save(update_fields=["state"])
    _close(freed, FreedTime.State.OFFERED)
    if not offer.by_phone:
        messages.offered(offer, now)
    audit(
        type="waitlist.offered", target=offer, by=None, patient_id=entry.patient_id,
        new={"starts_at": slot.start.isoformat(), "until": ends.isoformat(), "entry": entry.pk},
    )  # fmt: skip
    return offer


# ---- entries -----------------------------------------------------------------------------------------------


def close_entries(now: datetime) -> int:
    """Entries whose last day has passed, whose session is over, or that got a visit otherwise leave the list."""
    waiting = list(
        WaitlistEntry.objects.filter(state=WaitlistEntry.State.WAITING)
        .filter(Q(day_until__lt=now.date()) | Q(planned_session__isnull=False))
        .select_related("planned_session__plan")
        .prefetch_related("locations")
    )
    courses, closed = courses_of(waiting), 0
    for entry in waiting:
        course = courses.get(entry.pk)
        today = min(now.astimezone(place.zone).date() for place in entry.locations.all())
        last = window_of(entry, course)[1]
        state, reason = "", ""
        if course is not None and course.closed:
            state, reason = WaitlistEntry.State.EXPIRED, "The session is over, or its plan is."
        elif booked_since(entry, course):
            state, reason = WaitlistEntry.State.BOOKED, "Booked otherwise."
        elif last is not None and last < today:
            state, reason = WaitlistEntry.State.EXPIRED, "Its last day has passed."
        if state:
            closed += _expire(entry, state, reason, now)
    return closed


@transaction.atomic
def _expire(entry: WaitlistEntry, state: str, reason: str, now: datetime) -> int:
    done = WaitlistEntry.objects.filter(
        pk=entry.pk, state=WaitlistEntry.State.WAITING, version=entry.version
    ).update(state=state, closed_reason=reason, closed_at=now)
    if done:
        audit(
            type=f"waitlist.{state}", target=entry, by=None, patient_id=entry.patient_id, reason=reason,
        )  # fmt: skip
    return done
