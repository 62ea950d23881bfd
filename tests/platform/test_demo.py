"""The demo clinic: the same synthetic people everywhere, and only in an empty clinic."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from aftercare.models import IssuedSheet
from mesoclinic.accounts.models import User
from patients.models import Patient
from protocols.models import TreatmentPlan
from sessions.models import Appointment, Device, Location, Message, Practitioner, Room, TreatmentRecord

pytestmark = pytest.mark.django_db


def test_the_demo_clinic_has_its_people_and_places() -> None:
    call_command("demo", stdout=StringIO())
    assert Patient.objects.count() == 120
    assert Location.objects.values("time_zone").distinct().count() == 2
    assert (Practitioner.objects.count(), Room.objects.count(), Device.objects.count()) == (6, 10, 4)
    assert set(User.objects.values_list("role", flat=True)) == set(User.Role.values)
    assert set(TreatmentPlan.objects.values_list("status", flat=True)) == set(TreatmentPlan.Status.values)
    assert Appointment.objects.count() > 100
    assert TreatmentRecord.objects.filter(signed_at__isnull=False).count() > 20
    # A course given weekly is no "mesotherapy elsewhere" to itself: nearly every treatment of the past is signed.
    assert TreatmentRecord.objects.filter(signed_at__isnull=True).count() <= 4
    assert IssuedSheet.objects.exists()
    assert {"sent", "due", "withdrawn"} <= set(Message.objects.values_list("state", flat=True))
    assert {"booked", "confirmed", "done", "no-show", "cancelled"} <= set(
        Appointment.objects.values_list("status", flat=True)
    )


def test_it_never_touches_a_clinic_with_people() -> None:
    User.objects.create(username="real", full_name="Real Person", role="manager")
    with pytest.raises(CommandError, match="people already"):
        call_command("demo")
    assert Patient.objects.count() == 0


def test_sign_ins_are_told_only_for_a_demo_clinic() -> None:
    out = StringIO()
    User.objects.create(username="real", full_name="Real Person", role="manager", password="!")
    call_command("demo", "--sign-ins", stdout=out)
    assert out.getvalue() == ""
