"""Reading what stands in an address: whatever is no key of a row is none, never an error."""

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
