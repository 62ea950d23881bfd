"""Writes of public holidays: the clinic decides on which of them a location is closed."""

from collections.abc import Collection
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from django.db import transaction

from mesoclinic.accounts.models import User
from mesoclinic.audit.actions import record
from sessions.models import Appointment, Closure, HolidayYear, Location
from sessions.setup import holidays, queries, wall
from sessions.setup.actions.common import lock_rooms
from sessions.setup.faults import SetupError, ask_about

NOT_LISTED = "is no public holiday here. Load the page again and look at the list first."


def closures_of(location: Location, year: int) -> dict[date, Closure]:
    """The closures that were made for holidays of a year, by holiday."""
    rows = location.closures.filter(holiday__range=(date(year, 1, 1), date(year, 12, 31)))
    return {row.holiday: row for row in rows if row.holiday is not None}


def _day(day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    return wall.midnight(day, zone), wall.midnight(day + timedelta(days=1), zone)


def visits_by_day(location: Location, days: Collection[date], now: datetime) -> dict[date, list[Appointment]]:
    """Coming visits at the location on each of the days. One query."""
    found: dict[date, list[Appointment]] = {day: [] for day in days}
    if found:
        first, last = _day(min(days), location.zone)[0], _day(max(days), location.zone)[1]
        for visit in queries.within(queries.coming(now).filter(location=location), first, last):
            day = visit.starts_at.astimezone(location.zone).date()
            if day in found:
                found[day].append(visit)
    return found


@transaction.atomic
def decide(
    *, location: Location, year: int, closed: Collection[date], by: User, now: datetime, accepted: str = ""
) -> HolidayYear:
    """Close a location on these holidays of a year and on no others; saying it twice changes nothing.

    What is over stays as it was. Raises VisitsHit for visits on days that would newly be closed, SetupError.
    """
    locked = lock_rooms(Location.objects.select_for_update(no_key=True).get(pk=location.pk))
    listed = {row.day: row for row in holidays.of_year(locked.country, locked.subdivision, year)}
    standing = closures_of(locked, year)
    for day in closed:
        if day not in listed and day not in standing:
            raise SetupError(f"{day:%d %B %Y} {NOT_LISTED}")
    today = now.astimezone(locked.zone).date()
    new = sorted(day for day in closed if day not in standing and day >= today)
    gone = [row for day, row in standing.items() if day not in closed and row.ends_at > now]
    visits = visits_by_day(locked, new, now)
    ask_about([visit for rows in visits.values() for visit in rows], accepted)
    for day in new:
        starts, ends = _day(day, locked.zone)
        Closure.objects.create(
            location=locked, starts_at=starts, ends_at=ends, reason=listed[day].name, holiday=day
        )
    Closure.objects.filter(pk__in=[row.pk for row in gone]).delete()
    decision, made = HolidayYear.objects.update_or_create(
        location=locked, year=year, defaults={"decided_by": by, "decided_at": now}
    )
    if new or gone or made:
        record(
            type="holidays.decided", target=locked, by=by,
            old={"year": year, "closed": sorted(day.isoformat() for day in standing)},
            new={"year": year, "closed": sorted(day.isoformat() for day in closures_of(locked, year))},
        )  # fmt: skip
    return decision
