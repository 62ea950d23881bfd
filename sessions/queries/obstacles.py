"""What stands between a session and its start or signature, one line each."""

import hashlib
from dataclasses import dataclass

LEVELS = ("block", "decide", "todo")


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why the treatment can't be started or the record not be signed (yet).

    `block` can't be passed, `decide` needs a physician's written decision, `todo` is only missing. `place` names the
    field that the message stands beside; `key` names a `decide` by its very words.
    """

    level: str
    text: str
    anchor: str
    rule: str = ""
    source: str = ""
    place: str = ""
    key: str = ""

    @property
    def said(self) -> str:
        """The text with its rule and source, for messages that stand alone."""
        if not self.rule:
            return self.text
        return f"{self.text} {self.rule}, {self.source}." if self.source else f"{self.text} {self.rule}."


def key_of(kind: str, *words: str) -> str:
    """A key that holds for these words only: a decision never covers what is said later."""
    return f"{kind}-{hashlib.sha256('|'.join(words).encode()).hexdigest()[:24]}"
