"""The case library: worked cases that come with the product, to see what a draft would change."""

import json
from functools import cache
from typing import Any

from django.conf import settings


@cache
def cases() -> tuple[tuple[str, dict[str, Any]], ...]:
    """(title, case file) of each worked case that asks for a proposal, in order."""
    found = []
    for path in sorted((settings.KNOWLEDGE_DIR / "cases").glob("*.json")):
        data = json.loads(path.read_text(encoding="utf-8"))
        if "case" in data:
            found.append((f"{path.stem[:2]} {data.get('title', path.stem)}"[:120], data["case"]))
    return tuple(found)
