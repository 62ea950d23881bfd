"""Reads of the types of single visits: which are offered, and who and what is fit for one."""

from dataclasses import replace

from sessions.models import AppointmentType, Needs
from sessions.scheduling import Diary, Visit


def offered() -> dict[int, AppointmentType]:
    """Types that can be booked now by key: consultations first, as they are most often meant. One query."""
    order = {kind: place for place, kind in enumerate(AppointmentType.Kind.values)}
    rows = AppointmentType.objects.filter(active=True)
    return {row.pk: row for row in sorted(rows, key=lambda row: (order[row.kind], row.name.casefold()))}


def for_needs(book: Diary, needs: Needs) -> Diary:
    """The diary with those people only who have the qualification.

    The search asks practitioner and room for one word; who is qualified counts as able for the room's.
    """
    staff = tuple(
        replace(person, qualifications=person.qualifications | {needs.capability})
        for person in book.staff
        if needs.qualification in person.qualifications
    )
    return replace(book, staff=staff)


def visit_for(needs: Needs, minutes: int) -> Visit:
    """A single visit as the search sees it, any day."""
    return Visit(0, 0, 0, 0, 0, minutes, needs.capability, needs.device_kind)
