"""A message leaves once, to the address and with the consent of today."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.core import mail

from mesoclinic import settings as product_settings
from patients.models import Patient
from sessions.models import Message
from sessions.reminders import outbox
from tests.clinic import Clinic
from tests.sessions.test_booking import book, now

pytestmark = pytest.mark.django_db
MONDAY = date(2026, 11, 30)


@pytest.fixture
def clinic() -> Clinic:
    return Clinic(today=MONDAY)


@pytest.fixture
def by_mail(settings: Any) -> None:
    settings.MESSAGE_DELIVERY = "smtp"


def due(clinic: Clinic, count: int = 1) -> list[Message]:
    """So many messages that are due now."""
    book(clinic)
    first = Message.objects.get(kind="confirmation")
    Message.objects.exclude(pk=first.pk).delete()
    for number in range(count - 1):
        copy = Message.objects.get(pk=first.pk)
        copy.pk, copy.cause = None, f"copy {number}"
        copy.save()
    return list(Message.objects.order_by("pk"))


def test_each_claim_gets_a_lease_from_its_own_moment_however_slow_the_ones_before(clinic: Clinic) -> None:
    """Sending takes 25 s each: the third row's lease counts from its own claim, not from the start of the run."""
    due(clinic, 3)
    moments = iter([0.0, 0.0, 25.0, 50.0, 75.0])
    assert outbox.deliver_due(now(clinic), seconds=lambda: next(moments)) == 3
    sent = list(Message.objects.order_by("sent_at").values_list("sent_at", flat=True))
    assert [moment - now(clinic) for moment in sent] == [timedelta(seconds=s) for s in (0, 25, 50)]


def test_a_run_ends_before_the_workers_time_limit_and_the_next_goes_on(clinic: Clinic, settings: Any) -> None:
    due(clinic, 3)
    moments = iter([0.0, 0.0, 59.0, 61.0])
    assert outbox.deliver_due(now(clinic), seconds=lambda: next(moments)) == 2
    assert outbox.deliver_due(now(clinic)) == 1
    # The tests' own settings have another mailer: the product's is read from its module.
    worst_sending = 12 * product_settings.MAILERS["default"]["OPTIONS"]["timeout"]  # type: ignore[index]
    assert outbox.LONGEST_RUN_S + worst_sending < settings.CELERY_TASK_SOFT_TIME_LIMIT
    assert outbox.BATCH * timedelta(seconds=worst_sending) * 2 < outbox.LEASE


def test_a_message_has_the_same_id_in_every_try(clinic: Clinic, by_mail: None) -> None:
    (message,) = due(clinic)
    outbox.claim(now(clinic))
    before = outbox.message_id(message)
    assert outbox.message_id(Message.objects.get(pk=message.pk)) == before
    # The worker that claimed it has died, perhaps after the server took the mail.
    outbox.deliver_due(now(clinic) + outbox.LEASE + timedelta(seconds=1))
    (sent,) = mail.outbox
    assert sent.message()["Message-ID"] == before


def test_sending_again_on_purpose_is_another_mail(clinic: Clinic, by_mail: None) -> None:
    (message,) = due(clinic)
    outbox.deliver_due(now(clinic))
    Message.objects.update(state="due", attempts=0)
    outbox.deliver_due(now(clinic))
    first, second = (one.message()["Message-ID"] for one in mail.outbox)
    assert first != second
    assert f"message-{message.pk}-" in first


def test_a_withdrawn_consent_withdraws_the_waiting_message(clinic: Clinic, by_mail: None) -> None:
    due(clinic)
    Patient.objects.filter(pk=clinic.lea.pk).update(consent_messages=False)
    outbox.deliver_due(now(clinic))
    message = Message.objects.get()
    assert (message.state, message.error) == (
        "withdrawn",
        "The patient no longer agrees to receive messages.",
    )
    assert mail.outbox == []
    assert not message.tries.exists()


def test_a_changed_address_is_used(clinic: Clinic, by_mail: None) -> None:
    due(clinic)
    Patient.objects.filter(pk=clinic.lea.pk).update(email="lea.new@example.org")
    outbox.deliver_due(now(clinic))
    assert mail.outbox[0].to == ["lea.new@example.org"]
    assert Message.objects.get().recipient == "lea.new@example.org"


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"channel": "phone"}, "The patient wants to be called now."),
     ({"email": ""}, "The patient has no address for messages any more: call.")],
)  # fmt: skip
def test_a_patient_who_is_not_reached_by_messages_any_more_gets_none(
    clinic: Clinic, by_mail: None, change: dict[str, str], reason: str
) -> None:
    due(clinic)
    Patient.objects.filter(pk=clinic.lea.pk).update(**change)
    outbox.deliver_due(now(clinic))
    assert (Message.objects.get().state, Message.objects.get().error) == ("withdrawn", reason)
