"""The numbing cream's clock: how long it must act and may stay on. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any


@dataclass(frozen=True, slots=True)
class Cream:
    """A session's cream: it acts after `minutes`; past `most` minutes on the skin it is to come off."""

    minutes: int
    most: int

    def ready_at(self, on: datetime) -> datetime:
        """When it acts."""
        return on + timedelta(minutes=self.minutes)

    def most_at(self, on: datetime) -> datetime:
        """When it has been on for long enough."""
        return on + timedelta(minutes=self.most)

    def state(self, on: datetime | None, now: datetime) -> str:
        """`none` on the skin, `acting`, `ready` or `late`; both limits belong to the later state."""
        if on is None:
            return "none"
        if now < self.ready_at(on):
            return "acting"
        return "ready" if now < self.most_at(on) else "late"


def cream_of(
    content: Mapping[str, Any],
    creams: Mapping[str, Mapping[str, Any]],
    limits: Mapping[str, Mapping[str, Any]],
) -> Cream | None:
    """The cream of a planned session's content; None without one.

    `creams` is the knowledge's table (usual minutes by product), `limits` the most minutes by product, and under `ready`
    how long the clock says so at least before it warns. Of several parts the longest counts, as the patient comes early for it. Where the plan shortens a product's time (atopic
    skin), the shortened time is also the most.
    """
    own = [part["anaesthetic"] for part in content.get("parts", []) if part.get("anaesthetic")]
    rows = own or [content.get("anaesthetic") or {}]
    timed = [row for row in rows if row.get("minutes")]
    if not timed:
        return None
    row = max(timed, key=lambda one: int(one["minutes"]))
    minutes, product = int(row["minutes"]), str(row.get("product") or "")
    usual = int(creams[product]["minutes"]) if product in creams else minutes
    most = int(limits[product]["most_minutes"]) if product in limits and minutes >= usual else minutes
    return Cream(minutes, max(most, minutes + int(limits["ready"]["least_minutes"])))
