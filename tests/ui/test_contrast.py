"""WCAG 2.2 contrast, computed from tokens.css in both themes."""

import re
from pathlib import Path

import pytest

TOKENS = (Path(__file__).resolve().parents[2] / "static" / "tokens.css").read_text(encoding="utf-8")

TEXT, CONTROL = 4.5, 3.0
SURFACES = ["surface", "surface-page", "surface-sunk", "surface-head"]
#: The type of a visit is drawn on the card of each state.
TONES = ("p-600", "info-s", "ok-s", "warn-s", "here-s", "n-500")
CARDS = ("n-0", "warn-bg", "info-bg", "here-bg", "p-100", "n-50")
PAIRS = [
    *[(tone, card, CONTROL) for tone in TONES for card in CARDS],
    *[(text, surface, TEXT) for text in ("text", "text-2", "text-3") for surface in SURFACES],
    *[(f"{kind}-fg", f"{kind}-bg", TEXT) for kind in ("block", "warn", "info", "ok", "here")],
    *[(f"{kind}-fg", "surface", TEXT) for kind in ("block", "warn", "info", "ok", "here")],
    *[(f"{kind}-s", "surface", CONTROL) for kind in ("block", "warn", "info", "ok", "here")],
    *[(f"{kind}-s", f"{kind}-bg", CONTROL) for kind in ("block", "warn", "info", "ok", "here")],
    ("text-2", "warn-bg", TEXT), ("text-2", "block-bg", TEXT), ("text-2", "ok-bg", TEXT),
    ("on-accent", "accent", TEXT), ("on-accent", "accent-hover", TEXT),
    ("p-600", "surface", TEXT), ("p-600", "surface-page", TEXT), ("p-700", "p-50", TEXT), ("p-700", "p-100", TEXT),
    ("nav-fg", "nav-bg", TEXT), ("nav-on", "nav-active", TEXT),
    ("line-control", "surface", CONTROL), ("focus", "surface", CONTROL), ("focus", "surface-page", CONTROL),
    ("p-500", "line-soft", CONTROL),
    ("n-0", "n-900", TEXT),
]  # fmt: skip


def tokens(theme: str) -> dict[str, str]:
    """The values of a theme; dark inherits what it does not change."""
    blocks = dict(
        re.findall(r'(:root, \[data-bs-theme="light"\]|\[data-bs-theme="dark"\]) \{(.*?)\n\}', TOKENS, re.S)
    )
    light, dark = blocks.values()
    found = dict(re.findall(r"--mc-([\w-]+):\s*([^;]+);", light))
    return found | dict(re.findall(r"--mc-([\w-]+):\s*([^;]+);", dark)) if theme == "dark" else found


def colour(name: str, values: dict[str, str]) -> tuple[float, float, float]:
    value = values[name].strip()
    while match := re.fullmatch(r"var\(--mc-([\w-]+)\)", value):
        value = values[match.group(1)].strip()
    assert re.fullmatch(r"#[0-9a-f]{6}", value), f"{name} is {value}"
    red, green, blue = (int(value[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return red, green, blue


def luminance(rgb: tuple[float, float, float]) -> float:
    """Relative luminance (WCAG 2.2, definition)."""
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in rgb)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: tuple[float, float, float], two: tuple[float, float, float]) -> float:
    high, low = sorted((luminance(one), luminance(two)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_black_on_white_is_21() -> None:
    assert contrast((0, 0, 0), (1, 1, 1)) == pytest.approx(21)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("front", "back", "least"), PAIRS)
def test_people_can_read_it(theme: str, front: str, back: str, least: float) -> None:
    values = tokens(theme)
    reached = contrast(colour(front, values), colour(back, values))
    assert reached >= least, f"{theme}: {front} on {back} is {reached:.2f}, needs {least}"
