"""Conditions and effects of rules as sentences that a physician reads. Pure: data and knowledge in, text out."""

from collections.abc import Mapping
from typing import Any

from protocols.engine import Knowledge

_FACTS = {
    "smoking_per_day": "cigarettes a day",
    "trying_for_child": "trying for a child",
    "phototype": "phototype",
    "pregnancy": "pregnancy",
    "sex": "sex",
}
_EXTRA = {
    "in_area": "in the treated area",
    "near_area": "in or beside the treated area",
    "ever": "now or in the past",
    "clearing": "active or only just cleared",
    "uncontrolled": "not controlled",
    "undated": "with no date",
    "dated": "with a date",
    "trigger_not_coded": "its trigger not known",
    "current": "taken now",
    "not_prescribed": "not prescribed",
    "or_unknown": "or not known",
}
_AMOUNTS = {
    "within_days": "within {} days",
    "within_months": "within {} months",
    "dark_days": "{} days in dark skin",
    "dose_at_least": "at {} mg a day or more",
    "count_at_least": "at least {} of them",
    "grade_at_least": "grade {} or more",
    "at_least": "{} or more",
    "below": "below {}",
    "above": "above {}",
    "up_to": "up to {}",
    "around_days": "within {} days of a visit",
    "after_session_days": "up to {} days after a visit",
    "deep_days": "{} days after deep needling",
}
_DAYS = {
    "date": "its date",
    "last_dose": "the last dose",
    "healed_on": "it healed",
    "cleared_on": "it cleared",
}
_EFFECTS = {
    "block": "blocks the plan",
    "warn": "asks for a written reason",
    "info": "informs",
    "decline": "declines the concern",
    "defer": "defers",
    "remove-agents": "leaves out {agents}",
    "remove-products": "leaves out {products}",
    "remove-modalities": "rules out {modalities}",
    "remove-allergens": "leaves out everything with the allergen",
    "remove-reacted": "leaves out what caused the reaction",
    "cap-needling": "needles no deeper than {mm} mm",
    "remove-syringe-deeper": "injects no deeper than {mm} mm",
    "anaesthetic-factor": "multiplies the anaesthetic's limit by {factor}",
    "prefer-modality": "tries {modality} first",
    "wait-procedure": "waits after the procedure",
}


def _codes(value: Any, known: Knowledge) -> str:
    rows = value if isinstance(value, list) else [value]
    words = [
        known.labels.get(one, one.replace("-", " ")) if isinstance(one, str) else str(one).lower()
        for one in rows
    ]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}" if words else "nothing"


def _range(value: Mapping[str, Any]) -> str:
    return ", ".join(_AMOUNTS.get(name, f"{name} {{}}").format(one) for name, one in value.items())


def condition(spec: Any, known: Knowledge) -> str:
    """`{"all": [{"condition": ["diabetes"]}, ...]}` as `Diabetes, and …`. Total: what it does not know shows as it is."""
    if not isinstance(spec, Mapping):
        return str(spec)
    for name, word in (("all", "and"), ("any", "or")):
        if isinstance(spec.get(name), list):
            parts = [
                f"({condition(one, known)})"
                if isinstance(one, Mapping) and ("all" in one or "any" in one) and len(spec[name]) > 1
                else condition(one, known)
                for one in spec[name]
            ]
            return (", and " if word == "and" else "; or ").join(parts)
    if "not" in spec:
        return f"not ({condition(spec['not'], known)})"
    return _predicate(dict(spec), known)


def _predicate(spec: dict[str, Any], known: Knowledge) -> str:
    if not spec:
        return "always"
    name, value = next(iter(spec.items()))
    rest = {key: one for key, one in spec.items() if key != name}
    if name in {"age", "bmi"} and isinstance(value, Mapping):
        text = f"{'age' if name == 'age' else 'BMI'} {_range(value)}"
    elif name == "patient":
        text = _FACTS.get(str(value), str(value).replace("_", " "))
        if "is_in" in rest:
            text += f" is {_codes(rest.pop('is_in'), known)}"
    elif name == "concern" and isinstance(value, Mapping):
        text = "the concern has " + ", ".join(
            f"{key.replace('_', ' ')} {_codes(one, known)}" for key, one in value.items()
        )
    elif name == "blood_pressure" and isinstance(value, Mapping):
        text = "blood pressure " + ", ".join(f"{key.replace('_', ' ')} {one}" for key, one in value.items())
    elif name == "lab_missing":
        text = f"no {value} known"
    elif value is True:
        text = name.replace("_", " ")
    elif name in {"condition", "medication", "procedure", "allergy", "reaction", "event", "sun"}:
        words = _codes(value, known) if value else "any"
        text = words if name == "condition" else f"{name} {words}"
    else:
        text = f"{name.replace('_', ' ')} {_codes(value, known) if isinstance(value, list | str) else value}"
    extra = []
    for key, one in rest.items():
        if key in _EXTRA and one is True:
            extra.append(_EXTRA[key])
        elif key in _AMOUNTS:
            extra.append(_AMOUNTS[key].format(one))
        else:
            extra.append(f"{key.replace('_', ' ')} {_codes(one, known) if isinstance(one, list) else one}")
    return text + (f", {', '.join(extra)}" if extra else "")


def effect(spec: Any, known: Knowledge) -> str:
    """One effect in words."""
    if not isinstance(spec, Mapping):
        return str(spec)
    kind = str(spec.get("do"))
    words = {key: _codes(value, known) for key, value in spec.items() if not isinstance(value, Mapping)}
    try:
        text = _EFFECTS.get(kind, kind.replace("-", " ")).format(**words)
    except KeyError:
        text = kind.replace("-", " ")
    when = spec if kind == "defer" else spec.get("earliest")
    if isinstance(when, Mapping) and ("days" in when or "months" in when):
        amount = f"{when['months']} months" if "months" in when else f"{when['days']} days"
        after = str(when.get("after", "date"))
        text += f" until {amount} after {_DAYS.get(after, after.replace('_', ' '))}"
    return text


def clauses(rule: Mapping[str, Any], known: Knowledge) -> list[dict[str, Any]]:
    """Each clause of a rule in words: when, then, what is said."""
    return [
        {
            "when": _capital(condition(clause.get("when", {}), known)),
            "then": _capital("; ".join(effect(one, known) for one in clause.get("effects", ()))),
            "message": str(clause.get("message", "")).replace("{fact}", "(the fact)"),
            "remedy": clause.get("remedy", ""),
        }
        for clause in rule.get("clauses", ())
        if isinstance(clause, Mapping)
    ]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
