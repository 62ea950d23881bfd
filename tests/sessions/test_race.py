"""Clients race for one course through HTTP: one has it, the others have fresh options, nobody waits in a circle."""

import os
import time
import uuid
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psycopg
import pytest
from django.db import connection

from sessions.models import Appointment, CourseBooking, Message
from tests import racing
from tests.benchmarks.world import World, url_of, visits_of

CLIENTS, ROUNDS = 16, 12
#: A slow machine runs fewer rounds, three at least.
SECONDS = 12


@pytest.fixture
def world(transactional_db: None) -> World:
    return World(pairs=3)


@pytest.fixture
def port(world: World) -> Iterator[int]:
    with racing.web(Path(os.environ["MESOCLINIC_STATE"]), url_of(connection.settings_dict["NAME"])) as port:
        yield port


def test_of_sixteen_who_confirm_one_course_at_once_one_has_it_and_the_others_have_fresh_options(
    world: World, port: int
) -> None:
    place = world.clinic.location
    plans = world.plans(CLIENTS + ROUNDS * 2)
    visits = visits_of(plans)
    desks = [racing.Desk(port, racing.signed_in(world.clinic.marta)) for _n in range(CLIENTS)]
    log = Path(os.environ["MESOCLINIC_STATE"]) / "log" / "postgres.log"
    deadlocks = racing.DeadlockWatch(log)
    racers = plans[:CLIENTS]
    until = time.monotonic() + SECONDS
    for round_ in range(ROUNDS):
        if round_ >= 3 and time.monotonic() > until:
            break
        answers = racing.at_once(
            [
                partial(desk.book, plan, place, world.slots(round_ * world.pairs, visits[plan.pk]))
                for desk, plan in zip(desks, racers, strict=True)
            ]
        )
        by_status = sorted(answer.status for answer in answers)
        assert by_status == [302] + [409] * (CLIENTS - 1), [a.text[:200] for a in answers if a.status == 500]
        losers = [
            (plan, answer) for plan, answer in zip(racers, answers, strict=True) if answer.status == 409
        ]
        for _plan, answer in losers:
            assert "Nothing was booked. Here are fresh options." in answer.text
            assert "was taken a moment ago" in answer.text
            assert racing.fresh_options(answer.text) == 3
        booked = set(CourseBooking.objects.values_list("plan", flat=True))
        racers = [plan for plan in plans if plan.pk not in booked][:CLIENTS]
    # A fresh option is one that can be had.
    plan, answer = losers[0]
    assert desks[0].book_offered(plan, answer.text).status == 302
    assert racing.overlaps() == 0
    assert (deadlocks.counted(), deadlocks.logged()) == (0, 0)
    assert Appointment.objects.count() == CourseBooking.objects.count() * 6


def test_a_double_click_at_one_moment_and_a_page_sent_again_book_once(world: World, port: int) -> None:
    place, key = world.clinic.location, uuid.uuid4()
    (plan,) = world.plans(1)
    slots = world.slots(0, visits_of([plan])[plan.pk])
    desks = [racing.Desk(port, racing.signed_in(world.clinic.marta)) for _n in range(4)]
    answers = racing.at_once([partial(desk.book, plan, place, slots, key) for desk in desks])
    again = desks[0].book(plan, place, slots, key)
    assert {(answer.status, answer.text) for answer in [*answers, again]} == {(302, again.text)}
    assert CourseBooking.objects.count() == 1
    assert Appointment.objects.count() == 6
    assert Message.objects.filter(kind="confirmation").count() == 1


def test_who_gave_up_waiting_and_tries_again_finds_the_course_booked_once(world: World, port: int) -> None:
    """The answer is lost on the way, the booking is not: the same page sent again says so."""
    place, key = world.clinic.location, uuid.uuid4()
    (plan,) = world.plans(1)
    slots = world.slots(0, visits_of([plan])[plan.pk])
    desk, gone = (
        racing.Desk(port, racing.signed_in(world.clinic.marta), patience=seconds) for seconds in (90, 1)
    )
    with psycopg.connect(url_of(connection.settings_dict["NAME"])) as holder:
        # Somebody holds the patient's row: the booking waits until the browser has gone.
        holder.execute("SELECT 1 FROM patients_patient WHERE id = %s FOR UPDATE", [plan.patient_id])
        assert gone.book(plan, place, slots, key).status == 0
        assert not CourseBooking.objects.exists()
    racing.until(lambda: CourseBooking.objects.exists())
    assert desk.book(plan, place, slots, key).status == 302
    assert CourseBooking.objects.count() == 1
    assert Appointment.objects.count() == 6
