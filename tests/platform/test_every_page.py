"""Every address with every role: what is not allowed is refused, what is allowed answers, nothing ever breaks."""

import uuid
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from mesoclinic.accounts.permissions import ALLOWED
from patients.models import Allergy
from sessions.actions import booking
from sessions.models import Absence, Closure, FreedTime, Lot, Message, Offer, Product, WaitlistEntry
from sessions.queries.booking import options_for
from sessions.scheduling import Preferences
from tests.clinic import Clinic

pytestmark = pytest.mark.django_db
ROLES = {
    "physician": "amari",
    "nurse": "roca",
    "front-desk": "marta",
    "manager": "ortiz",
    "administrator": "admin",
}
#: Open by design: signing in and out, health, the own account; what a secret address opens (tests/sessions/test_selfservice.py,
#: test_feed.py and test_waitlist.py walk those with every kind of wrong address).
OPEN = {"accounts", "services", "selfservice", "offer", None}


def patterns(
    resolver: URLResolver | None = None, prefix: str = "", space: str | None = None
) -> Iterator[tuple[str, Any, str | None]]:
    for entry in (resolver or get_resolver()).url_patterns:
        if isinstance(entry, URLResolver):
            yield from patterns(entry, prefix + str(entry.pattern), entry.namespace or space)
        elif isinstance(entry, URLPattern):
            yield prefix + str(entry.pattern), entry, space


@pytest.fixture
def world() -> dict[str, Any]:
    """A course booked, its first visit treated, signed and followed by a sheet."""
    clinic = Clinic(today=date.today())
    now = timezone.now()
    plan = clinic.signed_plan()
    start = now + timedelta(hours=1)
    _planned, options = options_for(plan, clinic.location, Preferences(), now=start)
    booked = booking.book_course(
        plan=plan,
        location=clinic.location,
        slots=options[0].slots,
        key=uuid.uuid4(),
        by=clinic.marta,
        now=now,
    )
    visit = booked.appointments.order_by("starts_at")[0]
    clinic.signed_plan(clinic.patient("Iris", "Wartet"))
    allergy = Allergy.objects.create(patient=clinic.lea, substance="lidocaine", recorded_by=clinic.roca)
    return {
        "clinic": clinic, "plan": plan.pk, "appointment": visit.pk, "message": Message.objects.all()[0].pk,
        "patient": clinic.lea.pk, "fact": allergy.pk, "lot": Lot.objects.all()[0].pk,
        **setup_rows(clinic), **waiting_rows(clinic),
    }  # fmt: skip


def waiting_rows(clinic: Clinic) -> dict[str, int]:
    """Somebody on the waiting list who is asked about a time next month."""
    entry = WaitlistEntry.objects.create(
        patient=clinic.patient("Wanda", "Wartet"), kind="consultation", minutes=30, created_by=clinic.marta,
        created_at=timezone.now(), state="offered",
    )  # fmt: skip
    entry.locations.set([clinic.location])
    later = timezone.now() + timedelta(days=200)
    hold = clinic.appointment(
        patient=entry.patient, starts_at=later, status="requested", kind="consultation", practitioner=clinic.nurse,
        room=clinic.other_room,
    )  # fmt: skip
    where = {
        "location": clinic.location,
        "practitioner": clinic.nurse,
        "starts_at": later,
        "ends_at": hold.ends_at,
    }
    freed = FreedTime.objects.create(**where, cause="cancelled", due_at=later, state="offered")
    offer = Offer.objects.create(
        **where, entry=entry, freed=freed, patient=entry.patient, hold=hold, room=clinic.other_room,
        made_at=timezone.now(), expires_at=timezone.now() + timedelta(days=1), link_key="k",
    )  # fmt: skip
    return {"entry": entry.pk, "offer": offer.pk}


def setup_rows(clinic: Clinic) -> dict[str, int]:
    """Something to change for each page of the set-up, with nobody of the cast in it."""
    later = timezone.now() + timedelta(days=300)
    spare = clinic.user("spare", "Sam Reserve", "physician")
    practitioner = clinic.practise(spare)
    span = {"starts_at": later, "ends_at": later + timedelta(days=1)}
    return {
        "person": spare.pk, "practitioner": practitioner.pk, "place": clinic.location.pk,
        "room": clinic.other_room.pk, "device": clinic.pen.pk, "product": Product.objects.all()[0].pk,
        "absence": Absence.objects.create(practitioner=practitioner, **span).pk,
        "type": clinic.types["review"].pk,
        "closure": Closure.objects.create(location=clinic.location, reason="Works", **span).pk,
    }  # fmt: skip


def address(route: str, world: dict[str, Any]) -> str:
    """A route with real keys in it."""
    for start, key in (("plans/", "plan"), ("appointments/", "appointment"), ("messages/", "message"),
                       ("patients/", "patient"), ("stock/", "lot"), ("lots/", "lot"), ("products/", "product"),
                       ("setup/people/", "person"), ("setup/places/", "place"), ("setup/rooms/", "room"),
                       ("setup/devices/", "device"), ("setup/hours/", "practitioner"),
                       ("setup/absences/", "absence"), ("setup/closures/", "closure"),
                       ("setup/types/", "type"), ("waiting-list/", "entry"), ("offers/", "offer")):  # fmt: skip
        if route.startswith(start):
            route = route.replace("<int:pk>", str(world[key]))
    return "/" + (
        route.replace("<int:pk>", "1").replace("<int:concern>", "1").replace("<int:event>", "1").replace("<slug:kind>", "allergies").replace("<int:fact>", str(world["fact"]))
        .replace("<int:course>", "0").replace("<int:number>", "1").replace("<str:number>", "x")
        .replace("<slug:number>", "x").replace("<slug:code>", "x").replace("<slug:key>", "x")
    )  # fmt: skip


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("method", ["get", "post"])
def test_every_address_keeps_to_the_table_of_permissions(
    world: dict[str, Any], role: str, method: str
) -> None:
    client = Client(raise_request_exception=True)
    walked = 0
    for route, entry, space in patterns():
        if space in OPEN:
            continue
        permission = getattr(entry.callback, "required_permission", None)
        assert permission is not None, f"{route} asks for no permission"
        client.force_login(getattr(world["clinic"], ROLES[role]))
        response = getattr(client, method)(address(route, world))
        allowed = role in ALLOWED[permission]
        if response.status_code == 405:
            continue
        if allowed:
            assert response.status_code in {200, 302, 400, 404, 409, 422}, (route, response.status_code)
        else:
            assert response.status_code == 403, (route, response.status_code)
        walked += 1
    assert walked > 15


def test_nobody_sees_a_page_without_signing_in(world: dict[str, Any]) -> None:
    client = Client()
    for route, _entry, space in patterns():
        if space not in OPEN:
            response = client.get(address(route, world))
            assert response.status_code == 302, route
            assert "sign-in" in response["Location"], route


@pytest.mark.parametrize("role", ROLES)
def test_every_role_has_its_start_page(world: dict[str, Any], role: str) -> None:
    client = Client()
    client.force_login(getattr(world["clinic"], ROLES[role]))
    assert client.get("/", follow=True).status_code == 200


def visits(world: dict[str, Any], count: int) -> None:
    clinic: Clinic = world["clinic"]
    for number in range(count):
        plan = clinic.signed_plan(clinic.patient(f"Eva{number}", "Cuenta"))
        _planned, options = options_for(
            plan, clinic.location, Preferences(), now=timezone.now() + timedelta(hours=1)
        )
        booking.book_course(
            plan=plan, location=clinic.location, slots=options[0].slots, key=uuid.uuid4(), by=clinic.marta,
            now=timezone.now(),
        )  # fmt: skip
        clinic.signed_plan(clinic.patient(f"Eva{number}", "Ohne"))


@pytest.mark.parametrize(
    "url",
    ["/calendar/", "/calendar/?view=week", "/calendar/?view=list", "/courses-to-book/", "/not-confirmed/", "/messages/",
     "/staff/", "/in-treatment/", "/waiting-list/", "/waiting-room/", "/missed/", "/"],
)  # fmt: skip
def test_a_list_costs_the_same_however_long_it_is(world: dict[str, Any], url: str) -> None:
    client = Client()
    client.force_login(world["clinic"].amari)
    day = world["clinic"].lea.appointments.order_by("starts_at")[0].starts_at.date()
    full = f"{url}{'&' if '?' in url else '?'}day={day.isoformat()}"

    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert client.get(full).status_code == 200
        return len(queries)

    cost()
    before = cost()
    visits(world, 4)
    assert cost() == before


@pytest.mark.parametrize(
    "path", ["/patients/{patient}/", "/plans/{plan}/book/", "/appointments/{appointment}/move/"]
)
def test_the_front_desk_reads_no_allergy_in_any_banner(world: dict[str, Any], path: str) -> None:
    client = Client()
    for who, seen in (("marta", False), ("roca", True)):
        client.force_login(getattr(world["clinic"], who))
        world_path = path.format(**world).replace(
            f"/plans/{world['plan']}/book/", f"/plans/{world['plan']}/book/"
        )
        text = client.get(world_path).content.decode()
        assert ("Lidocaine" in text) is seen
