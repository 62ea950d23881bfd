"""Every answer of a fixed set of cases, kept in `recorded.txt`: no answer changes unnoticed.

A line is a case: what was decided in short, for the eye, and a check sum of the whole answer with its words. When
answers are meant to change, `.venv/bin/python -m tests.engine.recorded` writes the file anew; its difference in the
version control shows which cases changed, and how.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from itertools import combinations, product
from pathlib import Path
from typing import Any

from protocols.engine import load, parse, parse_follow_up, propose, replan
from protocols.engine.examples import TODAY, example_case, examples
from tests.engine.facts import doses, facts, persons
from tests.engine.test_replan_laws import signed

FILE = Path(__file__).with_suffix(".txt")
CASES = Path(__file__).parent.parent / "cases"
KNOWN = load(Path(__file__).parents[2] / "protocols" / "knowledge")

_MASI = {"area": (3, 3, 2, 1), "darkness": (3, 3, 2, 2)}
_REGIONS = ("left_malar", "right_malar", "forehead", "chin")

#: A concern of each indication, by its scale where that is short, in areas that neighbour each other or don't.
CONCERNS: dict[str, dict[str, Any]] = {
    "rej-face": {"indication": "rejuvenation", "area": "face", "scale": "glogau", "items": {"grade": 2}},
    "rej-neck": {"indication": "rejuvenation", "area": "neck", "grade": 2},
    "rej-hands": {"indication": "rejuvenation", "area": "hands", "grade": 2},
    "rej-eyes": {"indication": "rejuvenation", "area": "periorbital", "grade": 1},
    "bri-face": {"indication": "brightening", "area": "face", "grade": 2},
    "wri-face": {"indication": "wrinkles", "area": "face", "grade": 2},
    "wri-eyes": {"indication": "wrinkles", "area": "periorbital", "grade": 2},
    "wri-chest": {"indication": "wrinkles", "area": "decolletage", "grade": 3},
    "pig-face": {
        "indication": "pigment", "area": "face", "scale": "mmasi", "lesion_cm2": 80,
        "items": {f"{region}_{kind}": n for kind, row in _MASI.items() for region, n in zip(_REGIONS, row, strict=True)},
    },
    "por-face": {"indication": "pores", "area": "face", "grade": 2},
    "alo-scalp": {"indication": "alopecia", "area": "scalp", "grade": 2, "hair_pattern": "patterned"},
    "cel-thighs": {"indication": "cellulite", "area": "thighs", "grade": 2},
    "cel-buttocks": {"indication": "cellulite", "area": "buttocks", "grade": 3},
    "fat-chin": {"indication": "fat", "area": "submental", "scale": "cr-smfrs", "items": {"grade": 2}, "smslg_grade": 2, "field_cm2": 24},
    "fat-belly": {"indication": "fat", "area": "abdomen", "scale": "pinch", "items": {"mm": 35}},
}  # fmt: skip

#: Patients who change doses, agents, anaesthetics and waiting times.
PATIENTS: dict[str, dict[str, Any]] = {
    "plain": {"bmi": 24},
    "dark": {"bmi": 24, "phototype": 5},
    "light-weight": {"bmi": 18, "weight_kg": 44},
    "lidocaine": {"allergies": [{"substance": "lidocaine"}]},
    "caine-yesterday": {
        "bmi": 24,
        "given": [{"agent": "lidocaine", "date": TODAY, "volume_ml": 10}],
    },
    "unknown": {"weight_kg": None, "phototype": None, "bmi": None, "labs": None},
    "peeled": {"bmi": 24, "procedures": [{"code": "peel-superficial", "date": "2026-11-25"}]},
}  # fmt: skip

WISHES: dict[str, dict[str, Any]] = {
    "any": {"modality": "any"},
    "syringe": {"modality": "syringe"},
    "needling": {"modality": "microneedling"},
    "jet-afraid": {"modality": "needle-free", "needle_fear": True},
    "short": {"modality": "any", "max_downtime_days": 1, "pain": 8},
}

#: What changes the anaesthetic: wishes and facts, for every concern by its own modality.
COMFORT: dict[str, dict[str, Any]] = {
    "declined": {"preferences": {"modality": "any", "anaesthetic": "decline"}},
    "pain 0": {"preferences": {"modality": "any", "pain": 0}},
    "pain 10": {"preferences": {"modality": "any", "pain": 10}},
    "pain 10 needling": {"preferences": {"modality": "microneedling", "pain": 10}},
    "pain 10, amiodarone": {
        "patient": {"medications": [{"code": "antiarrhythmic-3", "current": True}]},
        "preferences": {"modality": "any", "pain": 10},
    },
    "pain 10, g6pd": {
        "patient": {"conditions": [{"code": "g6pd"}]}, "preferences": {"modality": "any", "pain": 10},
    },
    "pain 10, 40 kg": {"patient": {"weight_kg": 40}, "preferences": {"modality": "any", "pain": 10}},
    "pain 10, lidocaine today": {
        "patient": {"given": [{"agent": "lidocaine", "date": TODAY, "volume_ml": 12}]},
        "preferences": {"modality": "any", "pain": 10},
    },
}  # fmt: skip


def _singles() -> Iterator[tuple[str, dict[str, Any]]]:
    for (name, concern), (who, patient), (wish, preferences) in product(
        CONCERNS.items(), PATIENTS.items(), WISHES.items()
    ):
        yield (
            f"{name} {who} {wish}",
            example_case({"concerns": [concern], "patient": patient, "preferences": preferences}),
        )


def _comforts() -> Iterator[tuple[str, dict[str, Any]]]:
    for (name, concern), (what, change) in product(CONCERNS.items(), COMFORT.items()):
        patient = {"bmi": 24, **change.get("patient", {})}
        yield f"{name} {what}", example_case({"concerns": [concern], **change, "patient": patient})


def _pairs() -> Iterator[tuple[str, dict[str, Any]]]:
    for (one, first), (two, second) in combinations(CONCERNS.items(), 2):
        if (first["indication"], first["area"]) == (second["indication"], second["area"]):
            continue
        for who in ("plain", "dark", "light-weight"):
            for wish in ("any", "syringe"):
                yield f"{one} + {two} {who} {wish}", example_case({
                    "concerns": [first, second], "patient": PATIENTS[who], "preferences": WISHES[wish],
                })  # fmt: skip


def _grades() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every severity in every area that has a cocktail for the indication."""
    pairs = sorted({
        (indication, area) for row in KNOWN.cocktails.values()
        for indication in row["indications"] for area in row["areas"]
    })  # fmt: skip
    for (indication, area), grade in product(pairs, (1, 2, 3)):
        concern = {"indication": indication, "area": area, "grade": grade, "lesion_cm2": 60, "field_cm2": 30,
                   "hair_pattern": "patterned" if indication == "alopecia" else None}  # fmt: skip
        concern = {key: value for key, value in concern.items() if value is not None}
        yield f"{indication}/{area} {grade}", example_case({"concerns": [concern], "patient": {"bmi": 24}})


def proposed() -> dict[str, list[tuple[str, dict[str, Any]]]]:
    """The cases that are proposed for, in groups."""
    groups: dict[str, list[tuple[str, dict[str, Any]]]] = {
        "single": list(_singles()), "pair": list(_pairs()), "grade": list(_grades()),
        "comfort": list(_comforts()), "rule": [], "worked": [],
        "fact": [(what, example_case({"patient": patient})) for what, patient in facts(KNOWN).items()],
        "person": [(what, example_case({"patient": patient})) for what, patient in persons().items()],
        "dose": [
            (f"{name} {what}", example_case({"concerns": [CONCERNS[name]], "patient": patient, "preferences": {"pain": 8}}))
            for name, what, patient in doses()
        ],
    }  # fmt: skip
    for number, (rule, fires, example) in enumerate(examples(KNOWN.rules)):
        if "mix" not in example and example.get("at") != "session":
            groups["rule"].append(
                (f"{rule} {'fires' if fires else 'near miss'} {number}", example_case(example))
            )
    for path in sorted(CASES.glob("*.json")):
        data = json.loads(path.read_text())
        if "case" in data:
            groups["worked"].append((path.stem, data["case"]))
    return groups


def _day(ago: int) -> str:
    return (date.fromisoformat(TODAY) - timedelta(days=ago)).isoformat()


def _scaled(name: str, factor: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda part: part | ({name: str(Decimal(part[name]) * Decimal(factor))} if part.get(name) else {})


#: Plans that a physician signed otherwise than proposed.
EDITS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "half the volume": _scaled("volume_ml", "0.5"),
    "a tenth more": _scaled("volume_ml", "1.1"),
    "twice the volume": _scaled("volume_ml", "2"),
    "half as deep": _scaled("depth_mm", "0.5"),
    "twice as deep": _scaled("depth_mm", "2"),
    "no volume told": lambda part: {key: value for key, value in part.items() if key != "volume_ml"},
}


def under_way() -> dict[str, list[tuple[str, dict[str, Any]]]]:
    """Courses of each kind at each point, with what can happen to them."""
    lives: dict[str, dict[str, Any]] = {"quiet": {}}
    for event in sorted(KNOWN.adverse_events):
        for grade in (1, 3):
            lives[f"{event} {grade}"] = {
                "adverse_events": [{"event": event, "grade": grade, "onset": _day(3)}]
            }
    lives["pregnant"] = {"patient": {"pregnancy": "pregnant"}}
    lives["allergy"] = {
        "patient": {"allergies": [{"substance": "lidocaine"}, {"substance": "hyaluronic-acid"}]}
    }
    lives["needling"] = {"preferences": {"modality": "microneedling"}}
    lives["afraid"] = {"preferences": {"modality": "needle-free", "needle_fear": True}}
    groups: dict[str, list[tuple[str, dict[str, Any]]]] = {
        "course": [], "review": [], "late": [], "edited": [],
    }  # fmt: skip
    asked = [("rej-face",), ("pig-face",), ("alo-scalp",), ("cel-thighs",), ("wri-face",), ("fat-chin",),
             ("por-face", "alo-scalp"), ("rej-face", "rej-neck"), ("fat-chin", "rej-neck"), ("pig-face", "wri-face"),
             ("bri-face", "por-face"), ("rej-face", "bri-face"), ("alo-scalp", "por-face"), ("rej-eyes", "wri-eyes")]  # fmt: skip
    for names in asked:
        begun = _begun([CONCERNS[name] for name in names], needling=names == ("wri-face",))
        if begun is None:
            continue
        life, total, days = begun
        title = " + ".join(names)
        for what, edit in EDITS.items():
            for done, gap in ((1, days), (total - 1, 50)):
                data = life(done, gap)
                for course in data["plan"]["courses"]:
                    for session in course["sessions"]:
                        session["parts"] = [edit(dict(part)) for part in session["parts"]]
                groups["edited"].append((f"{title}: {what}, {done} done", data))
        for what, change in lives.items():
            data = life(min(2, total), days)
            for key in ("patient", "preferences"):
                data[key] = {**data[key], **change.get(key, {})}
            data["adverse_events"] = change.get("adverse_events", [])
            groups["course"].append((f"{title}: {what}", data))
        for done, gap in product(range(total + 1), (1, days, 30, 50, 120)):
            groups["late"].append((f"{title}: {done} done, {gap} days ago", life(done, gap)))
        concern = "/".join((CONCERNS[names[0]]["indication"], CONCERNS[names[0]]["area"]))
        says: tuple[dict[str, Any], ...] = (
            {"gais": -1}, {"gais": 0}, {"gais": 3}, {"goal_met": True}, {"wants_more": True}, {"goal_met": False},
        )  # fmt: skip
        for done, word in product(range(1, total + 1), says):
            data = life(done, days) | {"scores": [{"concern": concern, "date": TODAY, **word}]}
            groups["review"].append((f"{title}: {done} done, {json.dumps(word)}", data))
    groups["response"] = list(_responses())
    return groups


def _begun(
    concerns: list[dict[str, Any]], *, needling: bool = False
) -> tuple[Callable[[int, int], dict[str, Any]], int, int] | None:
    """The course proposed for these, as signed and so far done: by sessions done and days since the last."""
    case = example_case({
        "concerns": concerns, "patient": {"bmi": 24}, "preferences": WISHES["needling" if needling else "any"],
    })  # fmt: skip
    answer = propose(parse(case, KNOWN.schema), KNOWN, date.fromisoformat(TODAY)).to_dict()
    if answer["status"] != "proposed":
        return None
    total, days = len(answer["courses"][0]["sessions"]), answer["courses"][0]["interval_days"]["target"]

    def life(done: int, gap: int) -> dict[str, Any]:
        return case | {
            "plan": signed(answer, date.fromisoformat(_day(gap + days * done + 1))),
            "done": [{"number": n, "date": _day(gap + days * (done - n))} for n in range(1, done + 1)],
            "missed": [], "scores": [], "adverse_events": [],
        }  # fmt: skip

    return life, total, days


#: Concerns with the score that they are judged by.
SCORED: dict[str, dict[str, Any]] = {
    "glogau": CONCERNS["rej-face"],
    "mmasi": CONCERNS["pig-face"],
    "fitzpatrick-wrinkle": {"indication": "wrinkles", "area": "face", "scale": "fitzpatrick-wrinkle", "items": {"score": 5}},
    "pore": {"indication": "pores", "area": "face", "scale": "pore", "items": {"score": 3}},
    "sinclair": {"indication": "alopecia", "area": "scalp", "scale": "sinclair", "items": {"grade": 3}, "hair_pattern": "patterned"},
    "css": {"indication": "cellulite", "area": "thighs", "scale": "css",
            "items": dict.fromkeys(("depressions", "depth", "raised", "laxity", "nuernberger_mueller"), 2)},
    "cr-smfrs": CONCERNS["fat-chin"],
}  # fmt: skip


def _responses() -> Iterator[tuple[str, dict[str, Any]]]:
    """What today's score means, from no change to all gone, alone and beside another concern."""
    for (scale, concern), other in product(SCORED.items(), (None, CONCERNS["rej-hands"])):
        begun = _begun(
            [concern, other] if other else [concern], needling=scale in {"fitzpatrick-wrinkle", "pore"}
        )
        if begun is None:
            continue
        life, total, days = begun
        least = {row["code"]: row["min"] for row in KNOWN.scales[scale]["items"]}
        code = f"{concern['indication']}/{concern['area']}"
        for done, lower, gap, more in product((2, 3, total - 1, total), (0, 1, 9), (days, 85), (False, True)):
            items = {name: max(least[name], value - lower) for name, value in concern["items"].items()}
            review = {"concern": code, "date": TODAY, "scale": scale, "items": items, "wants_more": more}
            yield (
                f"{scale}{' and hands' if other else ''}: {done} done, {lower} lower, {gap} days ago, {more}",
                life(done, gap) | {"scores": [review]},
            )


def _short(answer: dict[str, Any]) -> str:
    courses = []
    for course in answer["courses"]:
        days = course["interval_days"]
        parts = course["sessions"][0]["parts"] if course["sessions"] else []
        told = " & ".join(
            f"{part['modality']} {part['cocktail']} {part['volume_ml']} mL" + (f" {part['depth_mm']} mm" if part["depth_mm"] else "")
            for part in parts
        )  # fmt: skip
        courses.append(
            f"{course.get('decision', '')} {len(course['sessions'])} x {days['min']}-{days['target']}-{days['max']} d {told}".strip()
        )
    rules = " ".join(sorted({f"{finding['rule']}:{finding['level']}" for finding in answer["findings"]}))
    until = f" until {answer['defer_until']}" if answer["defer_until"] else ""
    return f"{answer['status']}{until} | {' // '.join(courses)} | {rules}"


def line(name: str, answer: dict[str, Any]) -> str:
    """The record of one answer."""
    told = {key: value for key, value in answer.items() if key != "knowledge"}
    whole = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:12]
    return f"{name} | {_short(answer)} | {whole}"


_PROPOSED = proposed()
_UNDER_WAY = under_way()
#: Cases a group, so that one that changed is found soon.
_SIZE = 60
GROUPS = [
    f"{name} {first // _SIZE + 1}"
    for name, rows in (_PROPOSED | _UNDER_WAY).items()
    for first in range(0, len(rows), _SIZE)
]


def cases_of(group: str) -> list[tuple[str, dict[str, Any]]]:
    """The cases of a group, in the order of their records."""
    name, number = group.split()
    first = (int(number) - 1) * _SIZE
    return (_PROPOSED | _UNDER_WAY)[name][first : first + _SIZE]


def record(group: str, title: str, data: dict[str, Any]) -> str:
    """The record of one case of a group as its answer is now."""
    today = date.fromisoformat(TODAY)
    if group.split()[0] in _PROPOSED:
        answer = propose(parse(data, KNOWN.schema), KNOWN, today)
    else:
        answer = replan(parse_follow_up(data, KNOWN), KNOWN, today)
    return f"{group}: {line(title, answer.to_dict())}"


def lines_of(group: str) -> Iterator[str]:
    """The records of a group as the answers are now."""
    return (record(group, title, data) for title, data in cases_of(group))


if __name__ == "__main__":
    FILE.write_text("".join(f"{one}\n" for group in GROUPS for one in lines_of(group)))
