"""The codes of the set-up in the clinic's words."""

from decimal import Decimal

from protocols.catalogue import knowledge
from protocols.labels import labels

#: What a room is fitted for; the treatment's modality asks for it (protocols.actions).
ROOM_USES = (
    ("consultation", "Consultation"),
    ("injection", "Injection"),
    ("needling", "Micro-needling"),
    ("preparation", "Preparation (cream)"),
)
#: What a practitioner does.
QUALIFICATIONS = (
    ("consultation", "Consultation"),
    ("injection", "Injection"),
    ("needling", "Micro-needling"),
    ("needle-free", "Needle-free jet"),
)
DEVICE_KINDS = (("needling-pen", "Needling pen"), ("jet-injector", "Jet injector"))
#: Anaesthetics that come as a product of their own.
CREAMS = ("lidocaine-4-cream", "emla-5")


def words(codes: list[str], known: tuple[tuple[str, str], ...]) -> str:
    """Codes in words, in the order of the list; an unknown one shows as itself."""
    order = dict(known)
    return ", ".join([order[code] for code in order if code in codes] + [c for c in codes if c not in order])


def agents() -> list[tuple[str, str]]:
    """Everything a product can be: agents of the catalogue and creams, by words."""
    rows = [*labels("agents").items(), *((code, labels("anaesthetics")[code]) for code in CREAMS)]
    return sorted(rows, key=lambda row: row[1].casefold())


def agent_words(code: str) -> str:
    """An agent or cream in words."""
    return labels("agents").get(code) or labels("anaesthetics").get(code, code)


def catalogue_mg_per_ml(agent: str) -> Decimal | None:
    """The concentration that the catalogue doses with; None where it has none."""
    row = knowledge().agents.get(agent)
    text = row.get("concentration_mg_per_ml") if row is not None else None
    return Decimal(str(text)) if text is not None else None


def check_digit(digits: str) -> int:
    """The check digit of a GTIN without its last digit (GS1: weights 3 and 1 from the right)."""
    total = sum(int(digit) * (3 if index % 2 == 0 else 1) for index, digit in enumerate(reversed(digits)))
    return -total % 10
