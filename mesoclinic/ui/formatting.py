"""How the clinic writes days, times, ages and doses. Pure functions; today is an argument where it matters."""

from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation

import phonenumbers
from django.utils import timezone
from django.utils.dateformat import format as format_date
from django.utils.translation import get_language_info, ngettext
from django.utils.translation import gettext as _

TITLES = frozenset({"dr", "dra", "prof", "mr", "mrs", "ms", "nurse"})


def local_day(value: date | datetime) -> date:
    """The calendar day of `value`; a moment is first brought into the active time zone."""
    if isinstance(value, datetime):
        return (timezone.localtime(value) if timezone.is_aware(value) else value).date()
    return value


def day(value: date | datetime | None, today: date) -> str:
    """`Tue 1 Dec`, with the year only when it is not this one."""
    if value is None:
        return ""
    on = local_day(value)
    return format_date(on, "D j M" if on.year == today.year else "D j M Y")


def day_long(value: date | datetime | None) -> str:
    """`Tuesday 1 December`, for the title of a day's page."""
    return "" if value is None else format_date(local_day(value), "l j F")


def full_date(value: date | datetime | None) -> str:
    """`14 May 1988`: always with the year, for birth dates and documents."""
    return "" if value is None else format_date(local_day(value), "j M Y")


def clock(value: datetime | None) -> str:
    """`10:00`, in the active time zone."""
    if value is None:
        return ""
    local = timezone.localtime(value) if timezone.is_aware(value) else value
    return format_date(local, "H:i")


def date_range(start: date, end: date, today: date) -> str:
    """`1 to 15 Dec`, `29 Dec to 5 Jan`: ranges are written with "to"."""
    if start == end:
        return format_date(start, "j M" if start.year == today.year else "j M Y")
    same_month = (start.year, start.month) == (end.year, end.month)
    first = format_date(start, "j" if same_month else "j M")
    # A course over New Year needs no year: both ends lie within twelve months of today.
    near = abs(end - today) < timedelta(days=300)
    last = format_date(end, "j M" if end.year == today.year or near else "j M Y")
    return _("%(first)s to %(last)s") % {"first": first, "last": last}


def age_in_years(birth_date: date, today: date) -> int:
    """Completed years. Someone born on 29 February has the birthday on 1 March in other years."""
    return today.year - birth_date.year - ((today.month, today.day) < (birth_date.month, birth_date.day))


def age(birth_date: date | None, today: date) -> str:
    """`38 y`; below two years the months, `14 mo`."""
    if birth_date is None:
        return ""
    years = age_in_years(birth_date, today)
    if years >= 2:
        return _("%(years)d y") % {"years": years}
    months = (
        (today.year - birth_date.year) * 12 + today.month - birth_date.month - (today.day < birth_date.day)
    )
    return _("%(months)d mo") % {"months": max(months, 0)}


def days(count: int) -> str:
    """`14 days`."""
    return ngettext("%(count)d day", "%(count)d days", count) % {"count": count}


def as_decimal(value: object) -> Decimal | None:
    """`value` as a finite Decimal, or None when it is not a number."""
    if value is None or value == "" or isinstance(value, bool):
        return None
    try:
        number = value if isinstance(value, Decimal) else Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def decimal_trim(value: object) -> str:
    """A decimal without trailing zeros: `12.50` gives `12.5`, `100` stays `100`."""
    number = as_decimal(value)
    if number is None:
        return "" if value is None else str(value)
    text = format(number, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in {"-0", ""} else text


def language_name(code: str) -> str:
    """`fr` or `FR` as `French`, in the reader's language; an unknown code stays."""
    try:
        return str(get_language_info(code.lower().split("-")[0])["name_translated"])
    except KeyError:
        return code


def phone(number: str) -> str:
    """An E.164 number with the spaces of its country: `+34 600 55 50 01`; anything else as it is."""
    try:
        parsed = phonenumbers.parse(number, None)
    except phonenumbers.NumberParseException:
        return number
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL)


def initials(name: str) -> str:
    """Two letters of a name, titles left out: `Dr. Nadia Amari` gives `NA`."""
    words = [word for word in name.split() if word.rstrip(".").lower() not in TITLES] or name.split()
    return "".join(word[0] for word in words[:1] + words[1:][:1]).upper()
