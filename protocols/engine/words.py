"""Facts in words for messages."""

from datetime import date

from protocols.engine.case import Fact
from protocols.engine.knowledge import Knowledge

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def day_words(day: date) -> str:
    """`1 Aug 2026`: the same in every locale, for the record."""
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def number_words(value: object) -> str:
    """A number without trailing zeros and without an exponent."""
    text = str(value)
    return text.rstrip("0").rstrip(".") if "." in text else text


def fact_words(kind: str, fact: Fact, knowledge: Knowledge) -> str:
    """One fact as a physician would write it: `Isotretinoin by mouth, last dose 1 Aug 2026`."""
    text = knowledge.label(fact.code)
    if kind == "lab":
        text = f"{fact.code} {number_words(fact.get('value'))} {fact.get('unit')}"
    if kind == "allergy" and fact.get("reaction"):
        text += f", {str(fact.get('reaction')).replace('-', ' ')}"
    if kind == "reaction" and fact.get("agent"):
        text = f"{text} grade {fact.get('grade')} to {knowledge.label(str(fact.get('agent')))}"
    for name, words in (
        ("last_dose", "last dose"),
        ("cleared_on", "cleared"),
        ("healed_on", "healed"),
        ("date", ""),
    ):
        day = fact.day(name)
        if day is not None:
            return f"{text}, {words} {day_words(day)}".replace(",  ", ", ")
    return text
