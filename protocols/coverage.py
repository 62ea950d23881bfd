"""Where each numbered thing of the clinical reference lives in the knowledge, and which test proves it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from protocols.engine import Knowledge

#: Sections of the reference that are tables: title, where they live, the test that proves them.
SECTIONS: tuple[tuple[str, str, str, str], ...] = (
    ("§1", "Responder percent", "engine/verdicts.py response_percent", "tests/engine/test_replan_laws.py, tests/engine/test_cases.py[31]"),
    ("§2.0", "Sessions by severity", "tables.json sessions_by_band, sessions_range", "tests/engine/test_cases.py, test_laws.py::test_a_course_outside_the_usual_numbers_says_why"),
    ("§2.0", "Modality order and intervals", "indications.json modality_order, interval_days", "tests/engine/test_cases.py"),
    ("§2.1", "Response rule", "tables.json response; indications.json response", "tests/engine/test_replan_decisions.py"),
    ("§3 (b)", "Sum over all areas of the day", "engine/candidates.py agent_limits, engine/courses.py", "tests/engine/test_laws.py::test_every_valid_case_gets_one_safe_answer"),
    ("§3", "Never in the catalogue (R59)", "rules.json R59; vocabulary.json agents", "tests/engine/test_rules.py[R59]"),
    ("§4.2", "Mixing rules", "tables.json mixing, actives_max", "tests/engine/test_rules.py::test_the_mixing_rule_refuses_what_its_example_mixes"),
    ("§5.2", "Technique and depth by indication", "indications.json technique", "tests/engine/test_cases.py"),
    ("§5.3", "Areas, caps and volumes", "areas.json", "tests/engine/test_laws.py, tests/engine/test_recheck.py"),
    ("§5.4", "Needling depth and downtime", "indications.json needling_depth_mm; tables.json needling_downtime", "tests/engine/test_cases.py[02, 12, 27]"),
    ("§5.5", "Needle-free jet", "tables.json jet; areas.json jet_allowed; agents.json ceiling_mg_per_ml_by_modality", "tests/engine/test_cases.py[15, 23], test_rules.py"),
    ("§7.1", "Anaesthetic limits", "tables.json lidocaine, creams, cream_low_weight, dc_wheals", "tests/engine/test_laws.py, test_recheck.py"),
    ("§7.2", "Additive rule E", "engine/anaesthesia.py; tables.json lidocaine", "tests/engine/test_cases.py[07, 17], test_anaesthesia.py"),
    ("§7.3", "Choice by pain", "tables.json pain, offers", "tests/engine/test_cases.py"),
    ("§8.1", "Interval by modality and agent", "tables.json needling_interval; agents.json own_interval, min_days", "tests/engine/test_cases.py, test_laws.py"),
    ("§8.2", "Early, late, missed", "tables.json lateness", "tests/engine/test_cases.py[29, 30], test_replan_decisions.py"),
    ("§8.3", "Recovery between our own modalities", "tables.json recovery_days", "tests/engine/test_replan_laws.py, tests/sessions/test_booking.py"),
    ("§8.4", "Other procedures before our session", "vocabulary.json procedures; tables.json procedure_days", "tests/engine/test_rules.py[R54], test_cases.py[18]"),
    ("§8.5", "Several concerns, M1 to M8", "engine/courses.py; tables.json shared_cocktails, priority, pigment_first", "tests/engine/test_cases.py[19, 20], test_courses.py"),
    ("§10", "Aftercare", "aftercare/advice", "tests/aftercare/test_composer.py"),
    ("§12.0", "Order of derivation", "engine/proposing.py, engine/choosing.py", "tests/engine/test_cases.py"),
)  # fmt: skip


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _table(title: str, heads: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> Iterator[str]:
    yield f"\n## {title}\n"
    yield _row(*heads)
    yield "|" + "---|" * len(heads)
    for row in rows:
        yield _row(*row)


def _rules(knowledge: Knowledge) -> Iterator[tuple[str, ...]]:
    for rule in knowledge.vocabulary["rules"]:
        row = knowledge.rules[rule["id"]]
        how = f"mechanism: {row['mechanism']}" if row.get("mechanism") else f"{len(row['clauses'])} clauses"
        yield (
            rule["id"],
            rule["title"],
            f"rules.json {rule['id']}, {how}",
            row["grade"],
            f"test_rules.py[{rule['id']}-fires, -near-miss]",
        )


def _agents(knowledge: Knowledge) -> Iterator[tuple[str, ...]]:
    for agent in knowledge.vocabulary["agents"]:
        row = knowledge.agents[agent["code"]]
        limits = [
            f"{row[name]} {unit}"
            for name, unit in (
                ("max_mg_per_session", "mg a session"), ("max_mg_per_kg", "mg/kg"), ("max_ml_per_session", "mL a session")
            )
            if row[name] is not None
        ]  # fmt: skip
        state = ", ".join(limits) if row["offered"] else "off by default"
        yield (
            agent["code"],
            agent["label"],
            f"agents.json {agent['code']}: {state or 'no limit of its own'}",
            row["grade"],
            "test_laws.py (limits, allergies)",
        )


def _cocktails(knowledge: Knowledge, used: dict[str, list[str]]) -> Iterator[tuple[str, ...]]:
    for cocktail in knowledge.vocabulary["cocktails"]:
        row = knowledge.cocktails[cocktail["code"]]
        cases = ", ".join(used.get(cocktail["code"], [])) or "laws and load checks"
        yield (
            cocktail["code"],
            cocktail["label"],
            f"cocktails.json {cocktail['code']}",
            row["grade"],
            f"test_cases.py: {cases}",
        )


def _cases(folder: Path) -> Iterator[tuple[str, ...]]:
    for path in sorted(folder.glob("*.json")):
        data = json.loads(path.read_text())
        kind = "propose" if "case" in data else "replan"
        yield data["id"], data["title"], f"tests/cases/{path.name}", kind, f"test_cases.py[{path.stem}]"


def cocktails_in_cases(folder: Path) -> dict[str, list[str]]:
    """Cocktail to the worked cases that name it."""
    found: dict[str, list[str]] = {}
    for path in sorted(folder.glob("*.json")):
        text = path.read_text()
        data: dict[str, Any] = json.loads(text)
        expected = json.dumps([data["expect"], *(v["expect"] for v in data.get("variants", []))])
        for code in sorted({part.split('"')[0] for part in expected.split('"CK-')[1:]}):
            found.setdefault(f"CK-{code}", []).append(data["id"])
    return found


def coverage(knowledge: Knowledge, cases: Path) -> str:
    """The whole table as Markdown. Raises KeyError when the reference has a code that the knowledge lacks."""
    used = cocktails_in_cases(cases)
    lines = [
        "# Where the clinical reference lives",
        "",
        "Made by `bin/manage clinical_coverage --write`; a test holds it in step. Tests are in `tests/engine` unless named.",
        f"Knowledge {knowledge.version}.",
    ]
    lines += _table("Sections", ("section", "what", "lives in", "proved by"), iter(SECTIONS))
    lines += _table("Rules (§6)", ("id", "rule", "lives in", "grade", "proved by"), _rules(knowledge))
    lines += _table("Agents (§3)", ("code", "agent", "lives in", "grade", "proved by"), _agents(knowledge))
    lines += _table(
        "Cocktails (§4.1)",
        ("code", "cocktail", "lives in", "grade", "proved by"),
        _cocktails(knowledge, used),
    )
    lines += _table(
        "Protocols (§2)", ("code", "status", "lives in", "grade", "proved by"),
        ((code, row["status_note"], f"indications.json {code}", row["grade"], "test_cases.py") for code, row in knowledge.indications.items()),
    )  # fmt: skip
    lines += _table(
        "Scales (§2)", ("code", "scale", "lives in", "grade", "proved by"),
        ((code, row["label"], f"scales.json {code}", row["grade"], "test_cases.py, tests/protocols/test_plan.py") for code, row in knowledge.scales.items()),
    )  # fmt: skip
    lines += _table(
        "Areas (§5.3)", ("code", "area", "lives in", "grade", "proved by"),
        ((code, knowledge.label(code), f"areas.json {code}", row["grade"], "test_laws.py") for code, row in knowledge.areas.items()),
    )  # fmt: skip
    lines += _table(
        "Adverse events (§9)", ("code", "plan", "lives in", "grade", "proved by"),
        ((code, row["plan"], f"adverse_events.json {code}", row["grade"], f"test_replan_decisions.py[{code}]") for code, row in knowledge.adverse_events.items()),
    )  # fmt: skip
    lines += _table("Worked cases (§12)", ("case", "title", "file", "command", "proved by"), _cases(cases))
    return "\n".join(lines) + "\n"
