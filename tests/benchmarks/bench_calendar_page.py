"""The calendar with 400 visits in one day beside a day with one, in Chromium, from its performance trace.

25 practitioners, 25 rooms and 10 devices: 60 columns, 960 places of visits. The day with one visit costs what columns,
page and machine cost: both are measured in turn, in the same run. A database of its own is made and taken away again.
"""

import json
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from itertools import pairwise
from shutil import which
from statistics import median
from typing import Any

from django.conf import settings
from django.db import connection
from django.test import Client

#: A frame later than this is seen as a stutter.
STUTTER_MS = 50
#: So often each day is opened, scrolled, dragged in and changed.
ROUNDS = 3
CATEGORIES = "devtools.timeline,disabled-by-default-devtools.timeline,disabled-by-default-devtools.timeline.frame,toplevel,cc"


def _fill(day: date, other: date, count: int = 400) -> Any:
    """`count` visits on `day`, one on the `other`."""
    from sessions.models import Appointment, Device, Room, WorkingHours
    from tests.clinic import Clinic

    clinic = Clinic(today=day)
    WorkingHours.objects.all().delete()
    people = [clinic.practise(clinic.user(f"p{n}", f"Dr. Practitioner {n}", "physician")) for n in range(25)]
    rooms = Room.objects.bulk_create(
        Room(location=clinic.location, name=f"Room {n + 10}", capabilities=["consultation"])
        for n in range(25)
    )
    devices = Device.objects.bulk_create(
        Device(location=clinic.location, name=f"Pen {n + 10}", kind="needling-pen") for n in range(10)
    )
    states = ["booked", "confirmed", "requested", "arrived", "in-treatment", "done"]
    for n in range(count):
        column, row = n % 25, n // 25
        start = clinic.at(8, day=day) + timedelta(minutes=45 * row)
        clinic.appointment(
            patient=clinic.patient(f"Given{n}", f"Family{n}"), practitioner=people[column], room=rooms[column],
            device=devices[column] if column < 10 else None, starts_at=start, status=states[n % 6],
            kind=["consultation", "review", "emergency"][n % 3],
        )  # fmt: skip
    clinic.appointment(
        patient=clinic.patient("Given26", "Family26"), practitioner=people[1], room=rooms[1], device=devices[1],
        starts_at=clinic.at(8, 45, day=other), status="confirmed", kind="review",
    )  # fmt: skip
    assert Appointment.objects.count() == count + 1
    return clinic


@dataclass(frozen=True, slots=True)
class Figures:
    """Longest task of the page's main thread in ms, the same in processor time, stuttering frames, all frames.

    Processor time holds on a machine that others use too.
    """

    longest: float
    processor: float
    late: int
    frames: int


class _Trace:
    """Chromium's performance trace of what happens inside `with`."""

    def __init__(self, page: Any) -> None:
        self.session = page.context.new_cdp_session(page)
        self.page = page
        self.events: list[dict[str, Any]] = []
        self.done = False
        self.session.on("Tracing.dataCollected", lambda found: self.events.extend(found["value"]))
        self.session.on("Tracing.tracingComplete", lambda _found: setattr(self, "done", True))

    def of(self, act: Callable[[], None]) -> Figures:
        """What the page's main thread and its frames did during `act`."""
        self.events, self.done = [], False
        self.session.send("Tracing.start", {"categories": CATEGORIES, "transferMode": "ReportEvents"})
        act()
        self.session.send("Tracing.end")
        deadline = time.monotonic() + 60
        while not self.done and time.monotonic() < deadline:
            self.page.wait_for_timeout(50)
        return self._read()

    def _read(self) -> Figures:
        main = {
            (event["pid"], event["tid"])
            for event in self.events
            if event.get("name") == "thread_name" and event["args"].get("name") == "CrRendererMain"
        }
        tasks = [
            (event.get("dur", 0) / 1000, event.get("tdur", 0) / 1000)
            for event in self.events
            if event.get("name") in {"RunTask", "ThreadControllerImpl::RunTask"}
            and (event["pid"], event["tid"]) in main
        ]
        # The compositor of the page shows a frame: what the eye gets.
        pages = {pid for pid, _tid in main}
        drawn = sorted(
            event["ts"] / 1000
            for event in self.events
            if event.get("name") == "DrawFrame" and event["pid"] in pages
        )
        gaps = [later - earlier for earlier, later in pairwise(drawn)]
        return Figures(
            max((wall for wall, _processor in tasks), default=0.0),
            max((processor for _wall, processor in tasks), default=0.0),
            sum(1 for gap in gaps if gap > STUTTER_MS), len(drawn),
        )  # fmt: skip


def _scroll(page: Any) -> None:
    session = page.context.new_cdp_session(page)
    box = page.locator(".ec-main").bounding_box()
    at = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2, "gestureSourceType": "mouse"}
    for distance in ({"yDistance": -420}, {"xDistance": -4000}, {"yDistance": 420}, {"xDistance": 4000}):
        session.send("Input.synthesizeScrollGesture", at | distance | {"speed": 1600})


def _drag(page: Any) -> None:
    card = page.locator('.ev[data-col="staff"]', has_text="Given26").first
    box = card.bounding_box()
    page.mouse.move(box["x"] + 40, box["y"] + 12)
    page.mouse.down()
    page.mouse.move(box["x"] + 320, box["y"] + 220, steps=40)
    page.mouse.move(box["x"] + 40, box["y"] + 12, steps=20)
    page.mouse.up()


def _told(rows: list[Figures]) -> tuple[str, str]:
    """Median and worst of some rounds, and how many frames of them came late."""
    longest, processor = sorted(row.longest for row in rows), sorted(row.processor for row in rows)
    late, frames = sum(row.late for row in rows), sum(row.frames for row in rows)
    return (
        f"{median(longest):.0f} ms, worst {longest[-1]:.0f} ({median(processor):.0f}, {processor[-1]:.0f} of processor)",
        f"{late} of {frames}",
    )


def _serve(clinic: Any, days: dict[str, date]) -> list[tuple[str, str, str]]:
    """Each day opened, scrolled, dragged in and changed by somebody else, in turn."""
    from django.contrib.staticfiles.handlers import StaticFilesHandler
    from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
    from django.core.wsgi import get_wsgi_application
    from playwright.sync_api import sync_playwright

    class Quiet(WSGIRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: the table is what is read."""

    client = Client()
    client.force_login(clinic.amari)
    rows = [_page_cost(client, next(iter(days.values())))]
    server = ThreadedWSGIServer(("127.0.0.1", 0), Quiet)
    server.set_app(StaticFilesHandler(get_wsgi_application()))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_address[1]}"
    found: dict[str, dict[str, list[Figures]]] = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=which("chromium") or which("google-chrome"),
            args=["--no-sandbox", "--disable-gpu"],
        )
        context = browser.new_context(viewport={"width": 1440, "height": 1000})
        cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
        context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": base}])
        page = context.new_page()
        trace = _Trace(page)

        def opened(day: date) -> None:
            page.goto(f"{base}/calendar/?day={day.isoformat()}&view=day")
            page.wait_for_selector("#calendar[data-ready]")
            # What is filled after the first sight belongs to opening, too.
            page.wait_for_timeout(1500)

        opened(next(iter(days.values())))
        for _round in range(ROUNDS):
            for name, day in days.items():
                acts: dict[str, Callable[[], None]] = {
                    "opening": partial(opened, day), "scrolling": partial(_scroll, page), "dragging": partial(_drag, page),
                    "a change by others": partial(_changed, page, clinic, day),
                }  # fmt: skip
                for act, does in acts.items():
                    found.setdefault(act, {}).setdefault(name, []).append(trace.of(does))
        browser.close()
    server.shutdown()
    for act, by_day in found.items():
        told = {name: _told(figures) for name, figures in by_day.items()}
        rows.append(
            (
                f"calendar, {act}: longest task", "; ".join(f"{name}: {longest}" for name, (longest, _) in told.items()),
                f"frames over {STUTTER_MS} ms: " + "; ".join(f"{name}: {late}" for name, (_, late) in told.items()),
            )
        )  # fmt: skip
    return rows


def _page_cost(client: Client, day: date) -> tuple[str, str, str]:
    path = f"/calendar/?day={day.isoformat()}&view=day"
    client.get(path)
    costs = []
    for _round in range(10):
        began = time.process_time()
        size = len(client.get(path).content)
        costs.append((time.process_time() - began) * 1000)
    load = f"load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    return (
        "calendar page, 400 visits, server", f"{sorted(costs)[5]:.0f} ms of processor, median of 10; {size / 1024:.0f} KiB", load,
    )  # fmt: skip


def bench() -> list[tuple[str, str, str]]:
    """Opening, scrolling, dragging and a change by somebody else, each from traces of its own."""
    os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    settings.ALLOWED_HOSTS = ["127.0.0.1", "testserver"]
    old = str(settings.DATABASES["default"]["NAME"])
    connection.creation.create_test_db(verbosity=0, autoclobber=True)
    try:
        day = date.today() + timedelta(days=(1 - date.today().weekday()) % 7 or 7)
        days = {"400 visits": day, "one visit": day + timedelta(days=1)}
        return _serve(_fill(*days.values()), days)
    finally:
        with connection.cursor() as cursor:
            # The server's threads have left their connections in the pool.
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        connection.close()
        connection.close_pool()
        connection.creation.destroy_test_db(old, verbosity=0)


def _changed(page: Any, clinic: Any, day: date) -> None:
    """Somebody else changes a visit; the page shows it by itself."""
    from django.utils import timezone

    from sessions.actions import booking
    from sessions.models import Appointment

    start = clinic.at(0, day=day)
    # The first columns by name: what is changed can be seen.
    visit = (
        Appointment.objects.filter(
            starts_at__range=(start, start + timedelta(days=1)), status__in=["booked", "confirmed"],
            practitioner__user__username__in=["p0", "p1", "p10"],
        )
        .select_related("patient").order_by("version", "pk")[0]
    )  # fmt: skip
    to = "booked" if visit.status == "confirmed" else "confirmed"
    booking.change_status(appointment=visit, to=to, by=clinic.marta, now=timezone.now())
    page.wait_for_selector(f'.ev.is-{to}[data-visit="{visit.pk}"]', timeout=10_000)
    page.wait_for_timeout(300)


if __name__ == "__main__":
    print(json.dumps(bench(), indent=1))
