"""The case library: worked cases that come with the product, each with what it expects of the engine's answer."""

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings

from protocols.engine import Knowledge, parse, parse_follow_up, propose, replan


@dataclass(frozen=True, slots=True)
class WorkedCase:
    """A case file of one patient, or of a course under way, with the answer that it must get."""

    title: str
    under_way: bool
    data: Mapping[str, Any]
    expect: Mapping[str, Any]

    def answer(self, knowledge: Knowledge) -> dict[str, Any]:
        """The engine's answer under this knowledge. Raises CaseFaults where the case does not fit it."""
        if self.under_way:
            state = parse_follow_up(dict(self.data), knowledge)
            return replan(state, knowledge, state.case.today).to_dict()
        case = parse(dict(self.data), knowledge.schema)
        return propose(case, knowledge, case.today).to_dict()


def _set(data: Any, pointer: str, value: Any) -> None:
    *way, last = pointer.strip("/").split("/")
    for step in way:
        data = data[int(step)] if isinstance(data, list) else data[step]
    data[int(last) if isinstance(data, list) else last] = value


def read_cases(folder: Path) -> tuple[WorkedCase, ...]:
    """Every case of a folder with its variants, in order."""
    found = []
    for path in sorted(folder.glob("*.json")):
        whole = json.loads(path.read_text(encoding="utf-8"))
        under_way = "replan" in whole
        data = whole["replan" if under_way else "case"]
        title = f"{path.stem[:2]} {whole.get('title', path.stem)}"
        found.append(WorkedCase(title[:120], under_way, data, whole["expect"]))
        for number, variant in enumerate(whole.get("variants", []), start=1):
            changed = copy.deepcopy(data)
            for pointer, value in variant["set"].items():
                _set(changed, pointer, value)
            found.append(
                WorkedCase(f"{title[:100]}, variant {number}", under_way, changed, variant["expect"])
            )
    return tuple(found)


@cache
def cases() -> tuple[WorkedCase, ...]:
    """The library that comes with the product."""
    return read_cases(settings.KNOWLEDGE_DIR / "cases")
