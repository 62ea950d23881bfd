"""Reading what stands in an address or a header: whatever is no key of a row is none, never an error."""

import codecs

#: 18 digits always fit into PostgreSQL's bigint.
MOST_DIGITS = 18


def row_id(text: object) -> int | None:
    """The key of a row as written in a query or a form; None for anything else.

    `isdigit` alone lets `²` and other signs through that `int` refuses.
    """
    written = text.strip() if isinstance(text, str) else ""
    if written.isascii() and written.isdecimal() and len(written) <= MOST_DIGITS:
        return int(written)
    return None


def is_utf8(charset: str) -> bool:
    """Whether it names UTF-8, however spelt."""
    try:
        return codecs.lookup(charset).name == "utf-8"
    except (LookupError, ValueError):
        return False
