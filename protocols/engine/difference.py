"""What is different between two answers of the engine, in rows a physician can read. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from protocols.engine.knowledge import Knowledge
from protocols.engine.words import number_words


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that differs: what, where, as it was and as it is."""

    what: str
    where: str
    before: str
    after: str
    rule: str | None = None

    def to_dict(self) -> dict[str, Any]:
        return {
            "what": self.what,
            "where": self.where,
            "before": self.before,
            "after": self.after,
            "rule": self.rule,
        }


def _key(course: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(sorted(course["concerns"]))


def where_words(concern: str, knowledge: Knowledge) -> str:
    """`pigment/face` as `Pigment, face`."""
    indication, area = concern.split("/")
    return f"{indication.capitalize()}, {knowledge.label(area).lower()}"


def _days(course: Mapping[str, Any]) -> str:
    days = course["interval_days"]
    return f"{days['target']} days ({days['min']} to {days['max']})"


def _dose(part: Mapping[str, Any], agent: str) -> str:
    row = next((c for c in part["components"] if c["agent"] == agent), None)
    if row is None:
        return "none"
    return f"{number_words(row['dose_mg'])} mg" if row["dose_mg"] else f"{number_words(row['volume_ml'])} mL"


def _part_rows(
    old: Mapping[str, Any], new: Mapping[str, Any], where: str, knowledge: Knowledge
) -> Iterator[Difference]:
    def say(what: str, before: str, after: str) -> Iterator[Difference]:
        if before != after:
            yield Difference(what, where, before, after)

    yield from say("modality", knowledge.label(old["modality"]), knowledge.label(new["modality"]))
    yield from say("cocktail", old["cocktail"], new["cocktail"])
    depth = [f"{number_words(p['depth_mm'])} mm" if p["depth_mm"] else "none" for p in (old, new)]
    yield from say("depth", *depth)
    yield from say("volume", f"{number_words(old['volume_ml'])} mL", f"{number_words(new['volume_ml'])} mL")
    agents = dict.fromkeys(c["agent"] for p in (old, new) for c in p["components"] if c["agent"] != "saline")
    for agent in agents:
        yield from say(knowledge.label(agent), _dose(old, agent), _dose(new, agent))


def _comfort(session: Mapping[str, Any], knowledge: Knowledge) -> str:
    row = session["anaesthetic"]
    if not row or row["product"] == "none":
        return "none"
    grams = f" {number_words(row['grams'])} g" if row.get("grams") else ""
    return f"{knowledge.label(row['product'])}{grams}"


def _first_parts(course: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {}
    for session in course["sessions"]:
        for part in session["parts"]:
            found.setdefault(part["concern"], part)
    return found


def _course_rows(
    old: Mapping[str, Any], new: Mapping[str, Any], knowledge: Knowledge
) -> Iterator[Difference]:
    where = " + ".join(where_words(concern, knowledge) for concern in new["concerns"])
    total = [c.get("sessions_total", len(c["sessions"])) for c in (old, new)]
    if total[0] != total[1]:
        yield Difference("sessions", where, str(total[0]), str(total[1]))
    if _days(old) != _days(new):
        yield Difference("interval", where, _days(old), _days(new))
    if old["start_earliest"] != new["start_earliest"]:
        yield Difference("earliest start", where, old["start_earliest"], new["start_earliest"])
    if not old["sessions"] or not new["sessions"]:
        return
    before, after = _first_parts(old), _first_parts(new)
    for concern in dict.fromkeys([*before, *after]):
        place = where_words(concern, knowledge)
        if concern in before and concern in after:
            yield from _part_rows(before[concern], after[concern], place, knowledge)
        elif concern in after:
            yield Difference("treated", place, "no", "yes")
        else:
            yield Difference("treated", place, "yes", "no")
    first, second = old["sessions"][0], new["sessions"][0]
    if _comfort(first, knowledge) != _comfort(second, knowledge):
        yield Difference("comfort", where, _comfort(first, knowledge), _comfort(second, knowledge))
    if first["downtime_hours"] != second["downtime_hours"]:
        yield Difference("downtime", where, f"{first['downtime_hours']} h", f"{second['downtime_hours']} h")


def _finding_rows(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    def told(answer: Mapping[str, Any]) -> dict[tuple[str, str], str]:
        return {(f["rule"], f["scope"]): f"{f['level']}: {f['message']}" for f in answer["findings"]}

    before, after = told(old), told(new)
    for key in dict.fromkeys([*before, *after]):
        if before.get(key) != after.get(key):
            yield Difference("finding", key[1], before.get(key, "none"), after.get(key, "none"), key[0])


def difference(old: Mapping[str, Any], new: Mapping[str, Any], knowledge: Knowledge) -> list[Difference]:
    """Every difference between two answers (`Proposal.to_dict()`): status, courses, parts, doses, findings."""
    rows: list[Difference] = []
    if old["status"] != new["status"] or old["defer_until"] != new["defer_until"]:
        words = [
            answer["status"] + (f" until {answer['defer_until']}" if answer["defer_until"] else "")
            for answer in (old, new)
        ]
        rows.append(Difference("status", "plan", *words))
    before = {_key(course): course for course in old["courses"]}
    after = {_key(course): course for course in new["courses"]}
    for key in dict.fromkeys([*before, *after]):
        if key in before and key in after:
            rows += _course_rows(before[key], after[key], knowledge)
        else:
            where = " + ".join(where_words(concern, knowledge) for concern in key)
            rows.append(
                Difference("course", where, *(("planned", "none") if key in before else ("none", "planned")))
            )
    rows += _finding_rows(old, new)
    return rows
