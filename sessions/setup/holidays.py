"""Public holidays by country and region, as the library `holidays` knows them. What it lists is offered, no more."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import cache

import holidays as library
from babel import Locale, UnknownLocaleError
from babel.core import get_global
from django.utils.translation import get_language

#: Days of these kinds are no days off: school holidays, and working days that make up for others.
_NOT_OFFERED = frozenset({"school", "workday", "unofficial"})


@dataclass(frozen=True, slots=True)
class Holiday:
    """A day of the list. `public` ones are ticked until somebody decides; `kind` is the library's word for others."""

    day: date
    name: str
    public: bool = True
    kind: str = "public"


@cache
def _known() -> dict[str, tuple[str, ...]]:
    return {
        country: tuple(regions)
        for country, regions in library.list_supported_countries(include_aliases=False).items()
    }


def _locale() -> Locale:
    try:
        return Locale.parse(get_language() or "en", sep="-")
    except (ValueError, UnknownLocaleError):
        return Locale("en")


def countries() -> list[tuple[str, str]]:
    """(ISO code, name in the reader's language), by name."""
    names = _locale().territories
    return sorted(((code, names.get(code, code)) for code in _known()), key=lambda row: row[1].casefold())


def regions(country: str) -> list[tuple[str, str]]:
    """(code, name) of a country's regions, by name; none for a country that is not known."""
    known = _known().get(country, ())
    if not known:
        return []
    names: dict[str, str] = {}
    for name, code in getattr(library.country_holidays(country), "subdivisions_aliases", {}).items():
        names.setdefault(code, name)
    return sorted(((code, names.get(code, code)) for code in known), key=lambda row: row[1].casefold())


def fault(country: str, subdivision: str) -> tuple[str, str] | None:
    """(field, what to enter) where country and region do not fit; None where they do."""
    if country and country not in _known():
        return "country", "Not a country whose holidays are known. Choose one from the list."
    if subdivision and not country:
        return "country", "Choose the country of this region."
    if subdivision and subdivision not in _known()[country]:
        name = _locale().territories.get(country, country)
        return "subdivision", f"Not a region of {name}. Choose one from the list, or none."
    return None


def country_of(time_zone: str) -> str:
    """The country that a time zone lies in; empty where that is not known, as for UTC."""
    country = str(get_global("zone_territories").get(time_zone, ""))
    return country if country in _known() else ""


def place_words(country: str, subdivision: str) -> str:
    """`Madrid, Spain`; empty without a country."""
    if not country:
        return ""
    name = str(_locale().territories.get(country, country))
    region = dict(regions(country)).get(subdivision, subdivision)
    return f"{region}, {name}" if region else name


def _language(offered: Iterable[str]) -> str | None:
    """The reader's language as the library spells it: `en_US` for `en`; None leaves the country's own."""
    wanted = (get_language() or "en").replace("-", "_").casefold()
    rows = sorted(offered)
    exact = [row for row in rows if row.casefold() == wanted]
    near = [row for row in rows if row.split("_")[0].casefold() == wanted.split("_")[0]]
    return next(iter(exact + near), None)


def of_year(country: str, subdivision: str, year: int) -> list[Holiday]:
    """The holidays of a calendar year in order, named in the reader's language where the library offers it."""
    if not country or fault(country, subdivision) is not None:
        return []
    calendar = type(library.country_holidays(country))
    language = _language(calendar.supported_languages)
    found: dict[date, Holiday] = {}
    others = sorted(set(calendar.supported_categories) - _NOT_OFFERED - {"public"})
    for kind in ("public", *others):
        rows = library.country_holidays(
            country, subdiv=subdivision or None, years=year, language=language, categories=(kind,)
        )
        for day, name in rows.items():
            text = ", ".join(dict.fromkeys(name.split("; ")))[:120]
            found.setdefault(day, Holiday(day, text, kind == "public", kind.replace("_", " ")))
    return sorted(found.values(), key=lambda row: row.day)
