"""A course of six searched greedily on django-appointment's own free-time function.

`python appointment_search.py SPANS.json`: the file holds the first day and, for each of ten people, the stretches that are
booked (local times); prints the seconds and queries of each search.
"""

import json
import sys
import time as clock
import uuid
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import appointment_site  # noqa: F401  # configures and sets up Django
from appointment.models import Appointment, AppointmentRequest, Service, StaffMember, WorkingHours
from appointment.services import get_available_slots_for_staff
from django.contrib.auth.models import User
from django.db import connection, reset_queries
from django.test.utils import CaptureQueriesContext


def prepare(people: list[list[list[str]]]) -> tuple[Any, list[Any]]:
    """Staff from 9 to 19 on weekdays, with these bookings; the tables are there (appointment_site.py prepare)."""
    service = Service.objects.create(name="Long session", duration=timedelta(minutes=45), price=0)
    client = User.objects.create(username="client", email="client@example.org")
    staff = []
    for number, spans in enumerate(people):
        user = User.objects.create(
            username=f"s{number}", first_name=f"S{number}", email=f"s{number}@example.org"
        )
        member = StaffMember.objects.create(
            user=user, slot_duration=15, lead_time=time(9), finish_time=time(19), appointment_buffer_time=0
        )
        member.services_offered.add(service)
        for day in range(1, 6):
            WorkingHours.objects.get_or_create(
                staff_member=member, day_of_week=day, defaults={"start_time": time(9), "end_time": time(19)}
            )
        requests = AppointmentRequest.objects.bulk_create(
            AppointmentRequest(
                date=begin.date(), start_time=begin.time(), end_time=end.time(), service=service, staff_member=member,
                id_request=uuid.uuid4().hex,
            )
            for begin, end in ((datetime.fromisoformat(a), datetime.fromisoformat(b)) for a, b in spans)
        )  # fmt: skip
        Appointment.objects.bulk_create(
            Appointment(
                client=client, phone="", address="", appointment_request=row, id_request=row.id_request
            )
            for row in requests
        )
        staff.append(member)
    return service, staff


def search(service: Any, staff: list[Any], first: date) -> list[tuple[date, Any]]:
    """Session by session the free time nearest to its target, with whoever has one."""
    found: list[tuple[date, Any]] = []
    before = first
    for session in range(6):
        target = before if session == 0 else before + timedelta(days=14)
        offsets = range(15) if session == 0 else (0, 1, -1, 2, -2, 3, -3)
        for offset in offsets:
            day = target + timedelta(days=offset)
            slots = [
                (day, slot)
                for member in staff
                for slot in get_available_slots_for_staff(day, member, (day.weekday() + 1) % 7, service)
            ]
            if slots:
                found.append(slots[0])
                before = day
                break
        else:
            return found
    return found


if __name__ == "__main__":
    told = json.loads(Path(sys.argv[1]).read_text())
    service, staff = prepare(told["people"])
    first, seconds, queries = date.fromisoformat(told["first"]), [], 0
    for _round in range(3):
        reset_queries()
        began = clock.perf_counter()
        # Three series as ours gives them: from the first day, a week and two weeks later.
        found = [search(service, staff, first + timedelta(weeks=week)) for week in range(3)]
        seconds.append(clock.perf_counter() - began)
    with CaptureQueriesContext(connection) as captured:
        for week in range(3):
            search(service, staff, first + timedelta(weeks=week))
    sessions = sum(len(series) for series in found)
    print(json.dumps({"seconds": min(seconds), "queries": len(captured), "sessions": sessions}))
