"""What goes to the logs, and what does not."""

import logging
import re
from types import TracebackType

#: PostgreSQL writes the refused row below its message: `DETAIL:  Key (phone)=(+34 ...) already exists.`
_ROW = re.compile(r"^\s*(DETAIL|CONTEXT|QUERY|PARAMETERS):.*$\n?", re.MULTILINE)

#: Whoever has a patient's link or a feed's address can use it: /v/…, /c/…, /f/… (sessions.selfservice.urls).
_SECRET = re.compile(r"/([vcf])/[\w-]{16,}", re.ASCII)


class WithoutRows(logging.Formatter):
    """Tracebacks without the rows that a broken constraint names, lines without secret addresses."""

    def format(self, record: logging.LogRecord) -> str:
        """The whole line, with its traceback."""
        return _SECRET.sub(r"/\1/...", super().format(record))

    def formatException(
        self, ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
    ) -> str:
        """The traceback, with the place and the constraint but without values."""
        return _ROW.sub("", super().formatException(ei))
