"""What goes to the logs, and what does not."""

import logging
import re
from types import TracebackType

#: PostgreSQL writes the refused row below its message: `DETAIL:  Key (phone)=(+34 ...) already exists.`
_ROW = re.compile(r"^\s*(DETAIL|CONTEXT|QUERY|PARAMETERS):.*$\n?", re.MULTILINE)


class WithoutRows(logging.Formatter):
    """Tracebacks without the rows that a broken constraint names: those are patients' data."""

    def formatException(
        self, ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
    ) -> str:
        """The traceback, with the place and the constraint but without values."""
        return _ROW.sub("", super().formatException(ei))
