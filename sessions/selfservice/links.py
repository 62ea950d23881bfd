"""Signed links for patients: scoped to one visit or one course, expiring, withdrawable, short enough for an SMS.

A link is a signature and a row's number, nothing else, and it stands in no table: whoever reads the database, a backup
or the Messages page can't act as a patient. It is put into a message when the message leaves, so that one that waits
never carries a withdrawn link. All links of a patient die together when the front desk withdraws them: each signature
covers the number of withdrawals (LinkWithdrawal), and so does a lost phone with many messages on it.
"""

from datetime import datetime, timedelta
from urllib.parse import urljoin

from django.conf import settings
from django.db.models import QuerySet
from django.urls import reverse

from sessions.models import Appointment, CourseBooking, LinkWithdrawal, Message
from sessions.queries.booking import in_series
from sessions.tokens import genuine, key_of, token_for

#: What stands in a message's text until it leaves.
VISIT_LINK, COURSE_LINK = "[[visit]]", "[[course]]"
#: Links live this long after the end of the visit, of a course's last one.
AFTERWARDS = timedelta(days=1)
VISIT, COURSE = "visit", "course"


def _address(name: str, token: str) -> str:
    return urljoin(settings.BASE_URL, reverse(f"selfservice:{name}", args=[token]))


def _withdrawals(patient: int) -> int:
    return LinkWithdrawal.objects.filter(patient=patient).count()


def visit_token(appointment: Appointment) -> str:
    """The token of one visit. One query."""
    return token_for(VISIT, appointment.pk, _withdrawals(appointment.patient_id))


def visit_link(appointment: Appointment) -> str:
    """The address under which the patient answers for one visit."""
    return _address("visit", visit_token(appointment))


def course_link(booking: CourseBooking, patient: int) -> str:
    """The address under which the patient sees the visits of a course."""
    return _address("course", token_for(COURSE, booking.pk, _withdrawals(patient)))


def visit_tokens(appointments: list[Appointment]) -> list[str]:
    """The tokens of visits of one patient. One query."""
    withdrawals = _withdrawals(appointments[0].patient_id) if appointments else 0
    return [token_for(VISIT, row.pk, withdrawals) for row in appointments]


def visits() -> QuerySet[Appointment]:
    """Visits with all that a patient's page shows."""
    return Appointment.objects.select_related("patient", "location", "planned_session__plan")


def find_visit(token: str) -> Appointment | None:
    """The visit that a link opens; None when it was tampered with, made up, or withdrawn. Two queries."""
    key = key_of(token)
    found = visits().filter(pk=key).first() if key is not None else None
    if found is None or not genuine(token, VISIT, found.pk, _withdrawals(found.patient_id)):
        return None
    return found


def find_course(token: str) -> list[Appointment]:
    """The visits of the course that a link opens, in order, those booked anew since included; none when it is not good.

    Four queries, whatever the number of visits.
    """
    key = key_of(token)
    booking = CourseBooking.objects.select_related("plan").filter(pk=key).first() if key is not None else None
    if booking is None:
        return []
    patient = booking.plan.patient_id
    if not genuine(token, COURSE, booking.pk, _withdrawals(patient)):
        return []
    courses = Appointment.objects.filter(booking=booking).values("planned_session__course")
    rows = visits().filter(in_series(booking.plan), planned_session__course__in=courses, patient=patient)
    return list(rows.order_by("starts_at", "pk"))


def expired(ends_at: datetime, now: datetime) -> bool:
    """Whether a link is of the past."""
    return now > ends_at + AFTERWARDS


def with_links(message: Message) -> str:
    """The text of a message as it leaves now. It only ever opens the message's own visit or course."""
    body, visit = message.body, message.appointment
    if visit is None:
        return body
    if COURSE_LINK in body and visit.booking is not None:
        body = body.replace(COURSE_LINK, course_link(visit.booking, visit.patient_id))
    if VISIT_LINK in body or COURSE_LINK in body:
        link = visit_link(visit)
        body = body.replace(VISIT_LINK, link).replace(COURSE_LINK, link)
    return body
