"""What a worked case expects of its answer (the case library's `expect`), and in what an answer differs from it."""

from decimal import Decimal
from typing import Any

from protocols.engine.examples import rules_in

LEVELS = {"info": 0, "warn": 1, "block": 2}
EXACT = {"depth_mm", "grams", "points", "minutes"}
TOLERANCE = Decimal("0.05")


def _same_number(name: str, wanted: Any, got: Any) -> bool:
    if got is None or wanted is None:
        return wanted is got
    left, right = Decimal(str(wanted)), Decimal(str(got))
    return left == right if name in EXACT else abs(left - right) <= TOLERANCE


def _anaesthetic(wanted: Any, got: Any) -> list[str]:
    wanted, got = wanted or {"product": "none"}, got or {"product": "none"}
    faults = []
    for name, value in wanted.items():
        if name == "product":
            same = (value or "none") == (got.get("product") or "none")
        elif name in {"e_mg", "limit_mg"} and name not in got:
            same = True
        else:
            same = _same_number(name, value, got.get(name))
        if not same:
            faults.append(f"anaesthetic {name}: {got.get(name)!r}, not {value!r}")
    return faults


def _part(wanted: dict[str, Any], part: dict[str, Any], session: dict[str, Any]) -> list[str]:
    faults = []
    doses = {c["agent"]: c["dose_mg"] for c in part["components"]}
    volumes = {c["agent"]: c["volume_ml"] for c in part["components"]}
    for name, value in wanted.items():
        if name in {"session", "concern"}:
            continue
        if name == "anaesthetic":
            faults += _anaesthetic(value, part.get("anaesthetic") or session.get("anaesthetic"))
        elif name in {"doses", "volumes"}:
            have = doses if name == "doses" else volumes
            faults += [
                f"{name} {agent}: {have.get(agent)}, not {amount}"
                for agent, amount in value.items()
                if not _same_number(name, amount, have.get(agent))
            ]
        elif name == "zones":
            if part.get("zones") is not None:
                faults += [
                    f"zone {zone}: {part['zones'].get(zone)}, not {depth}"
                    for zone, depth in value.items()
                    if not _same_number("depth_mm", depth, part["zones"].get(zone))
                ]
        elif name in {"depth_mm", "volume_ml", "points"}:
            if not (name == "points" and part.get(name) is None) and not _same_number(
                name, value, part.get(name)
            ):
                faults.append(f"{name}: {part.get(name)}, not {value}")
        elif part.get(name) != value:
            faults.append(f"{name}: {part.get(name)!r}, not {value!r}")
    return faults


def _parts(wanted: list[dict[str, Any]], sessions: list[dict[str, Any]]) -> list[str]:
    faults = []
    for want in wanted:
        which = want.get("session")
        numbers = None if which is None else [which] if isinstance(which, int) else which
        found = 0
        for session in sessions:
            if numbers is not None and session["number"] not in numbers:
                continue
            mine = [p for p in session["parts"] if p["concern"] == want["concern"]]
            if numbers is not None and not mine:
                faults.append(f"session {session['number']}: no part for {want['concern']}")
            for part in mine:
                found += 1
                faults += [f"session {session['number']} {f}" for f in _part(want, part, session)]
        if not found:
            faults.append(f"no part for {want['concern']}")
    return faults


def _course(wanted: dict[str, Any], course: dict[str, Any]) -> list[str]:
    faults = []
    sessions = course["sessions"]
    for name, value in wanted.items():
        if name == "sessions" and len(sessions) != value:
            faults.append(f"{len(sessions)} sessions, not {value}")
        elif name == "sessions_max" and len(sessions) > value:
            faults.append(f"{len(sessions)} sessions, more than {value}")
        elif name == "interval_days":
            got = course["interval_days"]
            faults += [f"interval {k}: {got[k]}, not {v}" for k, v in value.items() if got[k] != v]
        elif name == "start_earliest" and course[name] != value:
            faults.append(f"{name}: {course[name]}, not {value}")
        elif name == "parts":
            faults += _parts(value, sessions)
        elif name == "absent_parts":
            for absent in value:
                numbers = absent["session"] if isinstance(absent["session"], list) else [absent["session"]]
                for session in sessions:
                    if session["number"] in numbers and any(
                        p["concern"] == absent["concern"] for p in session["parts"]
                    ):
                        faults.append(f"session {session['number']} has a part for {absent['concern']}")
        elif name == "session_volume_ml":
            for number, volume in value.items():
                got = next((s["volume_ml"] for s in sessions if s["number"] == int(number)), None)
                if not _same_number("volume_ml", volume, got):
                    faults.append(f"session {number}: {got} mL, not {volume}")
        elif name in {"downtime_hours", "anaesthetic"}:
            faults += _every_session({name: value}, sessions)
        elif name in {"decision", "sessions_total"} and course.get(name) != value:
            faults.append(f"{name}: {course.get(name)}, not {value}")
        elif name == "decision_not" and course.get("decision") == value:
            faults.append(f"decision is {value}")
        elif name == "next_number" and (not sessions or sessions[0]["number"] != value):
            faults.append(f"next session is not {value}")
    return faults


def _every_session(expect: dict[str, Any], sessions: list[dict[str, Any]]) -> list[str]:
    faults = []
    for session in sessions:
        if "downtime_hours" in expect and session["downtime_hours"] != expect["downtime_hours"]:
            faults.append(f"downtime {session['downtime_hours']}, not {expect['downtime_hours']}")
        if "anaesthetic" in expect:
            faults += _anaesthetic(expect["anaesthetic"], session["anaesthetic"])
    return faults


def _courses(expect: dict[str, Any], answer: dict[str, Any]) -> list[str]:
    wanted, left = expect["courses"], list(answer["courses"])
    if len(wanted) != len(left):
        return [f"{len(left)} courses, not {len(wanted)}"]
    if expect.get("courses_in_order"):
        orders = ([set(c["concerns"]) for c in wanted], [set(c["concerns"]) for c in left])
        if orders[0] != orders[1]:
            return [f"order of courses: {orders[1]}, not {orders[0]}"]
    faults = []
    for want in wanted:
        mates = [c for c in left if set(c["concerns"]) == set(want["concerns"])]
        if not mates:
            faults.append(f"no course for {want['concerns']}")
            continue
        best = min(mates, key=lambda c: len(_course(want, c)))
        left.remove(best)
        faults += [f"{want['concerns']}: {f}" for f in _course(want, best)]
    return faults


def _findings(expect: dict[str, Any], answer: dict[str, Any]) -> list[str]:
    faults = []
    findings = answer["findings"]
    for want in expect.get("findings_include", []):
        if not any(all(f.get(name) == value for name, value in want.items()) for f in findings):
            faults.append(f"no finding {want}: {[(f['rule'], f['level'], f['earliest']) for f in findings]}")
    for rule in expect.get("findings_exclude", []):
        if any(f["rule"] == rule for f in findings):
            faults.append(f"finding {rule} should not be there")
    if "findings_max_level" in expect:
        most = LEVELS[expect["findings_max_level"]]
        faults += [
            f"finding {f['rule']} is {f['level']}"
            for f in findings
            if f["rule"] != "R00" and LEVELS[f["level"]] > most
        ]
    return faults


def faults_of(expect: dict[str, Any], answer: dict[str, Any]) -> list[str]:
    """Everything in which an answer differs from what is expected; empty when it fits."""
    faults = _findings(expect, answer)
    sessions = [s for c in answer["courses"] for s in c["sessions"]]
    parts = [p for s in sessions for p in s["parts"]]
    used = {p["cocktail"] for p in parts}
    offered = used | {a["cocktail"] for a in answer["alternatives"]}
    agents = {c["agent"] for p in parts for c in p["components"]}
    products = {(holder.get("anaesthetic") or {}).get("product") for holder in [*sessions, *parts]}
    text = str(answer).casefold()
    for name in ("status", "defer_until"):
        if name in expect and answer[name] != expect[name]:
            faults.append(f"{name}: {answer[name]}, not {expect[name]}")
    if "courses" in expect:
        faults += _courses(expect, answer)
    if "declined" in expect:
        got = {d["concern"]: set(d["rules"]) for d in answer["declined"]}
        want = {d["concern"]: set(d["rules"]) for d in expect["declined"]}
        if got.keys() != want.keys() or any(not want[c] <= got[c] for c in want):
            faults.append(f"declined: {got}, not {want}")
    faults += [
        f"rule {r} is not mentioned" for r in expect.get("rules_mentioned", []) if r not in rules_in(answer)
    ]
    faults += [f"{m!r} is not mentioned" for m in expect.get("mentions", []) if m.casefold() not in text]
    faults += _every_session(expect, sessions)
    if "parts" in expect:
        faults += _parts(expect["parts"], sessions)
    faults += [f"{c} is not used" for c in expect.get("cocktails_include", []) if c not in used]
    faults += [f"{c} is offered" for c in expect.get("cocktails_exclude", []) if c in offered]
    faults += [f"{a} is given" for a in expect.get("agents_exclude", []) if a in agents]
    faults += [f"{a} is given" for a in expect.get("anaesthetic_products_exclude", []) if a in products]
    for code in expect.get("alone", []):
        if any(p["cocktail"] == code and len(s["parts"]) > 1 for s in sessions for p in s["parts"]):
            faults.append(f"{code} is not alone")
    for agent, most in expect.get("session_dose_max", {}).items():
        for session in sessions:
            total = sum(
                (
                    Decimal(c["dose_mg"] or 0)
                    for p in session["parts"]
                    for c in p["components"]
                    if c["agent"] == agent
                ),
                Decimal(0),
            )
            if total > Decimal(str(most)) + TOLERANCE:
                faults.append(f"{agent} {total} mg, more than {most}")
    if "session_volume_max_ml" in expect:
        for session in sessions:
            total = sum(
                (Decimal(p["volume_ml"]) for p in session["parts"] if p["modality"] != "microneedling"),
                Decimal(0),
            )
            if total > Decimal(str(expect["session_volume_max_ml"])):
                faults.append(f"{total} mL in one session")
    for group in expect.get("separate_visits", []):
        if any(set(group) <= {p["concern"] for p in s["parts"]} for s in sessions):
            faults.append(f"{group} share a visit")
    faults += [
        f"{c} is planned"
        for c in expect.get("concerns_not_planned", [])
        if any(p["concern"] == c for p in parts)
    ]
    for want in expect.get("alternatives_include", []):
        if not any(all(a.get(k) == v for k, v in want.items()) for a in answer["alternatives"]):
            faults.append(f"no alternative {want}")
    if "any_of" in expect:
        tries = [faults_of(option, answer) for option in expect["any_of"]]
        if all(tries):
            faults += [f"none of any_of: {tries}"]
    return faults
