"""Writes of the waiting list: put on, change, withdraw; accept, decline, pass on. One transaction each, audited.

Locks are taken in one order everywhere: offer, freed times by key, resources, entry.
"""

from dataclasses import replace
from datetime import date, datetime, time
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q

from mesoclinic.accounts.models import User
from mesoclinic.audit.actions import record as audit
from patients.models import Patient
from protocols.models import PlannedSession, TreatmentPlan
from sessions.actions.booking import book_single, change_status, move
from sessions.actions.checks import BookingError, lock_resources
from sessions.models import Appointment, FreedTime, Location, Message, Offer, WaitlistEntry
from sessions.queries.booking import in_series, slot_of
from sessions.queries.diary import LIVE
from sessions.scheduling import Slot
from sessions.waitlist.queries import MOVABLE


class WaitlistError(Exception):
    """Why it can't be done; the text says what to do."""


class Gone(WaitlistError):
    """The time is no longer held for this patient."""


#: What an entry may be changed in.
FIELDS = frozenset(
    {"earlier", "practitioner_id", "wish", "weekdays", "time_from", "time_until", "day_from", "day_until", "notice_hours",
     "priority", "note", "minutes"}
)  # fmt: skip


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, date | time):
        return value.isoformat()
    return str(value)


def standing_visit(entry: WaitlistEntry) -> Appointment | None:
    """The visit that the entry's planned session has now, in whatever version of the course."""
    planned = entry.planned_session
    if planned is None:
        return None
    return (
        Appointment.objects.filter(
            LIVE, in_series(planned.plan), planned_session__course=planned.course,
            planned_session__number=planned.number,
        )
        .select_related("location")
        .order_by("-starts_at")
        .first()
    )  # fmt: skip


def book(
    entry: WaitlistEntry, location: Location, slot: Slot, *, by: User | None, now: datetime
) -> Appointment:
    """Book what the entry waits for at this time: its visit is moved, or a new one made. Raises BookingError."""
    planned = entry.planned_session
    if planned is None:
        return book_single(
            patient=entry.patient,
            location=location,
            slot=slot,
            kind=entry.kind,
            by=by,
            now=now,
            note=entry.note,
        )
    if planned.plan.status not in TreatmentPlan.LIVE:
        raise BookingError("This plan is not signed, or no longer followed.")
    present = standing_visit(entry)
    if present is None:
        return book_single(
            patient=entry.patient, location=location, slot=slot, kind=Appointment.Kind.SESSION, by=by, now=now,
            planned=planned,
        )  # fmt: skip
    if present.status not in MOVABLE:
        raise BookingError("This session has taken place.")
    if entry.earlier and slot.start >= present.starts_at:
        raise BookingError("The visit is already earlier.")
    if present.location_id != location.pk:
        # A visit keeps its place when it moves: at another place it is booked anew.
        change_status(
            appointment=present, to=Appointment.Status.CANCELLED, by=by, now=now,
            reason=f"Taken at {location.short_name} from the waiting list",
        )  # fmt: skip
        return book_single(
            patient=entry.patient, location=location, slot=slot, kind=Appointment.Kind.SESSION, by=by, now=now,
            planned=planned,
        )  # fmt: skip
    return move(appointment=present, slot=slot, by=by, now=now, reason="From the waiting list")


# ---- entries -----------------------------------------------------------------------------------------------


def _wake(locations: Any, now: datetime, own: int = 0) -> None:
    """The list changed: times for which nobody was found are looked at again. Locked by key, before any entry."""
    rows = (
        FreedTime.objects.select_for_update(of=("self",))
        .filter(
            Q(pk=own)
            | Q(
                state__in=[FreedTime.State.WAITING, FreedTime.State.IDLE], ends_at__gt=now, location__in=locations
            )
        )
        .order_by("pk")
    )  # fmt: skip
    keys = [row.pk for row in rows if row.state == FreedTime.State.IDLE]
    FreedTime.objects.filter(pk__in=keys).update(state=FreedTime.State.WAITING, due_at=now)


@transaction.atomic
def put_on(
    *, patient: Patient, kind: str, planned: PlannedSession | None, locations: list[Location], by: User, now: datetime,
    **values: Any,
) -> WaitlistEntry:  # fmt: skip
    """Put a patient on the list. Free times that suit are offered at once. Raises WaitlistError."""
    unknown = set(values) - FIELDS
    if unknown:
        raise TypeError(f"no fields of an entry: {unknown}")
    if planned is not None:
        if planned.plan.patient_id != patient.pk or planned.plan.status not in TreatmentPlan.LIVE:
            raise WaitlistError("This session is not in a plan of the patient that is followed.")
        values["minutes"] = planned.duration_min
    _wake([place.pk for place in locations], now)
    try:
        with transaction.atomic():
            entry = WaitlistEntry.objects.create(
                patient=patient, kind=kind, planned_session=planned, created_by=by, created_at=now, **values
            )
    except IntegrityError as error:
        name = getattr(getattr(error.__cause__, "diag", None), "constraint_name", "")
        if name != "planned_session_waits_once":
            raise
        raise WaitlistError("This session is on the waiting list already.") from error
    entry.locations.set(locations)
    audit(
        type="waitlist.added", target=entry, by=by, patient_id=patient.pk,
        new={name: _plain(value) for name, value in values.items()}
        | {"what": entry.what, "locations": [place.pk for place in locations]},
    )  # fmt: skip
    return entry


def _locked(entry: WaitlistEntry, version: int | None) -> WaitlistEntry:
    current = (
        WaitlistEntry.objects.select_for_update(of=("self",))
        .select_related("patient", "planned_session__plan")
        .get(pk=entry.pk)
    )
    if version is not None and current.version != version:
        raise WaitlistError("Somebody else changed this entry meanwhile. Look at it as it is now.")
    return current


@transaction.atomic
def change(
    *, entry: WaitlistEntry, locations: list[Location], by: User, now: datetime, version: int | None = None, **values: Any
) -> WaitlistEntry:  # fmt: skip
    """Other wishes. An offer that is open stays as it is. Raises WaitlistError."""
    _wake([place.pk for place in locations], now)
    current = _locked(entry, version)
    if current.state not in WaitlistEntry.OPEN:
        raise WaitlistError("This entry is closed. Put the patient on the list anew.")
    if current.planned_session is not None:
        values.pop("minutes", None)
    old = {name: _plain(getattr(current, name)) for name in values if name in FIELDS}
    old["locations"] = sorted(place.pk for place in current.locations.all())
    for name, value in values.items():
        if name not in FIELDS:
            raise TypeError(f"no field of an entry: {name}")
        setattr(current, name, value)
    current.version += 1
    current.save()
    current.locations.set(locations)
    new = {name: _plain(getattr(current, name)) for name in values}
    new["locations"] = sorted(place.pk for place in locations)
    changed = [name for name in new if old[name] != new[name]]
    audit(
        type="waitlist.changed", target=current, by=by, patient_id=current.patient_id,
        old={name: old[name] for name in changed}, new={name: new[name] for name in changed},
    )  # fmt: skip
    return current


@transaction.atomic
def withdraw(
    *, entry: WaitlistEntry, by: User | None, now: datetime, reason: str = "", version: int | None = None
) -> WaitlistEntry:
    """Take a patient off the list; a time that is held for the patient is free again."""
    offer = Offer.objects.select_for_update(of=("self",)).filter(entry=entry, state=Offer.State.OPEN).first()
    if offer is not None:
        close_offer(offer, Offer.State.ENDED, by=by, now=now)
    current = _locked(entry, version)
    if current.state not in WaitlistEntry.OPEN:
        return current
    current.state, current.closed_at = WaitlistEntry.State.WITHDRAWN, now
    current.closed_reason = reason.strip()[:300]
    current.version += 1
    current.save()
    audit(
        type="waitlist.withdrawn", target=current, by=by, patient_id=current.patient_id, reason=current.closed_reason
    )  # fmt: skip
    return current


def follow_version(old: TreatmentPlan, new: TreatmentPlan, by: User, now: datetime) -> None:
    """A new version of a course was signed: entries go on for the same session, or leave the list."""
    planned = {(row.course, row.number): row for row in PlannedSession.objects.filter(plan=new)}
    rows = WaitlistEntry.objects.filter(planned_session__plan=old, state__in=WaitlistEntry.OPEN)
    for entry in rows.select_related("planned_session").order_by("pk"):
        assert entry.planned_session is not None
        same = planned.get((entry.planned_session.course, entry.planned_session.number))
        if same is None:
            withdraw(entry=entry, by=by, now=now, reason="The plan changed: this session is no longer in it.")
        else:
            WaitlistEntry.objects.filter(pk=entry.pk).update(planned_session=same, minutes=same.duration_min)


def call_off(plan: TreatmentPlan, reason: str, by: User, now: datetime) -> None:
    """The course ended: nobody waits for its sessions any more."""
    rows = WaitlistEntry.objects.filter(
        Q(planned_session__plan=plan.root_pk) | Q(planned_session__plan__root=plan.root_pk),
        state__in=WaitlistEntry.OPEN,
    )
    for entry in rows.order_by("pk"):
        withdraw(entry=entry, by=by, now=now, reason=f"The course ended: {reason}")


# ---- offers ------------------------------------------------------------------------------------------------


def _open(offer: Offer) -> Offer:
    """The offer, locked: the first answer wins, later ones find it closed."""
    return (
        Offer.objects.select_for_update(of=("self",))
        .select_related("entry__planned_session__plan", "entry__patient", "location", "patient")
        .get(pk=offer.pk)
    )


def _end(offer: Offer, state: str, by: User | None, now: datetime) -> None:
    """Write the end of an offer, let go of the hold, and keep its message from leaving."""
    hold = offer.hold_id
    offer.state, offer.answered_at, offer.answered_by, offer.hold = state, now, by, None
    offer.save(update_fields=["state", "answered_at", "answered_by", "hold", "appointment"])
    if hold is not None:
        Appointment.objects.filter(pk=hold).delete()
    Message.objects.filter(
        cause=f"offer:{offer.pk}", state__in=[Message.State.DUE, Message.State.FAILED]
    ).update(state=Message.State.WITHDRAWN)


def close_offer(
    offer: Offer, state: str, *, by: User | None, now: datetime, offer_on: bool = True, reason: str = ""
) -> None:
    """End a locked open offer without a booking: the patient waits on, the time goes to the next in rank.

    With `offer_on=False` it is kept for the front desk. The same time is never offered to this patient again.
    """
    places = list(offer.entry.locations.values_list("pk", flat=True))
    _wake(places, now, own=offer.freed_id)
    entry = WaitlistEntry.objects.select_for_update(of=("self",)).get(pk=offer.entry_id)
    _end(offer, state, by, now)
    if entry.state == WaitlistEntry.State.OFFERED:
        entry.state = WaitlistEntry.State.WAITING
        entry.save(update_fields=["state"])
    _pass_on(offer.freed_id, now, offer_on=offer_on)
    audit(
        type=f"waitlist.{state}", target=offer, by=by, patient_id=offer.patient_id,
        new={"starts_at": offer.starts_at.isoformat()}, reason=reason,
    )  # fmt: skip


def _pass_on(freed: int, now: datetime, *, offer_on: bool = True) -> None:
    rows = FreedTime.objects.filter(pk=freed, state=FreedTime.State.OFFERED)
    if offer_on:
        rows.update(state=FreedTime.State.WAITING, due_at=now)
    else:
        rows.update(state=FreedTime.State.CLOSED, closed_reason="Kept by the front desk")


@transaction.atomic
def decline(*, offer: Offer, by: User | None, now: datetime) -> None:
    """The patient does not want this time and stays on the list. Raises Gone when the offer is closed."""
    current = _open(offer)
    if current.state != Offer.State.OPEN:
        raise Gone("This offer is closed.")
    close_offer(current, Offer.State.DECLINED, by=by, now=now)


@transaction.atomic
def pass_on(*, offer: Offer, by: User, now: datetime) -> None:
    """The front desk asks the next in rank; the patient stays on the list. Raises Gone."""
    current = _open(offer)
    if current.state != Offer.State.OPEN:
        raise Gone("This offer is closed.")
    close_offer(current, Offer.State.PASSED_ON, by=by, now=now)


@transaction.atomic
def end(*, offer: Offer, by: User, now: datetime) -> None:
    """The front desk takes the time back and asks nobody else. Raises Gone."""
    current = _open(offer)
    if current.state != Offer.State.OPEN:
        raise Gone("This offer is closed.")
    close_offer(current, Offer.State.ENDED, by=by, now=now, offer_on=False)


def accept(*, offer: Offer, by: User | None, now: datetime) -> Appointment:
    """Book the offered time. `by=None`: the patient, by the link. A visit that moved frees its old time.

    Raises Gone when the offer ran out, was answered or can't be kept any more; then the patient stays on the list.
    The very moment at which it runs out is too late.
    """
    try:
        with transaction.atomic():
            return _accept(offer, by, now)
    except BookingError as error:
        with transaction.atomic():
            current = _open(offer)
            if current.state == Offer.State.OPEN:
                close_offer(current, Offer.State.GONE, by=by, now=now, reason=str(error))
        raise Gone(str(error)) from error


def _accept(offer: Offer, by: User | None, now: datetime) -> Appointment:
    current = _open(offer)
    if current.state == Offer.State.ACCEPTED and current.appointment is not None:
        # A double click.
        return current.appointment
    if current.state != Offer.State.OPEN or now >= current.expires_at:
        raise Gone("This time is gone.")
    _wake([], now, own=current.freed_id)
    entry, hold = current.entry, current.hold
    assert hold is not None, "an open offer holds its time"
    present = standing_visit(entry)
    lock_resources(
        patients=[current.patient_id],
        practitioners=[current.practitioner_id, *([present.practitioner_id] if present else [])],
        rooms=[current.room_id, hold.prep_room_id, *([present.room_id] if present else [])],
        devices=[current.device_id, present.device_id if present else None],
    )
    waiting = WaitlistEntry.objects.select_for_update(of=("self",)).get(pk=entry.pk)
    slot = replace(slot_of(hold), visit=entry.planned_session_id or 0)
    # In one transaction, under the locks of all that is taken: nobody comes between the hold and the visit.
    _end(current, Offer.State.ACCEPTED, by, now)
    made = book(entry, current.location, slot, by=by, now=now)
    current.appointment = made
    current.save(update_fields=["appointment"])
    waiting.state, waiting.closed_at, waiting.closed_reason = WaitlistEntry.State.BOOKED, now, ""
    waiting.version += 1
    waiting.save()
    # What is left of the freed time may suit somebody else.
    _pass_on(current.freed_id, now)
    audit(
        type="waitlist.accepted", target=current, by=by, patient_id=current.patient_id,
        new={"appointment": made.pk, "starts_at": made.starts_at.isoformat()},
        reason="" if by else "By the patient's link",
    )  # fmt: skip
    return made
