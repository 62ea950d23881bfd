"""The waiting list at the same moment: two workers, an answer at the last second, a worker that is killed."""

import itertools
import signal
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from patients.models import Patient
from sessions.actions import booking
from sessions.models import Appointment, FreedTime, Offer, WaitlistEntry
from sessions.reminders.schedule import GRACE
from sessions.scheduling import Slot
from sessions.tasks import run_waitlist
from sessions.waitlist import act, work
from tests.clinic import Clinic
from tests.conftest import celery_worker
from tests.sessions.test_waitlist import MONDAY, TUESDAY, freed_tuesday, soon, waits
from tests.together import together, wait_for

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def clinic() -> Clinic:
    return Clinic(today=MONDAY)


@pytest.fixture(autouse=True)
def nothing_fails_silently(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """A run leaves a row that fails and writes so into the log: here it never may, a deadlock least of all."""
    yield
    assert [record.getMessage() for record in caplog.records if record.name == "sessions.waitlist.work"] == []


def consistent() -> None:
    """What must hold whatever happened: no overlap, one open offer a time and a patient, holds only while open."""
    live = Appointment.objects.exclude(status__in=Appointment.FREED).order_by("starts_at")
    for one, other in itertools.combinations(live, 2):
        if one.starts_at < other.ends_at and other.starts_at < one.ends_at:
            assert one.practitioner_id != other.practitioner_id
            assert one.patient_id != other.patient_id
            assert one.room_id != other.room_id
    open_offers = list(Offer.objects.filter(state="open"))
    assert len({offer.freed_id for offer in open_offers}) == len(open_offers)
    assert len({offer.patient_id for offer in open_offers}) == len(open_offers)
    held = set(live.filter(status="requested").values_list("pk", flat=True))
    assert held == {offer.hold_id for offer in open_offers}
    asked = set(WaitlistEntry.objects.filter(state="offered").values_list("pk", flat=True))
    assert asked == {offer.entry_id for offer in open_offers}
    offered = set(FreedTime.objects.filter(state="offered").values_list("pk", flat=True))
    assert offered == {offer.freed_id for offer in open_offers}


def no_surprise(results: list[Any]) -> None:
    """Nothing but a plain refusal is raised."""
    for result in results:
        assert not isinstance(result, Exception) or isinstance(
            result, act.WaitlistError | booking.BookingError
        ), repr(result)


@pytest.mark.parametrize("_round", range(4))
def test_an_answer_at_the_moment_of_expiry_wins_or_comes_too_late(clinic: Clinic, _round: int) -> None:
    entry, after = waits(clinic, priority=1), waits(clinic)
    freed_tuesday(clinic)
    work.run(soon(clinic))
    offer = Offer.objects.get(state="open")
    last = offer.expires_at - timedelta(microseconds=1)
    results = together(
        lambda: act.accept(offer=offer, by=None, now=last), lambda: work.run(offer.expires_at),
        lambda: work.run(offer.expires_at), lambda: act.accept(offer=offer, by=clinic.marta, now=last),
    )  # fmt: skip
    no_surprise(results)
    consistent()
    offer.refresh_from_db()
    entry.refresh_from_db()
    booked = Appointment.objects.filter(status="booked", patient=entry.patient).count()
    assert (offer.state, entry.state, booked) in {("accepted", "booked", 1), ("expired", "waiting", 0)}
    work.run(offer.expires_at + timedelta(seconds=1))
    if offer.state == "expired":
        assert Offer.objects.get(state="open").entry == after


def test_two_workers_never_offer_one_time_twice_nor_one_patient_two_times(clinic: Clinic) -> None:
    for _number in range(3):
        waits(clinic)
    for hour in (10, 12, 15):
        freed_tuesday(
            clinic, patient=clinic.patient(f"Olga{hour}", "Absagt"), starts_at=clinic.at(hour, day=TUESDAY)
        )
    results = together(*(partial(work.run, soon(clinic)) for _worker in range(4)))
    no_surprise(results)
    consistent()
    # Who met somebody else's patient tries again a minute later.
    work.run(soon(clinic) + timedelta(minutes=1))
    consistent()
    assert Offer.objects.filter(state="open").count() == 3
    assert len(set(Offer.objects.values_list("entry", flat=True))) == 3


def test_accept_and_decline_at_once_have_one_outcome(clinic: Clinic) -> None:
    waits(clinic)
    freed_tuesday(clinic)
    work.run(soon(clinic))
    offer = Offer.objects.get(state="open")
    moment = soon(clinic) + timedelta(minutes=1)
    results = together(
        lambda: act.accept(offer=offer, by=None, now=moment), lambda: act.decline(offer=offer, by=None, now=moment),
        lambda: act.withdraw(entry=offer.entry, by=clinic.marta, now=moment),
        lambda: act.pass_on(offer=offer, by=clinic.marta, now=moment),
    )  # fmt: skip
    no_surprise(results)
    consistent()
    offer.refresh_from_db()
    assert offer.state in {"accepted", "declined", "passed-on", "ended"}
    assert Appointment.objects.filter(status="booked").count() == int(offer.state == "accepted")


def test_the_desk_and_the_list_never_give_one_time_to_two(clinic: Clinic) -> None:
    waits(clinic)
    freed_tuesday(clinic)
    start = clinic.at(10, day=TUESDAY)
    slot = Slot(0, 0, start, start + timedelta(minutes=30), clinic.practitioner.pk, clinic.room.pk, None, 0)
    book = partial(
        booking.book_single, location=clinic.location, slot=slot, kind="consultation", by=clinic.marta,
        now=soon(clinic),
    )  # fmt: skip
    results = together(
        lambda: work.run(soon(clinic)), lambda: book(patient=clinic.lea),
        lambda: book(patient=Patient.objects.get(family_name="Absagt")),
    )  # fmt: skip
    no_surprise(results)
    consistent()
    taken = Appointment.objects.filter(starts_at=start).exclude(status="cancelled")
    assert taken.count() == 1


def test_changes_of_the_list_while_times_are_offered_and_answered_end_without_a_deadlock(
    clinic: Clinic,
) -> None:
    entries = [waits(clinic) for _number in range(4)]
    for hour in (10, 11, 12, 15):
        freed_tuesday(
            clinic, patient=clinic.patient(f"Olga{hour}", "Absagt"), starts_at=clinic.at(hour, day=TUESDAY)
        )
    moment = soon(clinic)
    for step in range(4):
        moment += timedelta(minutes=2)

        def answer(at: datetime = moment, step: int = step) -> None:
            for offer in Offer.objects.filter(state="open").order_by("pk"):
                (act.decline if step % 2 else act.accept)(offer=offer, by=None, now=at)

        results = together(
            partial(work.run, moment), partial(work.run, moment), answer, answer,
            partial(
                act.change, entry=entries[step], locations=[clinic.location], by=clinic.marta, now=moment, note="x"
            ),
            partial(waits, clinic, clinic.lea if step else None),
        )  # fmt: skip
        no_surprise(results)
        consistent()


def test_a_worker_that_is_killed_before_it_asked_loses_nothing(
    monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    """The worker holds the freed time's row and is killed there; the next worker offers it."""
    monkeypatch.setenv("MESOCLINIC_QUIET_HOURS", "")
    clinic = Clinic(today=date.today())
    day = clinic.today + timedelta(days=8 - clinic.today.isoweekday())
    entry = waits(clinic, clinic.lea, now=timezone.now())
    visit = clinic.appointment(patient=clinic.patient("Olga", "Absagt"), starts_at=clinic.at(10, day=day))
    booking.change_status(
        appointment=visit, to="cancelled", by=clinic.marta, now=timezone.now() - GRACE, reason="ill today"
    )
    freed = FreedTime.objects.get()

    def blocked() -> bool:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            return bool(cursor.fetchone()[0])

    with celery_worker() as worker:
        with transaction.atomic():
            # Its patient is being edited: the worker has claimed the row and waits here.
            Patient.objects.select_for_update().get(pk=entry.patient_id)
            run_waitlist.delay()
            wait_for(blocked, worker)
            worker.send_signal(signal.SIGKILL)
            worker.wait(timeout=20)
        freed.refresh_from_db()
        assert freed.state == "waiting"
        assert not Offer.objects.exists()
    # The next run, in whatever process, goes on where the dead one was.
    # The server lets go of its row as soon as it notices.
    settings.QUIET_HOURS = ""
    wait_for(run_waitlist)
    offer = Offer.objects.get(state="open")
    assert (offer.entry, offer.freed) == (entry, freed)
