"""Inserts that are written once: the same rows as by the ORM, the same refusals."""

import uuid

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils.translation import gettext_lazy

from mesoclinic.audit.models import AuditEvent
from mesoclinic.statements import Beside, fresh, insert, prepared
from sessions.models import Appointment, CourseBooking, Message
from tests.clinic import Clinic

pytestmark = pytest.mark.django_db


@pytest.fixture
def clinic() -> Clinic:
    return Clinic()


def test_rows_come_out_as_the_orm_would_have_written_them(clinic: Clinic) -> None:
    """Defaults, empty values and foreign keys too; key and time of the database come back."""
    stands = clinic.appointment(status="cancelled", kind="consultation")
    twin = Appointment.objects.get(pk=stands.pk)
    twin.pk = None
    with CaptureQueriesContext(connection) as queries:
        [made] = insert([twin])
    assert len(queries) == 1
    assert made.pk > stands.pk
    assert (made._state.adding, made._state.db) == (False, "default")
    read = Appointment.objects.get(pk=made.pk)
    assert (read.booked_at, read.changed_at) == (made.booked_at, made.changed_at)
    fresh = {"id", "booked_at", "changed_at"}
    written = [field.attname for field in Appointment._meta.concrete_fields if field.attname not in fresh]
    assert {name: getattr(read, name) for name in written} == {
        name: getattr(stands, name) for name in written
    }


def test_keys_come_back_in_the_order_of_the_rows(clinic: Clinic) -> None:
    plan = clinic.signed_plan()
    keys = [uuid.uuid4() for _n in range(20)]
    made = insert([CourseBooking(plan=plan, key=key, booked_by=clinic.marta) for key in keys])
    assert [CourseBooking.objects.get(pk=row.pk).key for row in made] == keys
    assert insert([]) == []


def test_a_refused_row_is_an_integrity_error_and_nothing_stays(clinic: Clinic) -> None:
    plan, key = clinic.signed_plan(), uuid.uuid4()
    rows = [CourseBooking(plan=plan, key=key, booked_by=clinic.marta) for _n in range(2)]
    with pytest.raises(IntegrityError), transaction.atomic():
        insert(rows)
    assert not CourseBooking.objects.exists()


def test_what_stands_already_is_passed_over_where_that_is_meant(clinic: Clinic) -> None:
    ana = clinic.patient("Ana", "Otra")

    def news(cause: str) -> Message:
        return Message(
            kind="reminder", cause=cause, patient=ana, location=clinic.location, recipient="ana@example.org",
            language="en", subject="s", body="b", send_at=clinic.at(10),
        )  # fmt: skip

    insert([news("a")], ignore_conflicts=True)
    insert([news("a"), news("b")], ignore_conflicts=True)
    assert sorted(Message.objects.values_list("cause", flat=True)) == ["a", "b"]


def test_a_statement_is_planned_once_for_a_connection() -> None:
    sql = "SELECT count(*) FROM pg_class WHERE oid = ANY(%s::oid[])"
    for n in range(4):
        with prepared() as cursor:
            cursor.execute(sql, [[n, 70_000]])
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE %s",
            ["%pg_class WHERE oid = ANY($1::oid[])"],
        )
        assert cursor.fetchone() == (1,)


def test_a_fresh_row_is_what_the_model_makes_of_the_same_values(clinic: Clinic) -> None:
    """Defaults, those that are made anew each time, and what the database fills; nothing is shared between two rows."""
    values = {"actor_name": "M", "type": "t", "target_type": "x", "target_id": "1"}
    one, other, model = fresh(AuditEvent, **values), fresh(AuditEvent, **values), AuditEvent(**values)
    names = [field.attname for field in AuditEvent._meta.concrete_fields if field.attname != "at"]
    assert [getattr(one, name) for name in names] == [getattr(model, name) for name in names]
    one.new["a"] = 1
    assert other.new == {}
    insert([one])
    assert AuditEvent.objects.get(pk=one.pk).at == one.at
    with pytest.raises(KeyError):
        fresh(AuditEvent, patient=1)


def test_values_that_a_field_converts_are_converted(clinic: Clinic) -> None:
    """A member of a choice, a text that is translated when it is read: as `save` writes them."""
    visit = clinic.appointment(kind="consultation", status="cancelled")
    twin = Appointment.objects.get(pk=visit.pk)
    twin.pk, twin.status, twin.kind = None, Appointment.Status.NO_SHOW, Appointment.Kind.REVIEW
    twin.reason = gettext_lazy("Moved")
    [made] = insert([twin])
    read = Appointment.objects.get(pk=made.pk)
    assert (read.status, read.kind, read.reason) == ("no-show", "review", "Moved")


def test_rows_beside_others_are_written_by_the_same_query(clinic: Clinic) -> None:
    """They name each other by a key that was drawn before; one that stands already is passed over; or nothing stays."""
    plan, visit = clinic.signed_plan(), clinic.appointment(kind="consultation")
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval(pg_get_serial_sequence('treatment_sessions_coursebooking', 'id'))")
        (key,) = cursor.fetchone()

    def news(cause: str) -> Message:
        return Message(
            kind="reminder", cause=cause, patient=visit.patient, appointment=visit, location=clinic.location,
            recipient="a@example.org", language="en", subject="s", body="b", send_at=clinic.at(10),
        )  # fmt: skip

    insert([news("stands")])
    booking = CourseBooking(pk=key, plan=plan, key=uuid.uuid4(), booked_by=clinic.marta)
    event = AuditEvent(actor_name="M", type="t", target_type="x", target_id=str(key))
    beside = [Beside([news("stands"), news("new")], ignore_conflicts=True), Beside([]), Beside([event])]
    with CaptureQueriesContext(connection) as queries:
        [made] = insert([booking], beside=beside)
    assert len(queries) == 1
    stored = CourseBooking.objects.get(pk=key)
    assert (stored.key, stored.booked_at) == (made.key, made.booked_at)
    assert sorted(Message.objects.values_list("cause", flat=True)) == ["new", "stands"]
    assert AuditEvent.objects.filter(target_id=str(key)).count() == 1
    again = CourseBooking(pk=key + 1, plan=plan, key=made.key, booked_by=clinic.marta)
    with pytest.raises(IntegrityError), transaction.atomic():
        insert([again], beside=[Beside([news("refused")], ignore_conflicts=True)])
    assert not Message.objects.filter(cause="refused").exists()
