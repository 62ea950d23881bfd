"""What a day of a clock change looks like to the front desk and the patient: day list, move form, messages, calendar file."""

import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from icalendar import Calendar

from sessions.actions import booking as actions
from sessions.models import Appointment, Message, WorkingHours
from sessions.queries.booking import options_for
from sessions.scheduling import Preferences, Slot
from tests.clinic import Clinic
from tests.scheduling.test_clock_changes import EVERY_CHANGE, minutes_of, plain

pytestmark = pytest.mark.django_db


@dataclass
class Place:
    """A clinic of one location in a zone, three days before its clock changes; open at night too."""

    clinic: Clinic
    zone: ZoneInfo
    day: date

    def wall(self, hour: int, minute: int = 0, *, days: int = 0) -> datetime:
        """A time on the wall of the day of the change, or some days from it, as an instant."""
        local = datetime.combine(self.day + timedelta(days=days), time(hour, minute), tzinfo=self.zone)
        return local.astimezone(UTC)

    def visit(self, starts_at: datetime) -> Appointment:
        return self.clinic.appointment(
            starts_at=starts_at,
            kind="consultation",
            patient=self.clinic.patient("Ana", f"Otra{starts_at:%d%H}"),
        )

    def desk(self) -> Client:
        client = Client()
        client.force_login(self.clinic.marta)
        return client


@pytest.fixture(params=EVERY_CHANGE, ids=lambda change: f"{change[0].split('/')[1]}-{change[1]:%b}")
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    name, day = request.param
    zone = ZoneInfo(name)
    today = day - timedelta(days=3)
    with time_machine.travel(datetime.combine(today, time(8), tzinfo=zone), tick=False):
        clinic = Clinic(today=today)
        clinic.location.time_zone = name
        clinic.location.save()
        WorkingHours.objects.all().delete()
        WorkingHours.objects.bulk_create(
            WorkingHours(
                practitioner=clinic.practitioner,
                location=clinic.location,
                weekday=weekday,
                starts=start,
                ends=end,
            )
            for weekday in range(1, 8)
            for start, end in ((time(0), time(6)), (time(9), time(17)))
        )
        yield Place(clinic, zone, day)


def test_the_move_form_offers_each_time_once_and_none_that_the_wall_does_not_show(place: Place) -> None:
    visit = place.visit(place.wall(10, days=2))
    page = place.desk().get(
        reverse("sessions:appointment-move", args=[visit.pk]),
        {"day": place.day.isoformat(), "practitioner": ""},
    )
    shown = re.findall(r'name="slot" value="([^"]+)" required data-say="([^"]+)"', page.content.decode())
    today = f"{place.day:%a} {place.day.day} {place.day:%b}, "
    offered = {
        time.fromisoformat(said.removeprefix(today)[:5]): value
        for value, said in shown if said.startswith(today)
    }  # fmt: skip
    assert len(offered) == sum(1 for _value, said in shown if said.startswith(today)), (
        "a time stands there twice"
    )
    free = plain(place.zone, place.day, time(0), time(6)) | plain(place.zone, place.day, time(9), time(17))
    half_hour = [timedelta(minutes=n) for n in range(30)]
    expected = {
        wall for moment, wall in minutes_of(place.day, place.zone)
        if wall.minute % 15 == 0 and all(moment + n in free for n in half_hour)
    }  # fmt: skip
    assert set(offered) == expected
    # The first time after the change is the time that is written: on the wall, in the list, in the message.
    after = min(wall for wall in offered if wall >= time(3))
    answer = place.desk().post(
        reverse("sessions:appointment-move", args=[visit.pk]),
        {"slot": offered[after], "reason": "Asked for it"},
    )
    assert answer.status_code == 302
    visit.refresh_from_db()
    local = visit.starts_at.astimezone(place.zone)
    assert (local.date(), local.time()) == (place.day, after)
    assert f"{after:%H:%M}" in Message.objects.get(kind="moved").body


def test_a_day_s_list_has_the_visits_of_the_local_day_at_their_time_on_the_wall(place: Place) -> None:
    mine = [place.visit(place.wall(*hour)) for hour in ((0, 15), (10, 0), (23, 15))]
    others = [place.visit(place.wall(23, 15, days=-1)), place.visit(place.wall(0, 15, days=1))]
    page = place.desk().get(
        reverse("sessions:calendar"), {"day": place.day.isoformat(), "view": "list"}
    ).content.decode()  # fmt: skip
    listed = {int(pk) for pk in re.findall(r"/appointments/(\d+)/", page)}
    assert {visit.pk for visit in mine} <= listed
    assert not {visit.pk for visit in others} & listed
    words = re.sub(r"<[^>]+>", " ", page)
    assert all(hour in words for hour in ("00:15", "10:00", "23:15"))
    card = place.desk().get(reverse("sessions:appointment", args=[mine[1].pk])).content.decode()
    assert "10:00" in re.sub(r"<[^>]+>", " ", card)


def test_a_course_over_the_change_is_told_at_one_time_and_remembered_at_18_the_day_before(
    place: Place,
) -> None:
    clinic, now = place.clinic, place.wall(8, days=-3)
    plan = clinic.signed_plan()
    wish = Preferences(time_from=time(10), time_until=time(10, 30))
    _planned, options = options_for(plan, clinic.location, wish, now=now, count=1)
    made = actions.book_course(
        plan=plan,
        location=clinic.location,
        slots=options[0].slots,
        key=uuid.uuid4(),
        by=clinic.marta,
        now=now,
    )
    visits = list(made.appointments.order_by("starts_at"))
    days = [visit.starts_at.astimezone(place.zone).date() for visit in visits]
    assert days[0] < place.day < days[-1]
    assert {visit.starts_at.astimezone(place.zone).time() for visit in visits} == {time(10)}
    confirmation = Message.objects.get(kind="confirmation")
    assert confirmation.body.count("10:00") == 4
    told = [
        event.decoded("dtstart").astimezone(place.zone)
        for event in Calendar.from_ical(confirmation.calendar).walk("VEVENT")
    ]
    assert [(at.date(), at.time()) for at in told] == [(day, time(10)) for day in days]
    reminders = Message.objects.filter(kind="reminder").order_by("send_at")
    at = [message.send_at.astimezone(place.zone) for message in reminders]
    assert {moment.time() for moment in at} == {time(18)}
    assert {moment.date() for moment in at} == {day - timedelta(days=1) for day in days if day > clinic.today}


def test_a_time_in_the_gap_or_twice_on_the_wall_is_not_booked_even_when_it_is_sent(place: Place) -> None:
    """The hours are asked again when a visit is written: an offer of yesterday's rules does not pass."""
    clinic = place.clinic
    change = next(
        (
            moment for moment, _wall in minutes_of(place.day, place.zone)
            if moment.astimezone(place.zone).utcoffset() != (moment - timedelta(minutes=1)).astimezone(place.zone).utcoffset()
        ),
        None,
    )  # fmt: skip
    if change is None:
        assert place.zone.key == "Asia/Dubai"
        return
    back = (
        change.astimezone(place.zone).replace(fold=0).utcoffset() != change.astimezone(place.zone).utcoffset()
    )
    # Two rooms: the clean-up after the one is not what the other fails of.
    clinic.other_room.capabilities.append("consultation")
    clinic.other_room.save()
    for starts_at, room in ((change - timedelta(minutes=30), clinic.room), (change, clinic.other_room)):
        act = partial(
            actions.book_single, patient=clinic.patient("Ana", f"Otra{starts_at:%H%M}"), location=clinic.location,
            slot=Slot(0, 0, starts_at, starts_at + timedelta(minutes=30), clinic.practitioner.pk, room.pk, None, 0),
            kind="consultation", by=clinic.marta, now=place.wall(8, days=-3),
        )  # fmt: skip
        if back:
            with pytest.raises(actions.BookingError, match="does not work at that time"):
                act()
        else:
            # Either side of a gap is an ordinary time; the visit before ends when the clock goes forward.
            act()
