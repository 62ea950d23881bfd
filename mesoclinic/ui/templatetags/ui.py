"""The clinic's own template language: icons, pills, doses, days. Built into every template by the settings."""

import re
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

from django import template
from django.conf import settings
from django.template.context import Context
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext_lazy

from mesoclinic.accounts.permissions import Permission, has_permission
from mesoclinic.ui import formatting, forms

register = template.Library()

_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")
_STATIC = Path(settings.BASE_DIR) / "static"

#: Appointment states: icon, class suffix, word (design/README.md, section 5).
STATUS: dict[str, tuple[str, str, Any]] = {
    "requested": ("circle-dashed", "requested", gettext_lazy("Requested")),
    "booked": ("circle", "booked", gettext_lazy("Booked")),
    "confirmed": ("circle-check", "confirmed", gettext_lazy("Confirmed")),
    "arrived": ("armchair", "arrived", gettext_lazy("Arrived")),
    "in-treatment": ("syringe", "treating", gettext_lazy("In treatment")),
    "done": ("check-check", "done", gettext_lazy("Done")),
    "no-show": ("user-x", "noshow", gettext_lazy("No-show")),
    "cancelled": ("ban", "cancelled", gettext_lazy("Cancelled")),
}

#: Findings: icon, class suffix, word.
LEVEL: dict[str, tuple[str, str, Any]] = {
    "block": ("octagon-alert", "block", pgettext_lazy("finding", "Block")),
    "warn": ("triangle-alert", "warn", pgettext_lazy("finding", "Warning")),
    "info": ("info", "info", pgettext_lazy("finding", "Info")),
    "not-checked": ("circle-help", "unchecked", pgettext_lazy("finding", "Not checked")),
}

#: Evidence grades (clinical/REFERENCE.md, first lines).
GRADE: dict[str, Any] = {
    "A": gettext_lazy("A: product label, guideline, consensus or law"),
    "B": gettext_lazy("B: published trial, validation study or review"),
    "C": gettext_lazy("C: common practice or textbook, no single source"),
    "S": gettext_lazy("S: what the clinic asked mesoclinic to do"),
    "K": gettext_lazy("K: careful house default, a physician confirms it"),
}


# ---- drawings ----------------------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def _inner(folder: str, name: str) -> tuple[str, str, SafeString]:
    """ViewBox, title and inside of a drawing of ours.

    Safe as it stands: only names of our own files pass, and nothing typed by people is in them.
    """
    if not _NAME.fullmatch(name):
        raise template.TemplateSyntaxError(f"not a drawing's name: {name!r}")
    path = _STATIC / folder / f"{name}.svg"
    if not path.is_file():
        raise template.TemplateSyntaxError(f"there is no static/{folder}/{name}.svg")
    text = path.read_text(encoding="utf-8")
    match = re.search(r"<svg\b([^>]*)>(.*)</svg>", text, re.S)
    box = re.search(r'viewBox="([^"]+)"', match.group(1)) if match else None
    if not match or not box:
        raise template.TemplateSyntaxError(f"static/{folder}/{name}.svg has no svg element with a viewBox")
    inside = re.sub(r"<style>.*?</style>", "", match.group(2), flags=re.S).strip()
    # The drawing's own title comes first; later ones belong to its zones and stay.
    title = re.match(r"<title>(.*?)</title>", inside, re.S)
    if title is None:
        return box.group(1), "", SafeString(inside)
    return box.group(1), title.group(1), SafeString(inside[title.end() :].strip())


@lru_cache(maxsize=512)
def _icon(name: str, css: str, label: str) -> SafeString:
    box, _title, inside = _inner("icons", name)
    return format_html(
        '<svg class="{}" viewBox="{}" fill="none" stroke="currentColor" stroke-width="1.75" '
        'stroke-linecap="round" stroke-linejoin="round" {}>{}</svg>',
        f"ic {css}".strip(),
        box,
        format_html('role="img" aria-label="{}"', label) if label else SafeString('aria-hidden="true"'),
        inside,
    )


@register.simple_tag
def icon(name: str, css: str = "", label: str = "") -> SafeString:
    """`{% icon "check" %}`, `{% icon "lock" "ic-20" %}`; with `label` it speaks, else it is decoration."""
    return _icon(str(name), css.removeprefix("ic ").strip() if css != "ic" else "", str(label))


@register.simple_tag(name="map")
def body_map(name: str, css: str = "", label: str = "", viewbox: str = "") -> SafeString:
    """A body map inlined without its own style; `.map` rules colour it. `css="plain"` hides the zones."""
    box, title, inside = _inner("maps", str(name))
    return format_html(
        '<svg class="{}" viewBox="{}" role="img" aria-label="{}" data-map="{}">{}</svg>',
        f"map {css}".strip(),
        viewbox or box,
        label or title,
        name,
        inside,
    )


# ---- words with a shape ------------------------------------------------------------------------------------


@register.simple_tag
def status(value: str) -> SafeString:
    """An appointment's state as word and icon."""
    name, css, word = STATUS[str(value)]
    return format_html('<span class="st st--{}">{}{}</span>', css, icon(name), word)


@register.filter
def status_class(value: str) -> str:
    """The calendar's class of a state: `is-arrived`."""
    return f"is-{STATUS[str(value)][1]}"


@register.filter
def status_icon(value: str) -> str:
    """The icon's name of a state."""
    return STATUS[str(value)][0]


@register.filter
def status_word(value: str) -> str:
    """The word of a state."""
    return str(STATUS[str(value)][2])


@register.simple_tag
def grade(value: str) -> SafeString:
    """An evidence chip; its title says what the letter means."""
    letter = str(value or "").strip().strip("[]").upper()[:1]
    if letter not in GRADE:
        return SafeString("")
    return format_html(
        '<span class="grade grade--{}" role="img" title="{}" aria-label="{}">{}</span>',
        letter.lower(), GRADE[letter], _("Evidence %(grade)s") % {"grade": GRADE[letter]}, letter,
    )  # fmt: skip


@register.simple_tag
def grade_legend() -> SafeString:
    """All evidence chips in order, for the head of *Why this plan*."""
    return format_html_join("", "{}", ((grade(letter),) for letter in GRADE))


@register.simple_tag
def level(value: str, count: int | None = None) -> SafeString:
    """The level of a finding as a chip; with `count`, `2 warnings`."""
    name, css, word = LEVEL.get(str(value), LEVEL["info"])
    text = word if count is None else _counted(str(value), count)
    return format_html('<span class="chip chip--{}">{}{}</span>', css, icon(name), text)


def _counted(value: str, count: int) -> str:
    sentences = {
        "block": ngettext("%(count)d block", "%(count)d blocks", count),
        "warn": ngettext("%(count)d warning", "%(count)d warnings", count),
        "not-checked": ngettext("%(count)d not checked", "%(count)d not checked", count),
    }
    return sentences.get(value, ngettext("%(count)d info", "%(count)d info", count)) % {"count": count}


@register.filter
def level_icon(value: str) -> str:
    """The icon's name of a finding's level."""
    return LEVEL.get(str(value), LEVEL["info"])[0]


@register.filter
def level_word(value: str) -> str:
    """The word a finding's line begins with."""
    return str(LEVEL.get(str(value), LEVEL["info"])[2])


@register.filter
def level_class(value: str) -> str:
    """The class suffix of a finding's level."""
    return LEVEL.get(str(value), LEVEL["info"])[1]


# ---- days, times, numbers ----------------------------------------------------------------------------------


@register.filter
def day(value: date | datetime | None) -> str:
    """`Tue 1 Dec`."""
    return formatting.day(value, timezone.localdate())


@register.filter
def day_long(value: date | datetime | None) -> str:
    """`Tuesday 1 December`."""
    return formatting.day_long(value)


@register.filter
def full_date(value: date | datetime | None) -> str:
    """`14 May 1988`."""
    return formatting.full_date(value)


@register.filter
def clock(value: datetime | None) -> str:
    """`10:00` in the active time zone."""
    return formatting.clock(value)


@register.simple_tag
def local_time(
    moment: datetime | None, place: Any, until: datetime | None = None, form: str = "full"
) -> SafeString:
    """A time on the wall clock of where it happens, such as a visit at another location.

    `place` has `zone` and `short_name`; its name follows when its clock differs from the reader's at that moment.
    `form` is `full` (day and time) or `clock`.
    """
    if moment is None:
        return SafeString("")
    zone = place.zone
    # A day is formatted as a date: the formatter would bring a moment back into the reader's zone.
    local = moment.astimezone(zone)
    words = f"{local:%H:%M}" if until is None else _("%(start)s to %(end)s") % {
        "start": f"{local:%H:%M}", "end": f"{until.astimezone(zone):%H:%M}",
    }  # fmt: skip
    if form == "full":
        words = f"{formatting.day(local.date(), timezone.localdate())}, {words}"
    if local.utcoffset() == moment.astimezone(timezone.get_current_timezone()).utcoffset():
        return format_html("{}", words)
    return format_html(
        '{} <span class="zone-x">{}</span>', words, _("%(place)s time") % {"place": place.short_name}
    )


@register.simple_tag
def date_range(start: date, end: date) -> str:
    """`1 to 15 Dec`."""
    return formatting.date_range(formatting.local_day(start), formatting.local_day(end), timezone.localdate())


@register.filter
def age(birth_date: date | None, on: date | None = None) -> str:
    """`38 y`."""
    return formatting.age(birth_date, on or timezone.localdate())


@register.filter
def days(count: int) -> str:
    """`14 days`."""
    return formatting.days(int(count))


@register.filter
def decimal_trim(value: object) -> str:
    """`12.50` as `12.5`."""
    return formatting.decimal_trim(value)


@register.filter
def initials(name: object) -> str:
    """`Lucía Ferrer Vidal` as `LF`."""
    return formatting.initials(str(name))


@register.filter
def roman(number: object) -> str:
    """A phototype as people write it: `4` as `IV`."""
    return {"1": "I", "2": "II", "3": "III", "4": "IV", "5": "V", "6": "VI"}.get(str(number), str(number))


@register.filter
def dose(value: object, unit: str) -> SafeString | str:
    """`3.0 mL` with the unit in the quiet grey; the number keeps the decimals it has. Never breaks."""
    if value is None or value == "":
        return ""
    number = format(value, "f") if isinstance(value, Decimal) else str(value)
    return format_html('<bdi dir="ltr" class="num">{}\u00a0<span class="unit">{}</span></bdi>', number, unit)


@register.simple_tag
def limit_bar(value: object, limit: object) -> SafeString:
    """The bar against a limit: petrol, from 85 % amber, above 100 % red with a tick where the limit is.

    Decoration beside a text that says "x of y unit": the text is never left out.
    """
    number, most = formatting.as_decimal(value), formatting.as_decimal(limit)
    if number is None or most is None or most <= 0:
        share = Decimal(0)
    else:
        share = max(number, Decimal(0)) / most * 100
    css = "over" if share > 100 else "near" if share >= 85 else ""
    tick: SafeString | str = ""
    if share > 100:
        at = f"{100 * 100 / share:.1f}"
        tick = format_html('<line class="cap" x1="{}" x2="{}" y1="0" y2="6"/>', at, at)
    return format_html(
        '<svg class="lim" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="track" width="100" height="6"/><rect class="fill {}" width="{}" height="6"/>{}</svg>',
        css, f"{min(share, Decimal(100)):.1f}", tick,
    )  # fmt: skip


@register.filter
def error_words(field: Any) -> list[str]:
    """The errors of a form's field, each saying what to enter."""
    return forms.errors_of(field)


@register.filter
def phone(number: object) -> SafeString | str:
    """`+34600555001` as `+34 600 55 50 01`, the way the country writes it; never turned round in Arabic."""
    if not number:
        return ""
    return format_html('<bdi dir="ltr" class="nowrap">{}</bdi>', formatting.phone(str(number)))


@register.filter
def language_name(code: object) -> str:
    """`fr` as `French`, in the reader's language."""
    return formatting.language_name(str(code or ""))


# ---- people and permissions --------------------------------------------------------------------------------


@register.simple_tag(takes_context=True)
def person(context: Context, patient: Any) -> SafeString:
    """A patient's name, or initials and age while names are hidden. Takes an object or dict with `full_name`."""
    name = _of(patient, "full_name") or _of(patient, "name") or str(patient)
    if not context.get("hide_names"):
        return format_html('<bdi class="person">{}</bdi>', name)
    born = _of(patient, "birth_date")
    return format_html(
        '<span class="person is-hidden">{}{}</span>',
        formatting.initials(str(name)),
        f", {formatting.age(born, timezone.localdate())}" if born else "",
    )


def _of(thing: Any, name: str) -> Any:
    return thing.get(name) if isinstance(thing, dict) else getattr(thing, name, None)


@register.simple_tag(takes_context=True)
def can(context: Context, permission: str) -> bool:
    """`{% can "PLAN_SIGN" as may_sign %}`: whether the signed-in person may do it."""
    return has_permission(context.get("user"), Permission[permission])


@register.inclusion_tag("ui/empty.html")
def empty(sentence: str, url: str = "", button: str = "") -> dict[str, str]:
    """An empty list: one sentence, and the button that fills it."""
    return {"sentence": sentence, "url": url, "button": button}


@register.simple_tag(takes_context=True)
def query(context: Context, **changes: Any) -> str:
    """The page's query string with some parameters set or, by None, removed: `{% query page=2 %}`."""
    params = context["request"].GET.copy()
    for name, value in changes.items():
        if value is None or value == "":
            params.pop(name, None)
        else:
            params[name] = value
    text = params.urlencode()
    return f"?{text}" if text else "?"
