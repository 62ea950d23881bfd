"""Reads of the set-up pages: lists with a fixed number of queries, visits that a change would hit, first steps."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Count, DecimalField, Exists, F, OuterRef, Prefetch, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce, ExtractYear

from mesoclinic.accounts.models import User
from mesoclinic.ui.formatting import day as day_words
from sessions.clocks.queries import promised
from sessions.models import (
    Absence,
    Appointment,
    AppointmentType,
    Closure,
    Device,
    HolidayYear,
    Location,
    Lot,
    MixedComponent,
    Practitioner,
    Product,
    Room,
    WorkingHours,
)
from sessions.scheduling.diary import PREPARATION

type Week = Sequence[tuple[int, time, time]]

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
#: A visit that is booked and not begun: what a change of hours or rooms can hit.
STANDING = (
    Appointment.Status.REQUESTED,
    Appointment.Status.BOOKED,
    Appointment.Status.CONFIRMED,
    Appointment.Status.ARRIVED,
)


# ---- visits that a change would hit ------------------------------------------------------------------------


def coming(now: datetime) -> QuerySet[Appointment]:
    """Booked visits that are not over, with all that a line of them shows."""
    return (
        Appointment.objects.filter(status__in=STANDING, ends_at__gt=now)
        .select_related(
            "patient", "practitioner__user", "room", "device", "location", "type", "planned_session__plan"
        )
        .order_by("starts_at", "pk")
    )


def _inside(visit: Appointment, week: Week, zone: ZoneInfo) -> bool:
    start, end = visit.starts_at.astimezone(zone), visit.ends_at.astimezone(zone)
    return any(
        weekday == start.isoweekday()
        and start.date() == end.date()
        and begins <= start.time()
        and end.time() <= ends
        for weekday, begins, ends in week
    )


def outside_new_week(
    practitioner: Practitioner, location: Location, old: Week, new: Week, now: datetime
) -> list[Appointment]:
    """Coming visits that lie within the old weekly hours and not within the new ones.

    What lay outside before was accepted once and is not asked about again.
    """
    zone = location.zone
    return [
        visit
        for visit in coming(now).filter(practitioner=practitioner, location=location)
        if _inside(visit, old, zone) and not _inside(visit, new, zone)
    ]


def on_another_clock(location: Location, zone: ZoneInfo, now: datetime) -> list[Appointment]:
    """Coming visits whose promised time on the wall is at another moment on the clock of `zone`."""
    return [
        visit
        for visit in coming(now).filter(location=location)
        if visit.starts_at.astimezone(zone).replace(tzinfo=None) != promised(visit)
    ]


def within(visits: QuerySet[Appointment], start: datetime, end: datetime) -> QuerySet[Appointment]:
    """The visits that touch a time."""
    return visits.filter(starts_at__lt=end, ends_at__gt=start)


def asked_of(room: Room, visit: Appointment) -> frozenset[str]:
    """What a visit asks of that room of its own: the treatment's, or the one where the cream acts."""
    return frozenset({PREPARATION}) if visit.prep_room_id == room.pk else visit.needs.capabilities


# ---- lists -------------------------------------------------------------------------------------------------


def people(text: str = "", *, closed: bool = False) -> QuerySet[User]:
    """Everybody who signs in, or whose account is closed."""
    rows = (
        User.objects.filter(is_active=not closed).select_related("practitioner").order_by("full_name", "pk")
    )
    if text:
        rows = rows.filter(
            Q(full_name__icontains=text) | Q(username__icontains=text) | Q(email__icontains=text)
        )
    return rows


def locations() -> QuerySet[Location]:
    """Locations with what they have."""
    return Location.objects.order_by("name", "pk").annotate(
        room_count=Count("rooms", distinct=True), device_count=Count("devices", distinct=True)
    )


def practitioners(now: datetime, text: str = "") -> QuerySet[Practitioner]:
    """Who treats, with weekly hours and coming absences."""
    rows = (
        Practitioner.objects.filter(user__is_active=True)
        .select_related("user")
        .prefetch_related(
            Prefetch(
                "hours",
                queryset=WorkingHours.objects.select_related("location").order_by("weekday", "starts"),
            ),
            Prefetch("absences", queryset=Absence.objects.filter(ends_at__gt=now), to_attr="coming_absences"),
        )
    )
    if text:
        rows = rows.filter(user__full_name__icontains=text)
    return rows


def _in_time[Row: (Absence, Closure)](
    rows: QuerySet[Row], now: datetime, past: bool, every: bool
) -> QuerySet[Row]:
    """Now or coming, the first on top; with `past` those that are over, newest first; with `every` both."""
    if every:
        return rows
    if past:
        return rows.filter(ends_at__lte=now).order_by("-starts_at", "pk")
    return rows.filter(ends_at__gt=now).order_by("starts_at", "pk")


def absences(now: datetime, text: str = "", *, past: bool = False, every: bool = False) -> QuerySet[Absence]:
    """Absences, coming first; with `past` those that are over, newest first."""
    rows = Absence.objects.select_related("practitioner__user").prefetch_related(
        Prefetch("practitioner__hours", queryset=WorkingHours.objects.select_related("location"))
    )
    rows = _in_time(rows, now, past, every)
    if text:
        rows = rows.filter(Q(practitioner__user__full_name__icontains=text) | Q(reason__icontains=text))
    return rows


def types(text: str = "", *, closed: bool = False) -> QuerySet[AppointmentType]:
    """Types of single visits that are offered, or those that are no longer."""
    rows = AppointmentType.objects.filter(active=not closed)
    return rows.filter(name__icontains=text) if text else rows


def closures(now: datetime, text: str = "", *, past: bool = False, every: bool = False) -> QuerySet[Closure]:
    """Closures, coming first; with `past` those that are over, newest first."""
    rows = _in_time(Closure.objects.select_related("location"), now, past, every)
    if text:
        rows = rows.filter(Q(location__name__icontains=text) | Q(reason__icontains=text))
    return rows


def products(today: date, text: str = "") -> QuerySet[Product]:
    """Products with the number of their usable lots."""
    usable = Q(lots__status=Lot.Status.IN_STOCK, lots__expires_on__gte=today) & (
        Q(lots__discard_after__isnull=True) | Q(lots__discard_after__gte=today)
    )
    rows = Product.objects.annotate(
        lot_count=Count("lots", distinct=True), usable_count=Count("lots", filter=usable, distinct=True)
    )
    if text:
        rows = rows.filter(
            Q(name__icontains=text)
            | Q(manufacturer__icontains=text)
            | Q(agent__icontains=text)
            | Q(gtin__icontains=text)
        )
    return rows.order_by("name", "pk")


def lots(product: Product) -> QuerySet[Lot]:
    """A product's lots with what is left, soonest expiry first."""
    used = (
        MixedComponent.objects.filter(lot=OuterRef("pk"))
        .order_by()
        .values("lot")
        .annotate(total=Sum("volume_ml"))
        .values("total")
    )
    number = DecimalField(max_digits=12, decimal_places=4)
    return (
        product.lots.annotate(
            used_ml=Coalesce(Subquery(used, output_field=number), 0, output_field=number),
        )
        .annotate(left_ml=F("received_ml") - F("used_ml"))
        .order_by("expires_on", "pk")
    )


# ---- times in words ----------------------------------------------------------------------------------------


def zone_of(practitioner: Practitioner) -> ZoneInfo | None:
    """The wall clock that a practitioner's absence is written in: that of the first place of work."""
    hours = list(practitioner.hours.all())
    if hours:
        return hours[0].location.zone
    first = Location.objects.first()
    return first.zone if first is not None else None


def span_words(start: datetime, end: datetime, zone: ZoneInfo, today: date) -> str:
    """`Tue 1 Dec`, `Tue 1 Dec to Thu 3 Dec`, `Tue 1 Dec, 12:00 to 16:00` on the wall clock of `zone`."""
    first, last = start.astimezone(zone), end.astimezone(zone)
    if first.time() == time() and last.time() == time():
        final = last.date() - timedelta(days=1)
        if final <= first.date():
            return day_words(first.date(), today)
        return f"{day_words(first.date(), today)} to {day_words(final, today)}"
    if first.date() == last.date():
        return f"{day_words(first.date(), today)}, {first:%H:%M} to {last:%H:%M}"
    return f"{day_words(first.date(), today)}, {first:%H:%M} to {day_words(last.date(), today)}, {last:%H:%M}"


def week_lines(rows: Iterable[tuple[int, time, time]]) -> list[str]:
    """Weekly hours in words, equal days together: `Mon to Thu 09:00 to 14:00, 15:00 to 19:00`."""
    by_day: dict[int, list[str]] = {}
    for weekday, starts, ends in sorted(rows):
        by_day.setdefault(weekday, []).append(f"{starts:%H:%M} to {ends:%H:%M}")
    groups: list[tuple[list[int], str]] = []
    for weekday, spans in sorted(by_day.items()):
        text = ", ".join(spans)
        if groups and groups[-1][1] == text and groups[-1][0][-1] == weekday - 1:
            groups[-1][0].append(weekday)
        else:
            groups.append(([weekday], text))
    return [
        (f"{DAYS[days[0] - 1][:3]} to {DAYS[days[-1] - 1][:3]}" if len(days) > 1 else DAYS[days[0] - 1][:3])
        + f" {text}"
        for days, text in groups
    ]


# ---- public holidays ---------------------------------------------------------------------------------------


def undecided_years(now: datetime) -> list[dict[str, Any]]:
    """Years into which visits are booked while nobody has decided on their public holidays. One query.

    Rows of `location`, `location__short_name`, `year`, `visits`, by year. The year is that of UTC: nobody is treated
    at midnight of New Year's Eve.
    """
    decided = HolidayYear.objects.filter(location=OuterRef("location"), year=OuterRef("year"))
    rows = (
        Appointment.objects.filter(status__in=STANDING, starts_at__gt=now)
        .exclude(location__country="")
        .annotate(year=ExtractYear("starts_at", tzinfo=UTC))
        .filter(~Exists(decided))
        .order_by("year", "location")
        .values("location", "location__short_name", "year")
        .annotate(visits=Count("pk"))
    )
    return [dict(row) for row in rows]


# ---- first steps -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Missing:
    """What a clinic needs before it can work: True is missing."""

    location: bool
    room: bool
    practitioner: bool
    hours: bool
    product: bool

    @property
    def anything(self) -> bool:
        return self.location or self.room or self.practitioner or self.hours or self.product

    @property
    def bookable(self) -> bool:
        """Visits can be booked; products may still be missing."""
        return not (self.location or self.room or self.practitioner or self.hours)


def missing() -> Missing:
    """What is missing, in one query that always has a row: there is somebody asking."""
    treats = Practitioner.objects.filter(user__is_active=True).exclude(qualifications=[])
    row = User.objects.order_by("pk").values_list(
        Exists(Location.objects.all()),
        Exists(Room.objects.exclude(capabilities=[])),
        Exists(treats),
        Exists(WorkingHours.objects.filter(practitioner__in=treats)),
        Exists(Product.objects.all()),
    )[:1]
    there = next(iter(row), (False,) * 5)
    return Missing(*(not found for found in there))


def whom_to_ask() -> list[User]:
    """Managers and administrators, who set the clinic up."""
    return list(
        User.objects.filter(is_active=True, role__in=[User.Role.ADMINISTRATOR, User.Role.MANAGER])
        .order_by("role", "full_name", "pk")[:6]
    )  # fmt: skip


def devices_of(location: Location) -> QuerySet[Device]:
    """A location's devices, those in service first."""
    return location.devices.order_by("-in_service", "name", "pk")
