"""Who is asked first when a time becomes free. Pure: no Django, no clock.

The rank: priority (urgent, soon, normal), then the window that closes soonest (none last), then the longest waiting,
then the lowest key, so that no two entries are equal. All wishes are conditions. The first in rank whom one of the
free times fits is asked; nobody who fits is passed over, except who is being asked about another time just now.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sessions.scheduling import Preferences, Slot, Span


@dataclass(frozen=True, slots=True)
class Waiting:
    """An entry of the list as the rank sees it.

    `wish.day_from` and `wish.day_until` are the window, a planned session's clinical window cut in. `before` is the
    start of the visit that it has when only earlier times are wanted. `asked` are the times asked about before.
    """

    key: int
    patient: int
    priority: int
    since: datetime
    wish: Preferences
    notice: timedelta
    before: datetime | None = None
    asked: tuple[Span, ...] = ()
    #: Another time is being offered to this patient.
    busy: bool = False

    @property
    def rank(self) -> tuple[int, date, datetime, int]:
        """Lower is asked earlier."""
        return self.priority, self.wish.day_until or date.max, self.since, self.key


@dataclass(frozen=True, slots=True)
class Candidate:
    """Somebody whom a free time fits, with the best time that does."""

    entry: Waiting
    slot: Slot


def fits(entry: Waiting, slot: Slot, *, zone: ZoneInfo, answer_by: datetime) -> bool:
    """Whether the patient may be asked about this time.

    After the last moment of the answer (`answer_by`) the notice that the patient needs must still lie before the
    start. A time that touches one asked about before is never asked about again.
    """
    start, end = slot.start.astimezone(zone), slot.end.astimezone(zone)
    return (
        entry.wish.practitioner in {None, slot.practitioner}
        and entry.wish.allows(start.date())
        and entry.wish.misses(start, end) == 0
        and slot.start - answer_by >= entry.notice
        and (entry.before is None or slot.start < entry.before)
        and not any(span.overlaps(Span(slot.start, slot.end)) for span in entry.asked)
    )


def candidates(
    entries: Iterable[Waiting],
    slots: Mapping[int, Sequence[Slot]],
    *,
    freed: Span,
    zone: ZoneInfo,
    answer_by: datetime,
) -> Iterator[Candidate]:
    """Those whom one of their `slots` (free times by entry) fits, in rank, each with the best that does.

    The best uses the most of the freed time; of equal ones the earliest.
    """

    def order(slot: Slot) -> tuple[timedelta, datetime, int, int]:
        used = min(slot.end, freed.end) - max(slot.start, freed.start)
        return -used, slot.start, slot.room, slot.device or 0

    for entry in sorted(entries, key=lambda one: one.rank):
        fitting = [
            slot for slot in slots.get(entry.key, ()) if fits(entry, slot, zone=zone, answer_by=answer_by)
        ]
        if fitting:
            yield Candidate(entry, min(fitting, key=order))
