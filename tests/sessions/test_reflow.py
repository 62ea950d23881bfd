"""A course that left its windows, an absence, a broken device: what moves is seen first, done at once, and undone."""

import re
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise
from urllib.parse import parse_qs, urlsplit

import pytest
import time_machine
from django.contrib.messages import get_messages
from django.db import connection
from django.db.models import F
from django.test import Client
from django.test.utils import CaptureQueriesContext

from mesoclinic.audit.models import AuditEvent
from protocols.models import TreatmentPlan
from sessions.actions import booking
from sessions.models import (
    Absence,
    Appointment,
    Closure,
    Device,
    Location,
    Message,
    Practitioner,
    Room,
    WorkingHours,
)
from sessions.queries.booking import options_for, slot_of
from sessions.reflow import actions, queries
from sessions.reflow.actions import Change
from sessions.reflow.unfit import unfit
from sessions.scheduling import Preferences
from sessions.views.shared import pack
from tests.clinic import Clinic

MONDAY = date(2026, 11, 30)
DAY = timedelta(days=1)


@pytest.fixture
def clinic(db: None) -> Iterator[Clinic]:
    with time_machine.travel("2026-11-30T06:00:00Z", tick=False):
        yield Clinic(today=MONDAY)


@pytest.fixture
def desk(clinic: Clinic) -> Client:
    client = Client()
    client.force_login(clinic.marta)
    return client


def course(clinic: Clinic, plan: TreatmentPlan | None = None) -> tuple[TreatmentPlan, list[Appointment]]:
    """A booked course of four, a fortnight apart, from today."""
    plan = plan or clinic.signed_plan()
    _planned, options = options_for(plan, clinic.location, Preferences(), now=clinic.at(8), count=1)
    made = booking.book_course(
        plan=plan, location=clinic.location, slots=options[0].slots, key=uuid.uuid4(), by=clinic.marta, now=clinic.at(8)
    )  # fmt: skip
    Message.objects.update(state="sent")
    return plan, list(made.appointments.order_by("starts_at"))


def days(visits: list[Appointment]) -> list[date]:
    return [row.starts_at.astimezone(row.location.zone).date() for row in visits]


def fresh(visits: list[Appointment]) -> list[Appointment]:
    return [Appointment.objects.get(pk=row.pk) for row in visits]


def changes(proposal: queries.Proposal) -> list[Change]:
    return [
        Change(line.slot, line.visit.pk if line.visit else None, line.visit.version if line.visit else None)
        for line in proposal.changes
        if line.slot is not None
    ]


def moved_late(_clinic: Clinic, visit: Appointment, by: int) -> Appointment:
    """The visit so many days later while its neighbours stay, as a new version of the plan may leave a course."""
    span = by * DAY
    Appointment.objects.filter(pk=visit.pk).update(
        starts_at=visit.starts_at + span, ends_at=visit.ends_at + span, occupied_from=visit.occupied_from + span,
        occupied_until=visit.occupied_until + span,
    )  # fmt: skip
    return Appointment.objects.get(pk=visit.pk)


def test_a_late_session_moves_as_few_others_as_can_be_and_the_patient_hears_once(
    clinic: Clinic, desk: Client
) -> None:
    plan, visits = course(clinic)
    late = moved_late(clinic, visits[1], 9)
    assert late.starts_at.date() == MONDAY + 23 * DAY
    before = fresh(visits)
    # Session 3 stood a fortnight after the old date: now five days after session 2, the window begins after seven.
    listed = desk.get("/out-of-window/").content.decode()
    assert "Session 3" in listed
    assert "2 days too soon" in listed
    page = desk.get(f"/plans/{plan.pk}/reflow/0/").content.decode()
    assert "Change 1 visit" in page
    packed = re.search(r'name="proposal" value="([^"]+)"', page)
    assert packed is not None
    answer = desk.post(f"/plans/{plan.pk}/reflow/0/", {"proposal": packed[1]})
    assert answer.status_code == 302
    after = fresh(visits)
    gaps = [(b - a).days for a, b in pairwise(days(after))]
    assert all(7 <= gap <= 21 for gap in gaps[1:])
    (moved,) = [row for row, old in zip(after, before, strict=True) if row.starts_at != old.starts_at]
    news = Message.objects.filter(kind="moved", state="due")
    assert news.count() == 1
    assert Message.objects.filter(kind="reminder", state="due", appointment=moved).count() == 1
    assert AuditEvent.objects.filter(type="appointment.moved", reason="Re-flow").count() == 1
    assert "Every booked visit is inside its window" in desk.get("/out-of-window/").content.decode()


def test_a_time_chosen_for_one_visit_lays_the_rest_out_around_it(clinic: Clinic, desk: Client) -> None:
    plan, visits = course(clinic)
    moving = desk.get(
        f"/appointments/{visits[1].pk}/move/", {"day": (MONDAY + 23 * DAY).isoformat()}
    ).content.decode()
    assert "Move and put the course in order" in moving
    slot = re.findall(r'name="slot" value="([^"]+)"', moving)[0]
    page = desk.post(f"/plans/{plan.pk}/reflow/0/", {"slot": slot}).content.decode()
    packed = re.search(r'name="proposal" value="([^"]+)"', page)
    assert packed is not None
    # Nothing is changed by looking.
    assert days(fresh(visits)) == days(visits)
    desk.post(f"/plans/{plan.pk}/reflow/0/", {"proposal": packed[1], "slot": slot})
    after = days(fresh(visits))
    assert after[1] >= MONDAY + 23 * DAY
    assert all(7 <= (b - a).days <= 21 for a, b in pairwise(after[1:]))
    news = Message.objects.get(kind="moved", state="due")
    assert news.body.count(" instead of ") == sum(a != b for a, b in zip(after, days(visits), strict=True))


def course_at_two(clinic: Clinic) -> tuple[TreatmentPlan, list[Appointment], Location]:
    """Sessions 1 and 2 in Madrid, 3 and 4 with Yaiza in Las Palmas."""
    there = clinic.elsewhere()
    plan, visits = course(clinic)
    hours = {
        name: F(name) + timedelta(hours=2)
        for name in ("starts_at", "ends_at", "occupied_from", "occupied_until")
    }
    Appointment.objects.filter(pk__in=[row.pk for row in visits[2:]]).update(
        location=there, room=there.rooms.get(), practitioner=Practitioner.objects.get(user__username="yaiza"), **hours
    )  # fmt: skip
    return plan, fresh(visits), there


def test_a_course_at_two_locations_is_put_in_order_with_every_visit_where_it_is(
    clinic: Clinic, desk: Client
) -> None:
    plan, visits, there = course_at_two(clinic)
    moved_late(clinic, visits[3], 8)
    before = fresh(visits)
    response = desk.get(f"/plans/{plan.pk}/reflow/0/")
    page = response.content.decode()
    assert "Change 1 visit" in page
    assert [row["place"] for row in response.context["proposal"]["rows"]] == ["Madrid"] * 2 + [
        "Las Palmas"
    ] * 2
    packed = re.search(r'name="proposal" value="([^"]+)"', page)
    assert packed is not None
    answer = desk.post(f"/plans/{plan.pk}/reflow/0/", {"proposal": packed[1]})
    after = fresh(visits)
    (moved,) = [row for row, old in zip(after, before, strict=True) if row.starts_at != old.starts_at]
    assert moved.planned_session is not None
    assert (moved.planned_session.number, moved.location, moved.room.location) == (4, there, there)
    assert all(7 <= (b - a).days <= 21 for a, b in pairwise(days(after)))
    url = next(iter(get_messages(answer.wsgi_request))).extra_tags.removeprefix("undo:")
    desk.post(url)
    assert [(r.starts_at, r.location, r.room) for r in fresh(visits)] == [
        (r.starts_at, r.location, r.room) for r in before
    ]


def test_a_session_without_a_date_may_be_at_any_location_of_its_course(clinic: Clinic) -> None:
    _plan, visits, there = course_at_two(clinic)
    booking.change_status(
        appointment=visits[2], to="cancelled", by=clinic.marta, now=clinic.at(8), reason="On a journey"
    )
    plan = visits[0].planned_session.plan  # type: ignore[union-attr]
    # Only Las Palmas is open when it would have to be.
    Closure.objects.create(
        location=clinic.location, reason="Works", starts_at=clinic.at(0, day=MONDAY + 16 * DAY),
        ends_at=clinic.at(0, day=MONDAY + 60 * DAY),
    )  # fmt: skip
    proposal = queries.course_proposal(plan, 0, now=clinic.at(8))
    assert proposal is not None
    (new,) = proposal.changes
    assert (new.title, new.visit) == ("Session 3", None)
    assert new.slot is not None
    assert new.slot.location == there.pk
    done = actions.apply(changes=changes(proposal), by=clinic.marta, now=clinic.at(8), reason="Re-flow")
    assert [(row.location, row.room.location) for row in done.visits] == [(there, there)]


def test_a_closure_of_one_location_moves_only_what_lies_there(clinic: Clinic, desk: Client) -> None:
    _plan, visits, there = course_at_two(clinic)
    shut = Closure.objects.create(
        location=there, reason="Works", starts_at=clinic.at(0, day=MONDAY + 27 * DAY),
        ends_at=clinic.at(0, day=MONDAY + 30 * DAY),
    )  # fmt: skip
    page = desk.get(f"/reflow/closure/{shut.pk}/").content.decode()
    desk.post(
        f"/reflow/closure/{shut.pk}/", {"proposal": re.findall(r'name="proposal" value="([^"]+)"', page)}
    )
    after = fresh(visits)
    changed = [
        n for n, (row, old) in enumerate(zip(after, visits, strict=True), 1) if row.starts_at != old.starts_at
    ]
    assert changed == [3]
    assert after[2].location == there
    assert queries.hit_by(shut, clinic.at(8)) == []
    news = Message.objects.get(kind="moved", state="due").body
    assert "mesoclinic Las Palmas, Calle Muestra 3" in news


def test_undo_puts_everything_back_and_nobody_hears_of_it(clinic: Clinic, desk: Client) -> None:
    plan, visits = course(clinic)
    moved_late(clinic, visits[3], 8)
    Message.objects.update(state="sent")
    before = fresh(visits)
    page = desk.get(f"/plans/{plan.pk}/reflow/0/").content.decode()
    packed = re.search(r'name="proposal" value="([^"]+)"', page)
    assert packed is not None
    answer = desk.post(f"/plans/{plan.pk}/reflow/0/", {"proposal": packed[1]})
    note = next(iter(get_messages(answer.wsgi_request)))
    url = note.extra_tags.removeprefix("undo:")
    assert "undo" in parse_qs(urlsplit(url).query)
    desk.post(url)
    after = fresh(visits)
    assert [(row.starts_at, row.room_id, row.status) for row in after] == [
        (row.starts_at, row.room_id, row.status) for row in before
    ]
    assert not Message.objects.filter(kind="moved", state="due").exists()
    assert Message.objects.filter(kind="reminder", state="due", appointment=after[3]).count() == 1


def test_a_missed_session_gets_a_new_place_in_the_course(clinic: Clinic, desk: Client) -> None:
    plan, visits = course(clinic)
    with time_machine.travel(visits[1].ends_at + DAY, tick=False):
        booking.change_status(appointment=visits[0], to="arrived", by=clinic.marta, now=visits[0].starts_at)
        booking.change_status(appointment=visits[1], to="no-show", by=clinic.marta, now=visits[1].ends_at)
        proposal = queries.course_proposal(plan, 0, now=visits[1].ends_at + DAY)
        assert proposal is not None
        new = [line for line in proposal.changes if line.visit is None]
        assert [line.title for line in new] == ["Session 2"]
        actions.apply(
            changes=changes(proposal), by=clinic.marta, now=visits[1].ends_at + DAY, reason="Re-flow"
        )
        standing = Appointment.objects.exclude(status__in=Appointment.FREED).order_by("starts_at")
        assert [row.planned_session.number for row in standing if row.planned_session] == [1, 2, 3, 4]


def test_two_visits_may_change_places(clinic: Clinic) -> None:
    one = clinic.appointment(planned_session=None, kind="consultation")
    two = clinic.appointment(planned_session=None, kind="review", starts_at=one.ends_at + timedelta(minutes=15),
                             ends_at=one.ends_at + timedelta(minutes=45))  # fmt: skip
    a, b = slot_of(one), slot_of(two)
    swapped = [
        Change(
            booking.Slot(0, 0, b.start, b.start + (a.end - a.start), a.practitioner, a.room, None, 0),
            one.pk,
            1,
        ),
        Change(
            booking.Slot(0, 0, a.start, a.start + (b.end - b.start), b.practitioner, b.room, None, 0),
            two.pk,
            1,
        ),
    ]
    Room.objects.filter(pk=a.room).update(capabilities=["consultation", "injection"])
    actions.apply(changes=swapped, by=clinic.marta, now=clinic.at(7), reason="Swap")
    assert [row.starts_at for row in fresh([one, two])] == [b.start, a.start]


def test_nothing_at_all_is_changed_when_somebody_was_faster(clinic: Clinic) -> None:
    plan, visits = course(clinic)
    moved_late(clinic, visits[1], 9)
    proposal = queries.course_proposal(plan, 0, now=clinic.at(8))
    assert proposal is not None
    slot = proposal.changes[0].slot
    assert slot is not None
    clinic.appointment(
        patient=clinic.patient("Ana", "Otra"), starts_at=slot.start, ends_at=slot.end, practitioner_id=slot.practitioner,
        room_id=slot.room, planned_session=None, kind="consultation",
    )  # fmt: skip
    before = fresh(visits)
    with pytest.raises(booking.TimeTaken):
        actions.apply(changes=changes(proposal), by=clinic.marta, now=clinic.at(8), reason="Re-flow")
    assert [(r.starts_at, r.status, r.version) for r in fresh(visits)] == [
        (r.starts_at, r.status, r.version) for r in before
    ]


def test_a_doctor_who_is_ill_is_laid_out_for_all_at_once(clinic: Clinic, desk: Client) -> None:
    _plan, visits = course(clinic)
    other = clinic.patient("Ana", "Otra")
    _other_plan, others = course(clinic, clinic.signed_plan(other))
    doctors = {row.practitioner_id for row in visits + others}
    absence = Absence.objects.create(
        practitioner_id=visits[1].practitioner_id, starts_at=clinic.at(0, day=MONDAY + 13 * DAY),
        ends_at=clinic.at(0, day=MONDAY + 16 * DAY),
    )  # fmt: skip
    hit = queries.hit_by(absence, clinic.at(8))
    assert hit
    page = desk.get(f"/reflow/absence/{absence.pk}/").content.decode()
    assert f"{len(hit)} booked visit" in page
    ticked = re.findall(r'name="proposal" value="([^"]+)"', page)
    assert len(ticked) == len({row.patient_id for row in hit})
    desk.post(f"/reflow/absence/{absence.pk}/", {"proposal": ticked})
    assert queries.hit_by(absence, clinic.at(8)) == []
    assert "No booked visit is hit" in desk.get(f"/reflow/absence/{absence.pk}/").content.decode()
    assert Message.objects.filter(kind="moved", state="due").count() == len({row.patient_id for row in hit})
    assert doctors


def put_in_order(clinic: Clinic, desk: Client, absence: Absence) -> str:
    """All that is ticked is done; where to undo it."""
    page = desk.get(f"/reflow/absence/{absence.pk}/").content.decode()
    ticked = re.findall(r'name="proposal" value="([^"]+)"', page)
    answer = desk.post(f"/reflow/absence/{absence.pk}/", {"proposal": ticked})
    (note,) = get_messages(answer.wsgi_request)
    assert note.message == f"{len(ticked)} patients put in order."
    return str(note.extra_tags).removeprefix("undo:")


def away(clinic: Clinic, visit: Appointment) -> Absence:
    """The practitioner of the visit is away on the three days about it."""
    day = visit.starts_at.astimezone(clinic.location.zone).date()
    return Absence.objects.create(
        practitioner_id=visit.practitioner_id, starts_at=clinic.at(0, day=day - DAY), ends_at=clinic.at(0, day=day + 2 * DAY)
    )  # fmt: skip


def standing() -> list[tuple[object, ...]]:
    rows = Appointment.objects.exclude(status="cancelled").order_by("pk")
    return [(r.pk, r.starts_at, r.practitioner_id, r.room_id, r.device_id, r.status) for r in rows]


def test_what_was_moved_for_an_absence_goes_back_for_all_at_once_and_nobody_hears_of_it(
    clinic: Clinic, desk: Client
) -> None:
    """Although the absence still stands: the visits stood there before it, too. Who had confirmed has."""
    _plan, visits = course(clinic)
    course(clinic, clinic.signed_plan(clinic.patient("Ana", "Otra")))
    booking.change_status(appointment=visits[1], to="confirmed", by=clinic.marta, now=clinic.at(8))
    Message.objects.update(state="sent")
    absence, before = away(clinic, visits[1]), standing()
    url = put_in_order(clinic, desk, absence)
    assert standing() != before
    page = desk.get(f"/reflow/absence/{absence.pk}/").content.decode()
    assert "2 patients put in order at 07:00" in page
    assert url in page
    answer = desk.post(url, follow=True)
    assert standing() == before
    assert not Message.objects.filter(kind="moved", state="due").exists()
    said = answer.content.decode()
    assert "2 patients back as before" in said
    assert "patients put in order at" not in said
    assert AuditEvent.objects.filter(type="appointment.moved", reason="Undone").exists()
    # A second click finds nothing left to undo.
    assert "was undone already" in desk.post(url, follow=True).content.decode()
    assert standing() == before


def test_times_that_changed_hands_in_a_re_flow_change_back(clinic: Clinic, desk: Client) -> None:
    """The first patient moves and the second takes the time: undone in the same order it would still be taken."""
    visits = [
        clinic.appointment(patient=clinic.patient(f"P{n}", "Otra"), planned_session=None, kind="consultation",
                           starts_at=clinic.at(10 + 2 * n, day=MONDAY + DAY), ends_at=clinic.at(11 + 2 * n, day=MONDAY + DAY))
        for n in range(2)
    ]  # fmt: skip
    a, b = slot_of(visits[0]), slot_of(visits[1])
    free = replace(a, start=clinic.at(14, day=MONDAY + DAY), end=clinic.at(15, day=MONDAY + DAY))
    Room.objects.filter(pk=a.room).update(capabilities=["consultation", "injection"])
    absence = away(clinic, clinic.appointment(patient=clinic.patient("Far", "Away"), planned_session=None, kind="review",
                   starts_at=clinic.at(10, day=MONDAY + 20 * DAY), ends_at=clinic.at(11, day=MONDAY + 20 * DAY)))  # fmt: skip
    before = standing()
    proposals = [
        pack([free], visits=[visits[0].pk], versions=[1]),
        pack([replace(b, start=a.start, end=a.end)], visits=[visits[1].pk], versions=[1]),
    ]
    answer = desk.post(f"/reflow/absence/{absence.pk}/", {"proposal": proposals})
    assert [row.starts_at for row in fresh(visits)] == [free.start, a.start]
    (note,) = get_messages(answer.wsgi_request)
    desk.post(str(note.extra_tags).removeprefix("undo:"))
    assert standing() == before


def test_who_can_not_go_back_is_named_and_the_others_do(clinic: Clinic, desk: Client) -> None:
    _plan, visits = course(clinic)
    _other_plan, others = course(clinic, clinic.signed_plan(clinic.patient("Ana", "Otra")))
    absence = away(clinic, visits[1])
    url = put_in_order(clinic, desk, absence)
    taken = clinic.appointment(
        patient=clinic.patient("Mia", "Neu"), planned_session=None, kind="consultation", practitioner_id=visits[1].practitioner_id,
        room_id=visits[1].room_id, starts_at=visits[1].starts_at, ends_at=visits[1].ends_at,
    )  # fmt: skip
    said = desk.post(url, follow=True).content.decode()
    assert f"{clinic.lea.full_name}: not undone" in said
    assert "1 patient back as before" in said
    assert fresh(others)[1].starts_at == others[1].starts_at
    assert fresh(visits)[1].starts_at != visits[1].starts_at
    # Once the time is free again, the same button brings the last one back.
    booking.change_status(
        appointment=taken, to="cancelled", by=clinic.marta, now=clinic.at(8), reason="Booked by mistake"
    )
    said = desk.post(url, follow=True).content.decode()
    assert "1 patient back as before" in said
    assert fresh(visits)[1].starts_at == visits[1].starts_at


def test_an_absence_that_was_a_mistake_is_removed_and_its_visits_brought_back(
    clinic: Clinic, desk: Client
) -> None:
    _plan, visits = course(clinic)
    course(clinic, clinic.signed_plan(clinic.patient("Ana", "Otra")))
    absence, before = away(clinic, visits[1]), standing()
    put_in_order(clinic, desk, absence)
    answer = desk.post(f"/setup/absences/{absence.pk}/remove/")
    notes = list(get_messages(answer.wsgi_request))
    assert str(notes[-1].message) == "Visits of 2 patients were moved for it."
    assert desk.post(str(notes[-1].extra_tags).removeprefix("undo:")).status_code == 302
    assert standing() == before


def test_a_session_that_only_got_a_time_loses_it_again(clinic: Clinic, desk: Client) -> None:
    plan, visits = course(clinic)
    booking.change_status(
        appointment=visits[3], to="cancelled", by=clinic.marta, now=clinic.at(8), reason="Holiday"
    )
    before = standing()
    _todo, options = options_for(plan, clinic.location, Preferences(), now=clinic.at(8), count=1)
    packed = pack(list(options[0].slots), visits=[None], versions=[None])
    answer = desk.post(f"/plans/{plan.pk}/reflow/0/", {"proposal": packed})
    assert len(standing()) == 4
    (note,) = get_messages(answer.wsgi_request)
    assert desk.post(str(note.extra_tags).removeprefix("undo:")).status_code == 302
    assert standing() == before


def test_a_broken_device_lists_what_needs_it_and_says_who_must_be_called(
    clinic: Clinic, desk: Client
) -> None:
    pen = Device.objects.create(location=clinic.location, name="Only pen", kind="needling-pen")
    visit = clinic.appointment(
        device=pen, starts_at=clinic.at(10, day=MONDAY + 7 * DAY), ends_at=clinic.at(11, day=MONDAY + 7 * DAY)
    )
    assert queries.hit_by(pen, clinic.at(8)) == []
    pen.in_service = False
    pen.save()
    assert [row.pk for row in queries.hit_by(pen, clinic.at(8))] == [visit.pk]
    assert "Only pen is out of service" in desk.get(f"/reflow/device/{pen.pk}/").content.decode()


def test_hours_that_change_later_put_all_visits_of_a_course_on_the_list_and_in_order_at_once(
    clinic: Clinic, desk: Client
) -> None:
    plan, visits = course(clinic)
    assert len({row.practitioner_id for row in visits}) == 1
    assert not unfit(clinic.at(8))
    # From now on nobody works before 19:00.
    WorkingHours.objects.update(starts="19:00")
    listed = [row["visit"] for row in desk.get("/not-possible/").context["rows"]]
    assert listed == visits
    # One course, one way in order: from the list, and with all that the change of the hours hits.
    assert "Change 4 visits" in desk.get(f"/plans/{plan.pk}/reflow/0/").content.decode()
    url = f"/reflow/practitioner/{visits[0].practitioner_id}/"
    (ticked,) = re.findall(r'name="proposal" value="([^"]+)"', desk.get(url).content.decode())
    desk.post(url, {"proposal": [ticked]})
    assert not unfit(clinic.at(8))
    after = fresh(visits)
    assert all(row.starts_at.astimezone(row.location.zone).hour == 19 for row in after)
    assert all(7 <= (b - a).days <= 21 for a, b in pairwise(days(after)))
    assert Message.objects.filter(kind="moved", state="due").count() == 1


@pytest.mark.parametrize(
    ("weekday", "starts", "ends", "fits"),
    [(1, "09:00", "10:30", True), (1, "10:00", "20:00", True), (1, "09:00", "10:15", False),
     (1, "10:15", "20:00", False), (2, "09:00", "20:00", False)],
)  # fmt: skip
def test_a_visit_is_possible_within_the_hours_of_its_day_and_not_a_minute_beyond(
    clinic: Clinic, weekday: int, starts: str, ends: str, fits: bool
) -> None:
    clinic.appointment(planned_session=None, kind="consultation")
    WorkingHours.objects.all().delete()
    WorkingHours.objects.create(
        practitioner=clinic.practitioner, location=clinic.location, weekday=weekday, starts=starts, ends=ends
    )
    assert [row.reasons for row in unfit(clinic.at(8))] == ([] if fits else [("hours",)])


def test_a_jet_injector_needs_no_room_of_its_own_in_the_list_either(clinic: Clinic) -> None:
    _plan, visits = course(clinic, clinic.signed_plan(needs=("needle-free",)))
    assert not unfit(clinic.at(8))
    Room.objects.update(capabilities=["needling"])
    assert {row.visit: row.reasons for row in unfit(visits[0].starts_at)} == {
        row.pk: ("room",) for row in visits[1:]
    }


@pytest.mark.parametrize("text", ["", "nonsense", "eyJ:1:2"])
def test_a_tampered_proposal_is_refused(clinic: Clinic, desk: Client, text: str) -> None:
    plan, visits = course(clinic)
    answer = desk.post(f"/plans/{plan.pk}/reflow/0/", {"proposal": text})
    assert answer.status_code in {200, 404}
    assert desk.post("/reflow/undo/?undo=" + text).status_code == 404
    assert days(fresh(visits)) == days(visits)


def test_the_pages_ask_as_often_for_many_visits_as_for_few(clinic: Clinic, desk: Client) -> None:
    pages = ("/out-of-window/", "/not-possible/")
    for page in pages:
        desk.get(page)
    counts: list[list[int]] = []
    for number in range(2):
        _plan, visits = course(clinic, clinic.signed_plan(clinic.patient(f"P{number}", "Uno")))
        moved_late(clinic, visits[1], 9 + number)
        WorkingHours.objects.update(starts="19:00")
        counts.append([])
        for page in pages:
            with CaptureQueriesContext(connection) as captured:
                assert desk.get(page).context["rows"]
            counts[-1].append(len(captured))
        WorkingHours.objects.update(starts="09:00")
    assert counts[0] == counts[1]
