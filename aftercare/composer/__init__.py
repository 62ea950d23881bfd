"""The aftercare composer: pure, no Django. It picks and merges advice for one very treatment.

Hours count from the end of the session (REFERENCE.md §10); of two that speak of one thing the strictest wins.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from babel.dates import format_date, format_datetime
from babel.numbers import format_decimal

#: From this many hours on a day says enough: "until Thu 31 Dec".
_WHOLE_DAYS_FROM = 168


class AdviceError(Exception):
    """Faults in the advice files, one line each."""


@dataclass(frozen=True, slots=True)
class Advice:
    """The advice with its texts by language."""

    data: Mapping[str, Any]
    texts: Mapping[str, Mapping[str, str]]

    @property
    def languages(self) -> tuple[str, ...]:
        """Languages a sheet can be written in."""
        return tuple(sorted(self.texts))


@dataclass(frozen=True, slots=True)
class Part:
    """What was done in one area. Depth in mm."""

    indication: str
    area: str
    modality: str
    technique: str
    depth_mm: Decimal | None
    agents: frozenset[str]
    #: What was given, in order: agent and mg, or None where it is not dosed by mass.
    doses: tuple[tuple[str, Decimal | None], ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """All that the sheet depends on. Times are aware and in the location's zone."""

    parts: tuple[Part, ...]
    ended_at: datetime
    next_at: datetime | None
    treated_by: str
    patient: str
    birth_date: str
    record_number: str
    phototype: int | None
    clinic: str
    address: str
    phone: str
    after_hours_phone: str
    emergency_number: str
    #: Number of this session and of all in its course; the same of the next visit.
    session: tuple[int, int] | None = None
    next_session: tuple[int, int] | None = None
    next_with: str = ""


def _used_keys(data: Mapping[str, Any]) -> set[str]:
    keys = {f"wait.{row['key']}" for row in data["waits"]}
    keys |= {f"normal.{key}" for row in data["normal"].values() for key in row}
    keys |= {f"do.{row['key']}" for row in data["todo"]}
    return keys | {f"now.{row['key']}" for row in data["now"]}


def load_advice(folder: Path) -> Advice:
    """Read the advice and every language. Raises AdviceError when a text is missing in one of them."""
    data = json.loads((folder / "advice.json").read_text())
    texts = {path.stem: json.loads(path.read_text()) for path in sorted((folder / "texts").glob("*.json"))}
    wanted = _used_keys(data) | set(texts["en"])
    faults = [
        f"{code}.json: {key} is missing"
        for code, words in texts.items()
        for key in sorted(wanted - set(words))
    ]
    if faults:
        raise AdviceError("\n".join(faults))
    return Advice(data, texts)


def column(part: Part, advice: Advice) -> str:
    """The column of the reference's tables that holds for a part."""
    if "deoxycholic-acid" in part.agents:
        return "deoxycholic"
    if part.modality != "microneedling":
        return "injection"
    depth = part.depth_mm if part.depth_mm is not None else Decimal(99)
    return str(next(name for most, name in advice.data["needling"] if depth <= Decimal(most)))


def _fits(row: Mapping[str, Any], part: Part) -> bool:
    return (
        ("areas" not in row or part.area in row["areas"])
        and part.area not in row.get("not_areas", ())
        and ("agents" not in row or bool(set(row["agents"]) & part.agents))
        and ("modalities" not in row or part.modality in row["modalities"])
        and ("indications" not in row or part.indication in row["indications"])
    )


def waits(facts: Facts, advice: Advice) -> dict[str, int]:
    """Hours to wait by topic, the strictest of all parts."""
    found: dict[str, int] = {}
    for part in facts.parts:
        index = advice.data["columns"].index(column(part, advice))
        dark = (facts.phototype or 0) >= 4 or part.indication == "pigment"
        for row in advice.data["waits"]:
            if not _fits(row, part) or (row.get("dark_or_pigment") and not dark):
                continue
            hours = row["hours"][index]
            if part.modality == "needle-free" and "needle_free" in row:
                hours = row["needle_free"]
            if hours is not None:
                found[row["key"]] = max(found.get(row["key"], 0), hours)
    return found


def _normal(part: Part, advice: Advice) -> list[str]:
    name = column(part, advice)
    if name == "injection":
        if part.modality == "needle-free":
            name = "needle-free"
        elif part.area in {"periorbital", "scalp"}:
            name = part.area
        elif part.area in {"thighs", "buttocks", "abdomen", "arms"}:
            name = "body"
    return list(advice.data["normal"][name])


def elapsed(start: datetime, hours: int) -> datetime:
    """The wall clock that many real hours later: right over the change to summer time too."""
    return (start.astimezone(UTC) + timedelta(hours=hours)).astimezone(start.tzinfo)


def _when(day: datetime, language: str, *, whole_day: bool) -> str:
    if whole_day:
        return format_date(day.date(), "EEE d MMM y", locale=language)
    comma = "،" if language == "ar" else ","
    return format_datetime(day, f"EEE d MMM{comma} HH:mm", tzinfo=day.tzinfo, locale=language)


def _picked(rows: list[Mapping[str, Any]], facts: Facts, words: Mapping[str, str], prefix: str) -> list[str]:
    return [words[f"{prefix}.{row['key']}"] for row in rows if any(_fits(row, part) for part in facts.parts)]


def _number(value: Decimal, language: str) -> str:
    """A number as the reader's language writes it: `1.5`, `1,5`; never rounded."""
    return str(format_decimal(value.normalize(), format="#,##0.####", locale=language))


def _done(part: Part, words: Mapping[str, str], language: str) -> str:
    """What was done in one area: how, where, how deep, with which agents and doses."""
    said = [words[f"modality.{part.modality}"], words[f"area.{part.area}"]]
    if part.depth_mm is not None:
        said.append(f"{_number(part.depth_mm, language)}\u00a0mm")
    for agent, dose_mg in part.doses:
        name = words.get(f"agent.{agent}", "")
        if name:
            said.append(name + (f" {_number(dose_mg, language)}\u00a0mg" if dose_mg else ""))
    return words["comma"].join(said)


def compose(facts: Facts, advice: Advice, language: str) -> dict[str, Any]:
    """The sheet as plain data, ready to draw; the same for the page and for the PDF."""
    words = advice.texts[language]
    grouped: dict[datetime, list[str]] = {}
    whole: set[datetime] = set()
    for key, hours in sorted(waits(facts, advice).items(), key=lambda item: item[1]):
        until = elapsed(facts.ended_at, hours)
        grouped.setdefault(until, []).append(words[f"wait.{key}"])
        if hours >= _WHOLE_DAYS_FROM:
            whole.add(until)
    done = [_done(part, words, language) for part in facts.parts]
    rows: dict[str, None] = {}
    phases: list[dict[str, str]] = []
    for number in range(4):
        lines = dict.fromkeys(words[f"normal.{_normal(part, advice)[number]}"] for part in facts.parts)
        phases.append({"label": words[f"phase.{number}"], "text": " ".join(lines)})
    rows |= dict.fromkeys(done)
    following = [
        *(
            [words["session"].format(n=facts.next_session[0], m=facts.next_session[1])]
            if facts.next_session
            else []
        ),
        *([words["with"].format(name=facts.next_with)] if facts.next_with and facts.next_at else []),
    ]
    return {
        "language": language,
        "direction": "rtl" if language == "ar" else "ltr",
        "words": {name: words[name] for name in ("title", "what", "do", "is_normal", "wait", "call_us", "out_of_hours",
                                                  "next", "same_day", "within_days", "page_code", "semicolon")},
        "clinic": facts.clinic, "address": facts.address, "phone": facts.phone,
        "after_hours_phone": facts.after_hours_phone,
        "patient": facts.patient, "birth_date": facts.birth_date, "record_number": facts.record_number,
        "done": list(rows),
        "session": words["session"].format(n=facts.session[0], m=facts.session[1]) if facts.session else "",
        "next_detail": words["comma"].join(following),
        "treated_by": words["treated_by"].format(
            name=facts.treated_by, when=_when(facts.ended_at, language, whole_day=False)
        ),
        "normal": phases,
        "todo": _picked(advice.data["todo"], facts, words, "do"),
        "until": [{"when": _when(day, language, whole_day=day in whole), "what": lines} for day, lines in grouped.items()],
        "call_now": words["call_now"].format(emergency=facts.emergency_number),
        "now": _picked(advice.data["now"], facts, words, "now"),
        "next": _when(facts.next_at, language, whole_day=False) if facts.next_at else words["no_next"],
    }  # fmt: skip
