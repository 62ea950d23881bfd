"""A course under way: the signed plan, what was really done and when, scores and adverse events."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from protocols.engine.case import Case, CaseFaults, build_case, schema_faults, semantic_faults
from protocols.engine.knowledge import Knowledge


@dataclass(frozen=True, slots=True)
class SignedPart:
    """One part of a session as it was signed. Depth in mm, volume in mL; None: as the protocol has it."""

    concern: str
    modality: str
    cocktail: str
    depth_mm: Decimal | None
    volume_ml: Decimal | None
    agents: frozenset[str] | None = None  # None: those of the cocktail


@dataclass(frozen=True, slots=True)
class SignedCourse:
    """A course as signed: its interval (min, target, max) in days and the parts of each session by number."""

    concerns: tuple[str, ...]
    interval: tuple[int, int, int]
    sessions: tuple[tuple[int, tuple[SignedPart, ...]], ...]

    @property
    def total(self) -> int:
        """The number of the last planned session."""
        return max(number for number, _parts in self.sessions)


@dataclass(frozen=True, slots=True)
class Done:
    """A session really done. `parts` only where it differed from the plan."""

    course: int
    number: int
    day: date
    parts: tuple[SignedPart, ...]


@dataclass(frozen=True, slots=True)
class Review:
    """A score, the global improvement (GAIS) and what both sides say, on a day."""

    concern: str
    day: date
    after_session: int | None
    scale: str | None
    items: Mapping[str, int]
    gais: int | None
    goal_met: bool
    wants_more: bool


@dataclass(frozen=True, slots=True)
class AdverseEvent:
    """An adverse event in this plan, graded after CTCAE."""

    event: str
    grade: int
    onset: date
    course: int | None
    area: str | None
    agent: str | None
    resolved_on: date | None  # None: still open, or nobody has said since when it is over


@dataclass(frozen=True, slots=True)
class FollowUp:
    """Everything `replan` may look at. The case holds today's facts; its concerns carry the baseline score."""

    case: Case
    signed_on: date | None
    courses: tuple[SignedCourse, ...]
    done: tuple[Done, ...]
    missed: int
    reviews: tuple[Review, ...]
    events: tuple[AdverseEvent, ...]

    def done_in(self, course: int) -> tuple[Done, ...]:
        """The sessions done of a course, in order of their days."""
        return tuple(sorted((d for d in self.done if d.course == course), key=lambda d: (d.day, d.number)))


def _decimal(value: object) -> Decimal | None:
    return None if value is None else Decimal(str(value))


def _part(row: Mapping[str, Any]) -> SignedPart:
    return SignedPart(
        row["concern"], row["modality"], row["cocktail"], _decimal(row.get("depth_mm")),
        _decimal(row.get("volume_ml")), frozenset(row["agents"]) if "agents" in row else None,
    )  # fmt: skip


def _faults(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What no schema can say: numbers that name nothing, days out of order."""
    faults: list[tuple[str, str]] = []
    courses = data["plan"]["courses"]
    known = {f"{row['indication']}/{row['area']}" for row in data["concerns"]}
    for index, course in enumerate(courses):
        days = course["interval_days"]
        if not days["min"] <= days["target"] <= days["max"]:
            faults.append((f"$.plan.courses[{index}].interval_days", "min, target and max are out of order"))
        numbers = [row["number"] for row in course["sessions"]]
        if len(set(numbers)) != len(numbers):
            faults.append((f"$.plan.courses[{index}].sessions", "a session number stands twice"))
        for concern in course["concerns"]:
            if concern not in known:
                faults.append(
                    (f"$.plan.courses[{index}].concerns", f"{concern} is not among the concerns of the case")
                )
        for place, session in enumerate(course["sessions"]):
            for part in session["parts"]:
                if part["concern"] not in course["concerns"]:
                    faults.append(
                        (
                            f"$.plan.courses[{index}].sessions[{place}].parts",
                            f"{part['concern']} is not a concern of the course",
                        )
                    )
    seen: set[tuple[int, int]] = set()
    for name in ("done", "missed"):
        for index, row in enumerate(data.get(name, ())):
            course = row.get("course", 0)
            if course >= len(courses):
                faults.append((f"$.{name}[{index}].course", f"the plan has no course {course}"))
                continue
            if row["number"] not in {session["number"] for session in courses[course]["sessions"]}:
                faults.append((f"$.{name}[{index}].number", f"the course has no session {row['number']}"))
            if name == "done":
                if (course, row["number"]) in seen:
                    faults.append((f"$.done[{index}].number", f"session {row['number']} is done twice"))
                seen.add((course, row["number"]))
    for course in range(len(courses)):
        rows = [r for r in data["done"] if r.get("course", 0) == course]
        days = [r["date"] for r in sorted(rows, key=lambda r: r["number"])]
        if days != sorted(days):
            faults.append(("$.done", "a later session stands before an earlier one"))
    for name in ("scores", "adverse_events"):
        for index, row in enumerate(data.get(name, ())):
            if name == "scores" and row["concern"] not in known:
                faults.append((f"$.scores[{index}].concern", f"{row['concern']} is not among the concerns"))
            if row.get("course", 0) >= len(courses):
                faults.append((f"$.{name}[{index}].course", f"the plan has no course {row['course']}"))
            if row.get("resolved_on") and row["resolved_on"] < row["onset"]:
                faults.append((f"$.{name}[{index}].resolved_on", "is before the onset"))
    return faults


def _case_data(data: Mapping[str, Any], knowledge: Knowledge) -> dict[str, Any]:
    """Today's case: adverse events are reactions for the rules, some are conditions; our own sessions are left out."""
    patient = dict(data["patient"])
    own_days = {row["date"] for row in data["done"]}
    # Our own sessions stand among the procedures too: for those the interval of the course counts.
    table = knowledge.tables["procedure_days"]
    ours = {*table["elsewhere"], *table["by_agent"]}
    if "given" in patient:
        patient["given"] = [row for row in patient["given"] if row["date"] not in own_days]
    if "procedures" in patient:
        patient["procedures"] = [
            row
            for row in patient["procedures"]
            if not (row["code"] in ours and row.get("date") in own_days and row.get("count", 1) == 1)
        ]
    for row in data.get("adverse_events", ()):
        reaction = {"event": row["event"], "grade": row["grade"], "date": row["onset"]}
        reaction |= {name: row[name] for name in ("agent", "area") if name in row}
        known = patient.get("reactions", [])
        patient["reactions"] = known if reaction in known else [*known, reaction]
        for effect in knowledge.adverse_events[row["event"]]["effects"]:
            if effect["do"] == "condition":
                condition = {"code": effect["code"], "status": "past", "date": row["onset"]}
                if row.get("agent"):
                    condition["detail"] = row["agent"]
                patient["conditions"] = [*patient.get("conditions", []), condition]
    return {
        "today": data["today"],
        "patient": patient,
        "concerns": data["concerns"],
        "preferences": data.get("preferences", {}),
        "additions": data.get("additions", []),
    }


def parse_follow_up(data: object, knowledge: Knowledge) -> FollowUp:
    """Validate the input of a replan by its schema and beyond it. Raises CaseFaults with every fault and its path."""
    faults = schema_faults(data, knowledge.replan_schema, knowledge.schema)
    if faults:
        raise CaseFaults(faults)
    assert isinstance(data, dict)
    faults = semantic_faults(data) + _faults(data)
    if faults:
        raise CaseFaults(faults)
    return FollowUp(
        case=build_case(_case_data(data, knowledge)),
        signed_on=date.fromisoformat(data["plan"]["signed_on"]) if data["plan"].get("signed_on") else None,
        courses=tuple(
            SignedCourse(
                tuple(course["concerns"]),
                (course["interval_days"]["min"], course["interval_days"]["target"], course["interval_days"]["max"]),
                tuple(
                    (row["number"], tuple(_part(part) for part in row["parts"]))
                    for row in sorted(course["sessions"], key=lambda row: row["number"])
                ),
            )
            for course in data["plan"]["courses"]
        ),
        done=tuple(
            Done(
                row.get("course", 0), row["number"], date.fromisoformat(row["date"]),
                tuple(_part(part) for part in row.get("parts", ())),
            )
            for row in data["done"]
        ),
        missed=len(data.get("missed", ())),
        reviews=tuple(
            Review(
                row["concern"], date.fromisoformat(row["date"]), row.get("after_session"), row.get("scale"),
                row.get("items", {}), row.get("gais"), row.get("goal_met", False), row.get("wants_more", False),
            )
            for row in data.get("scores", ())
        ),
        events=tuple(
            AdverseEvent(
                row["event"], row["grade"], date.fromisoformat(row["onset"]), row.get("course"), row.get("area"),
                row.get("agent"),
                date.fromisoformat(row["resolved_on"]) if row.get("resolved_on") else None,
            )
            for row in data.get("adverse_events", ())
        ),
    )  # fmt: skip
