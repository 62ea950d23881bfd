"""Who is asked first: the rank, what fits, and the quiet hours."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions.scheduling import Preferences, Slot, Span
from sessions.waiting.cream import Cream, cream_of
from sessions.waitlist.quiet import QuietHours, read_quiet
from sessions.waitlist.rank import Candidate, Waiting, candidates, fits

MADRID = ZoneInfo("Europe/Madrid")
NOW = datetime(2026, 11, 30, 8, tzinfo=UTC)
ANSWER = NOW + timedelta(minutes=15)
FREED = Span(NOW + timedelta(hours=24), NOW + timedelta(hours=25))


def waiting(key: int, **values: object) -> Waiting:
    known: dict[str, object] = {
        "patient": key, "priority": 3, "since": NOW - timedelta(days=key), "wish": Preferences(),
        "notice": timedelta(hours=1),
    }  # fmt: skip
    return Waiting(key, **(known | values))  # type: ignore[arg-type]


def slot(hours: float = 24, minutes: int = 30, practitioner: int = 1) -> Slot:
    start = NOW + timedelta(hours=hours)
    return Slot(0, 0, start, start + timedelta(minutes=minutes), practitioner, 1, None, 0)


def ranked(entries: list[Waiting], slots: dict[int, list[Slot]] | None = None) -> list[int]:
    found = candidates(
        entries,
        slots or {entry.key: [slot()] for entry in entries},
        freed=FREED,
        zone=MADRID,
        answer_by=ANSWER,
    )
    return [one.entry.key for one in found]


def test_urgent_goes_first_then_the_closing_window_then_the_longest_waiting() -> None:
    urgent = waiting(1, priority=1)
    closing = waiting(2, wish=Preferences(day_until=date(2026, 12, 3)))
    later = waiting(3, wish=Preferences(day_until=date(2026, 12, 20)))
    longest, newest = waiting(9), waiting(4)
    assert ranked([newest, longest, later, closing, urgent]) == [1, 2, 3, 9, 4]


@pytest.mark.parametrize(
    ("changes", "hours", "why"),
    [
        ({"wish": Preferences(weekdays=frozenset({3}))}, 24, "Tuesday is not Wednesday"),
        ({"wish": Preferences(time_from=time(10))}, 24, "nine is before ten"),
        ({"wish": Preferences(time_until=time(9, 15))}, 24, "it ends after a quarter past nine"),
        ({"wish": Preferences(day_from=date(2026, 12, 2))}, 24, "a day too early"),
        ({"wish": Preferences(day_until=date(2026, 11, 30))}, 24, "a day too late"),
        ({"wish": Preferences(practitioner=2)}, 24, "somebody else"),
        ({"notice": timedelta(hours=24)}, 24, "the time to answer eats the notice"),
        ({"before": NOW + timedelta(hours=24)}, 24, "not earlier than the visit"),
        ({"asked": (Span(NOW + timedelta(hours=24.25), NOW + timedelta(hours=25)),)}, 24, "asked before"),
    ],
)
def test_what_breaks_a_wish_is_not_offered(changes: dict[str, object], hours: float, why: str) -> None:
    assert fits(waiting(1), slot(hours), zone=MADRID, answer_by=ANSWER), why
    assert not fits(waiting(1, **changes), slot(hours), zone=MADRID, answer_by=ANSWER), why


def test_the_edges_belong_to_what_fits() -> None:
    start = slot().start
    for changes in (
        {"notice": start - ANSWER},
        {"before": start + timedelta(minutes=1)},
        {"wish": Preferences(time_from=time(9), time_until=time(9, 30), weekdays=frozenset({2}))},
        {"asked": (Span(start + timedelta(minutes=30), start + timedelta(hours=1)),)},
    ):
        assert fits(waiting(1, **changes), slot(), zone=MADRID, answer_by=ANSWER)


def used(slot: Slot) -> timedelta:
    return min(slot.end, FREED.end) - max(slot.start, FREED.start)


ENTRIES = st.lists(
    st.builds(
        lambda key, priority, days, until, weekday, practitioner, notice, busy: waiting(
            key, priority=priority, since=NOW - timedelta(days=days), notice=timedelta(hours=notice), busy=busy,
            wish=Preferences(
                weekdays=frozenset({weekday}) if weekday else frozenset(), practitioner=practitioner,
                day_until=date(2026, 11, 30) + timedelta(days=until) if until is not None else None,
            ),
        ),
        st.integers(1, 40), st.integers(1, 3), st.integers(0, 3), st.none() | st.integers(0, 5), st.integers(0, 7),
        st.none() | st.integers(1, 2), st.integers(0, 40), st.booleans(),
    ),
    max_size=8, unique_by=lambda entry: entry.key,
)  # fmt: skip
SLOTS = st.lists(
    st.builds(slot, st.integers(1, 96).map(lambda n: n / 2), st.sampled_from([15, 30]), st.integers(1, 2)),
    max_size=6,
)


@given(ENTRIES, SLOTS, st.randoms(use_true_random=False))
def test_nobody_who_fits_is_passed_over_and_the_order_of_the_rows_says_nothing(
    entries: list[Waiting], slots: list[Slot], chance: object
) -> None:
    by_entry = {entry.key: slots for entry in entries}
    found = list(candidates(entries, by_entry, freed=FREED, zone=MADRID, answer_by=ANSWER))
    mixed = list(entries)
    chance.shuffle(mixed)  # type: ignore[attr-defined]
    assert list(candidates(mixed, by_entry, freed=FREED, zone=MADRID, answer_by=ANSWER)) == found
    # Slow and obvious: everybody with a fitting time, the lowest rank first.
    expected = sorted(
        (entry for entry in entries if any(fits(entry, s, zone=MADRID, answer_by=ANSWER) for s in slots)),
        key=lambda entry: (
            entry.priority, entry.wish.day_until or date.max, entry.since, entry.key
        ),
    )  # fmt: skip
    assert [one.entry for one in found] == expected
    for one in found:
        assert isinstance(one, Candidate)
        assert fits(one.entry, one.slot, zone=MADRID, answer_by=ANSWER)
        better = [
            s
            for s in slots
            if fits(one.entry, s, zone=MADRID, answer_by=ANSWER)
            and (-used(s), s.start) < (-used(one.slot), one.slot.start)
        ]
        assert not better


# ---- quiet hours -------------------------------------------------------------------------------------------

NIGHT = read_quiet("21:00-08:00")


def at(text: str, zone: ZoneInfo = MADRID) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone)


@pytest.mark.parametrize(
    ("moment", "quiet"),
    [("2026-11-30T20:59", False), ("2026-11-30T21:00", True), ("2026-12-01T03:00", True),
     ("2026-12-01T07:59", True), ("2026-12-01T08:00", False)],
)  # fmt: skip
def test_the_night_begins_with_its_first_minute_and_ends_before_its_last(moment: str, quiet: bool) -> None:
    assert NIGHT.quiet(at(moment), MADRID) is quiet


def test_time_to_answer_stands_still_at_night() -> None:
    quarter = timedelta(minutes=15)
    assert NIGHT.after(at("2026-11-30T10:00"), quarter, MADRID) == at("2026-11-30T10:15")
    assert NIGHT.after(at("2026-11-30T20:50"), quarter, MADRID) == at("2026-12-01T08:05")
    assert NIGHT.after(at("2026-11-30T20:45"), quarter, MADRID) == at("2026-11-30T21:00")
    assert NIGHT.after(at("2026-11-30T23:00"), quarter, MADRID) == at("2026-12-01T08:15")
    assert NIGHT.awake(at("2026-11-30T23:00"), MADRID) == at("2026-12-01T08:00")
    assert read_quiet("").after(at("2026-11-30T23:00"), quarter, MADRID) == at("2026-11-30T23:15")
    assert read_quiet("12:00-14:00").after(at("2026-11-30T11:50"), quarter, MADRID) == at("2026-11-30T14:05")


@pytest.mark.parametrize(
    ("zone", "evening", "morning"),
    [
        # The clock goes forward, then back, in this night: eight in the morning stays eight on the wall.
        ("Europe/Madrid", "2027-03-27T20:50", "2027-03-28T08:05"),
        ("Europe/Madrid", "2026-10-24T20:50", "2026-10-25T08:05"),
        ("America/New_York", "2027-03-13T20:50", "2027-03-14T08:05"),
        ("Australia/Lord_Howe", "2027-04-03T20:50", "2027-04-04T08:05"),
        ("Africa/Casablanca", "2026-02-14T20:50", "2026-02-15T08:05"),
        ("Asia/Dubai", "2027-03-27T20:50", "2027-03-28T08:05"),
    ],
)
def test_the_night_of_a_changed_clock_ends_on_the_wall_clock(zone: str, evening: str, morning: str) -> None:
    place = ZoneInfo(zone)
    assert NIGHT.after(at(evening, place), timedelta(minutes=15), place) == at(morning, place)


def test_a_quarter_of_an_hour_over_the_change_of_the_clock_is_a_real_one() -> None:
    never = read_quiet("")
    start = at("2027-03-28T01:50")
    assert never.after(start, timedelta(minutes=15), MADRID) - start.astimezone(UTC) == timedelta(minutes=15)
    # A night that ends in the repeated hour ends once.
    early = QuietHours(time(21), time(2, 30))
    again = datetime(2026, 10, 25, 2, 15, fold=1, tzinfo=MADRID)
    assert not early.quiet(again, MADRID)


@given(st.integers(0, 3 * 365 * 24 * 4), st.integers(1, 300))
def test_an_answer_never_runs_out_at_night_and_never_early(quarter: int, minutes: int) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=15 * quarter)
    end = NIGHT.after(start, timedelta(minutes=minutes), MADRID)
    assert end - start >= timedelta(minutes=minutes)
    assert not NIGHT.quiet(end - timedelta(seconds=1), MADRID)


@pytest.mark.parametrize("text", ["21", "21:00-", "late-early", "25:00-08:00"])
def test_quiet_hours_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_quiet(text)


# ---- cream -------------------------------------------------------------------------------------------------

CREAMS = {"emla-5": {"minutes": 60}, "lidocaine-4-cream": {"minutes": 45}}
LIMITS = {
    "emla-5": {"most_minutes": 60}, "lidocaine-4-cream": {"most_minutes": 60}, "ready": {"least_minutes": 15},
}  # fmt: skip


def planned(product: str, minutes: int | None) -> dict[str, object]:
    return {"anaesthetic": {"product": product, "minutes": minutes}, "parts": []}


def test_the_cream_acts_is_ready_and_is_on_for_too_long() -> None:
    cream = cream_of(planned("lidocaine-4-cream", 45), CREAMS, LIMITS)
    assert cream == Cream(45, 60)
    states = [cream.state(NOW, NOW + timedelta(seconds=60 * m)) for m in (0, 44, 45, 59, 60)]
    assert states == ["acting", "acting", "ready", "ready", "late"]
    assert cream.state(None, NOW) == "none"


def test_a_cream_is_ready_for_a_quarter_of_an_hour_and_never_longer_than_a_shortened_time_allows() -> None:
    assert cream_of(planned("emla-5", 60), CREAMS, LIMITS) == Cream(60, 75)
    # Atopic skin of the face: half the time, and not the whole house limit after it.
    assert cream_of(planned("emla-5", 30), CREAMS, LIMITS) == Cream(30, 45)
    assert cream_of(planned("ice-vibration", None), CREAMS, LIMITS) is None
    assert cream_of({}, CREAMS, LIMITS) is None
    two = {"parts": [{"anaesthetic": {"product": "lidocaine-4-cream", "minutes": 45}},
                     {"anaesthetic": {"product": "emla-5", "minutes": 60}}]}  # fmt: skip
    assert cream_of(two, CREAMS, LIMITS) == Cream(60, 75)
