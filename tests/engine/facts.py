"""The facts that the rules ask for, each at both sides of its limits: for the recorded answers."""

import json
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Any

from protocols.engine import Knowledge
from protocols.engine.examples import TODAY
from protocols.engine.rules import add_months

_NOW = date.fromisoformat(TODAY)
#: The case is about the face: the same skin, beside it, elsewhere.
_PLACES = ("face", "periorbital", "neck", "hands")
_UNITS = {"hba1c": "%", "inr": "1", "platelets": "10^9/L", "hb": "g/dL", "ferritin": "ug/L",
          "egfr": "mL/min/1.73m2", "cd4": "/uL"}  # fmt: skip
#: Values that count beside this only.
_WITH: dict[str, dict[str, Any]] = {
    "hba1c": {"conditions": [{"code": "diabetes"}]},
    "inr": {"medications": [{"code": "warfarin"}]},
    "cd4": {"conditions": [{"code": "hiv"}]},
}


def day(ago: int) -> str:
    return (_NOW - timedelta(days=ago)).isoformat()


def _conditions(spec: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every single predicate of a rule's condition."""
    for name in ("all", "any"):
        for part in spec.get(name, ()):
            yield from _conditions(part)
    if "not" in spec:
        yield from _conditions(spec["not"])
    elif not {"all", "any"} & spec.keys():
        yield from ((name, spec) for name in spec if name in _FACTS)


def _around(spec: Mapping[str, Any]) -> Iterator[str]:
    """The day before a time limit ends, the day itself and the day after; for months, the same days."""
    for name in ("within_days", "dark_days", "around_days"):
        if name in spec:
            yield from (day(spec[name] + n) for n in (-1, 0, 1))
    if "within_months" in spec:
        end = _NOW
        while add_months(end, spec["within_months"]) > _NOW:
            end -= timedelta(days=1)
        yield from ((end + timedelta(days=n)).isoformat() for n in (-1, 0, 1))
    if "within_days" not in spec and "within_months" not in spec:
        yield day(400)


def _condition(spec: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    code = {"code": spec["condition"][0]}
    yield code
    for status in ("active", "remission", "past"):
        yield code | {"status": status}
        yield from (code | {"status": status, "date": when} for when in _around(spec))
    if spec.get("in_area") or spec.get("near_area"):
        yield from (code | {"area": place} for place in _PLACES)
    if spec.get("clearing"):
        yield code | {"status": "past", "cleared_on": day(1)}
        yield code | {"status": "past", "cleared_on": day(30)}
    if spec.get("uncontrolled"):
        yield from (code | {"controlled": controlled} for controlled in (True, False))


def _medication(spec: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    code = {"code": {"anticoagulant": "doac", "antiplatelet": "aspirin", "immunosuppressant": "methotrexate",
                     "methaemoglobin-former": "dapsone", "5-ari": "finasteride-oral",
                     "topical-irritant": "retinoid-topical"}.get(spec["medication"][0], spec["medication"][0])}  # fmt: skip
    yield from (code | more for more in ({}, {"current": True}, {"current": False}))
    for when in _around(spec):
        yield from (code | {"last_dose": when} | more for more in ({}, {"current": True}, {"current": False}))
    yield from (code | {"prescribed": prescribed} for prescribed in (True, False))
    if "dose_at_least" in spec:
        least = int(spec["dose_at_least"])
        yield from (code | {"dose_mg_per_day": dose} for dose in (least - 1, least, least + 1))
    if spec.get("in_area"):
        yield from (code | {"area": place} for place in _PLACES)


def _procedure(spec: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for when in _around(spec):
        yield {"code": spec["procedure"][0], "date": when}
    if spec.get("in_area"):
        yield from ({"code": spec["procedure"][0], "date": day(400), "area": place} for place in _PLACES)


def _reaction(spec: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for event in (spec["reaction"] or ["urticaria"])[:1] + spec.get("unless", [])[:1]:
        for grade in (1, 2, 3):
            yield {"event": event, "grade": grade}
            yield {"event": event, "grade": grade, "agent": "vitamin-c"}
            yield {"event": event, "grade": grade, "agent": "hyaluronidase", "date": day(400)}
        yield from ({"event": event, "grade": 2, "date": when} for when in _around(spec))
        yield from ({"event": event, "grade": 2, "area": place} for place in _PLACES)


def _allergy(spec: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for substance in ["vitamin-c", "fish"] if spec["allergy"] == "any-agent" else spec["allergy"][:2]:
        yield {"substance": substance}
        for reaction in ("anaphylaxis", "urticaria", "palpitations"):
            yield {"substance": substance, "reaction": reaction}


def _lab(spec: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    limit = float(spec.get("at_least", spec.get("below", spec.get("above", 0))))
    if spec["lab"] in _UNITS:
        for value in (limit - 0.1, limit, limit + 0.1):
            for when in _around({"within_days": spec.get("within_days", 180)}):
                yield {
                    "code": spec["lab"],
                    "value": round(value, 1),
                    "unit": _UNITS[spec["lab"]],
                    "date": when,
                }


def _event(spec: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for reach in (spec.get("around_days"), spec.get("after_session_days"), spec.get("deep_days")):
        for ahead in () if reach is None else (-reach, 1 - reach, 0, reach - 1, reach, reach + 1, 14 + reach):
            yield {"kind": spec["event"][0], "date": (_NOW + timedelta(days=ahead)).isoformat()}


def _sun(spec: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for when in _around(spec):
        yield from ({"kind": spec["sun"][0], "date": when, "area": place} for place in ("face", "hands"))


#: Predicate -> the list of the case and its rows.
_FACTS: dict[str, tuple[str, Any]] = {
    "condition": ("conditions", _condition),
    "medication": ("medications", _medication),
    "procedure": ("procedures", _procedure),
    "reaction": ("reactions", _reaction),
    "allergy": ("allergies", _allergy),
    "lab": ("labs", _lab),
    "event": ("events", _event),
    "sun": ("sun", _sun),
}


def facts(known: Knowledge) -> dict[str, dict[str, Any]]:
    """What the patient has, by its words: one fact each."""
    found: dict[str, dict[str, Any]] = {}
    for row in known.rules.values():
        for clause in row["clauses"]:
            for name, spec in _conditions(clause["when"]):
                where, rows = _FACTS[name]
                for fact in rows(spec):
                    found[f"{where} {json.dumps(fact)}"] = {where: [fact]} | _WITH.get(
                        fact.get("code", ""), {}
                    )
    return found


def _born(years: int, later: int = 0) -> str:
    return (_NOW.replace(year=_NOW.year - years) + timedelta(days=later)).isoformat()


def persons() -> dict[str, dict[str, Any]]:
    """Who the patient is, at both sides of the limits of the rules: by its words."""
    rows: list[dict[str, Any]] = []
    for years in (12, 18, 35, 56, 65, 75):
        for later in (0, 1):
            born = {"birth_date": _born(years, later), "pregnancy": "unknown", "smoking_per_day": 5}
            rows += [born, born | {"medications": [{"code": "combined-pill"}]}]
    rows += [{"sex": "male", "pregnancy": None, "trying_for_child": trying} for trying in (True, False)]
    rows += [{"pregnancy": state} for state in ("planning", "breastfeeding", "unknown", None)]
    rows += [{"phototype": phototype} for phototype in (3, 4, 5, None)]
    rows += [{"smoking_per_day": number} for number in (1, 9, 10, None)]
    rows += [{"bmi": bmi} for bmi in (29.9, 30, 40, 40.1)]
    rows += [{"sunscreen_daily": False}, {"bdd_screen": "positive"}, {"sunburns": [{"area": "face", "date": day(3)}]},
             {"sunburns": [{"area": "hands", "date": day(3)}]}]  # fmt: skip
    pressures = (
        (180, 75),
        (179, 110),
        (179, 109),
        (160, 75),
        (159, 100),
        (140, 75),
        (139, 90),
        (139, 89),
        (100, 60),
        (99, 60),
    )
    rows += [
        {"blood_pressure": {"systolic": high, "diastolic": low, "date": TODAY}} for high, low in pressures
    ]
    drugs = ("lidocaine", "penicillin", "fish", "nickel")
    rows += [{"allergies": [{"substance": name} for name in drugs[first:]]} for first in range(3)]
    rows += [
        {"medications": [{"code": code, "current": True, "prescribed": True} for code in codes]}
        for codes in (["aspirin"], ["aspirin", "aspirin"], ["aspirin", "clopidogrel"])
    ]
    anaphylaxis = {"conditions": [{"code": "anaphylaxis", "status": "past"}]}
    rows += [
        anaphylaxis | more
        for more in (
            {"allergies": [{"substance": "fish", "reaction": "anaphylaxis"}]},
            {"allergies": [{"substance": "other", "reaction": "anaphylaxis"}]},
            {"allergies": [{"substance": "fish", "reaction": "rash"}]},
            {"reactions": [{"event": "anaphylaxis", "grade": 4, "agent": "vitamin-c"}]},
            {"reactions": [{"event": "anaphylaxis", "grade": 4}]},
        )
    ]
    burns: list[dict[str, Any]] = [{"area": "face", "date": day(ago)} for ago in (27, 28, 29)]
    burns += [{"area": "face", "date": day(40), "healed_on": day(ago)} for ago in (13, 14)]
    rows += [{"sunburns": [burn]} for burn in burns]
    rows += [
        {"phototype": phototype, "sun": [{"kind": "tan", "area": "face", "date": day(ago)}]}
        for phototype in (3, 4, None) for ago in (13, 14, 27, 28)
    ]  # fmt: skip
    # Two samples: only the newest counts, of one day the one with the higher value.
    for one, two in ((8, 70), (70, 8), (8, 8)):
        rows.append({
            "conditions": [{"code": "diabetes"}],
            "labs": [{"code": "hba1c", "value": value, "unit": "%", "date": day(ago)} for value, ago in ((8.4, one), (7.1, two))],
        })  # fmt: skip
    return {json.dumps(row): row for row in rows}


def doses() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(name of a concern, words, patient): what was given or done before, about the days that must lie between."""
    used = {"rej-face": ("ha-ncl", "glutathione"), "pig-face": ("tranexamic-acid", "vitamin-c"),
            "alo-scalp": ("minoxidil", "dexpanthenol"), "cel-thighs": ("caffeine", "lidocaine"),
            "fat-chin": ("deoxycholic-acid",), "rej-hands": ("pdrn",)}  # fmt: skip
    for name, agents in used.items():
        for agent in agents:
            for amount in ({"volume_ml": 0.5}, {"volume_ml": 3}, {"dose_mg": 3}, {"dose_mg": 900}):
                yield name, f"{agent} {amount} today", {"given": [{"agent": agent, "date": TODAY, **amount}]}
            for ago in (1, 6, 7, 13, 14, 29, 30):
                for area in ({}, {"area": "face"}, {"area": "hands"}):
                    given = {"agent": agent, "date": day(ago), "volume_ml": 1, **area}
                    yield name, f"{agent} {ago} days ago {area}", {"given": [given]}
    for code, days in (("peel-superficial", 7), ("filler-ha", 14), ("laser-ablative", 30), ("hair-transplant", 180),
                       ("dc-injection", 30), ("dutasteride-injection", 30), ("mesotherapy", 7)):  # fmt: skip
        for ago in (days - 1, days, 2 * days, 3 * days):
            for area in ({}, {"area": "face"}, {"area": "hands"}, {"area": "scalp"}):
                done = {"procedures": [{"code": code, "date": day(ago), **area}]}
                yield "rej-face", f"{code} {ago} days ago {area}", done
                yield "alo-scalp", f"{code} {ago} days ago {area}", done
    for dose in (120, 200, 250, 260, 265, 269, 300):
        for ago in (0, 1, 2):
            lidocaine = {"given": [{"agent": "lidocaine", "dose_mg": dose, "date": day(ago)}]}
            yield "wri-face", f"lidocaine {dose} mg {ago} days ago", lidocaine
            yield "fat-chin", f"lidocaine {dose} mg {ago} days ago", {"bmi": 24, **lidocaine}
            # Lidocaine inside the cocktail: 10 mg and 20 mg of the 270 that the day may have.
            yield "alo-scalp", f"lidocaine {dose} mg {ago} days ago", lidocaine
            yield "cel-thighs", f"lidocaine {dose} mg {ago} days ago", lidocaine
    for name in ("fat-chin", "wri-face", "por-face", "rej-face"):
        for kind in ("important-event", "vaccination", "blood-test"):
            for ahead in (3, 4, 7, 8, 13, 14, 15):
                event = {"events": [{"kind": kind, "date": day(-ahead)}]}
                yield name, f"{kind} in {ahead} days", {"bmi": 24, **event}
    for value in (29.9, 30, 30.1):
        for ago in (179, 180, 181):
            ferritin = {"code": "ferritin", "value": value, "unit": "ug/L", "date": day(ago)}
            yield "alo-scalp", f"ferritin {value} {ago} days ago", {"labs": [ferritin]}
    for name in ("wri-face", "alo-scalp", "fat-chin"):
        blood = {"bmi": 24, "conditions": [{"code": "methaemoglobinaemia"}]}
        yield name, "methaemoglobinaemia, with an anaesthetic", blood
