"""The words of patients' pages, per language; dates as the language writes them."""

import json
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from babel import Locale
from babel.dates import format_date
from django.http import HttpRequest
from django.utils.translation import get_language_from_request

_PATTERNS = {"de": "EEEE, d. MMMM", "es": "EEEE, d 'de' MMMM"}


@cache
def texts() -> dict[str, dict[str, Any]]:
    """All languages."""
    found: dict[str, dict[str, Any]] = json.loads((Path(__file__).parent / "texts.json").read_text("utf-8"))
    return found


def language_of_browser(request: HttpRequest) -> str:
    """For a page that knows no patient: what the browser asks for, English where we have no texts."""
    code = get_language_from_request(request).split("-")[0]
    return code if code in texts() else "en"


def direction(language: str) -> str:
    """`rtl` or `ltr`."""
    return "rtl" if Locale.parse(language).text_direction == "rtl" else "ltr"


def day(value: date, language: str) -> str:
    """`Tuesday 1 December`, as the language writes it."""
    return format_date(value, _PATTERNS.get(language, "EEEE d MMMM"), locale=language)
