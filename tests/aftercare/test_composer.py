"""The sheet says what to do until when: the strictest advice wins, in the clinic's wall-clock time."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aftercare.composer import Facts, Part, compose, elapsed, load_advice, waits

ADVICE = load_advice(Path(__file__).parents[2] / "aftercare" / "knowledge")
MADRID = ZoneInfo("Europe/Madrid")
AREAS = (
    "face",
    "periorbital",
    "neck",
    "decolletage",
    "scalp",
    "hands",
    "submental",
    "thighs",
    "buttocks",
    "abdomen",
    "arms",
)
INDICATIONS = ("rejuvenation", "brightening", "wrinkles", "pigment", "pores", "alopecia", "cellulite", "fat")


def facts(*parts: Part, phototype: int | None = 2, ended: datetime | None = None) -> Facts:
    return Facts(
        parts, ended or datetime(2026, 12, 1, 15, 30, tzinfo=MADRID), None, "Dr. Amari", "Lea Brandt", "14 May 1988", "M-1",
        phototype, "Clinic", "Street 1", "+34 910 000 000", "", "112",
    )  # fmt: skip


def part(modality: str = "syringe", depth: str | None = "1.5", area: str = "face", indication: str = "wrinkles",
         agents: tuple[str, ...] = ("ha-ncl",)) -> Part:  # fmt: skip
    return Part(indication, area, modality, "", Decimal(depth) if depth else None, frozenset(agents))


parts = st.builds(
    part, st.sampled_from(["syringe", "needle-free", "microneedling"]), st.sampled_from(["0.25", "0.5", "0.75", "1.5", None]),
    st.sampled_from(AREAS), st.sampled_from(INDICATIONS),
    st.sampled_from([("ha-ncl",), ("tranexamic-acid",), ("deoxycholic-acid",), ("lidocaine", "biotin"), ("caffeine",)]),
)  # fmt: skip


@given(parts, parts)
def test_of_two_treatments_the_strictest_wait_wins(one: Part, two: Part) -> None:
    both, alone, other = waits(facts(one, two), ADVICE), waits(facts(one), ADVICE), waits(facts(two), ADVICE)
    assert both == {key: max(alone.get(key, 0), other.get(key, 0)) for key in {*alone, *other}}


@given(st.lists(parts, min_size=1, max_size=3), st.sampled_from(ADVICE.languages))
def test_every_treatment_gives_a_whole_sheet_without_double_lines(
    given_parts: list[Part], language: str
) -> None:
    sheet = compose(facts(*given_parts), ADVICE, language)
    lines = [line for row in sheet["until"] for line in row["what"]]
    assert len(lines) == len(set(lines))
    assert lines
    assert sheet["now"]
    assert all(phase["text"] for phase in sheet["normal"])
    assert sheet == compose(facts(*given_parts), ADVICE, language)


def test_a_day_after_needling_of_half_a_millimetre_make_up_is_allowed() -> None:
    sheet = compose(facts(part("microneedling", "0.5")), ADVICE, "en")
    row = next(row for row in sheet["until"] if "Make-up" in row["what"])
    assert row["when"] == "Wed 2 Dec, 15:30"


def test_dark_skin_keeps_out_of_the_sun_longer() -> None:
    assert waits(facts(part()), ADVICE)["sun"] == 168
    assert waits(facts(part(), phototype=5), ADVICE)["sun"] == 672


def test_deeper_needling_waits_longer() -> None:
    assert [waits(facts(part("microneedling", d)), ADVICE)["sport"] for d in ("0.5", "1.0", "1.5")] == [
        24,
        48,
        72,
    ]


def test_hours_are_real_hours_over_the_change_to_summer_time() -> None:
    ended = datetime(2027, 3, 27, 15, 30, tzinfo=MADRID)
    assert elapsed(ended, 24).strftime("%H:%M") == "16:30"
    assert (elapsed(ended, 24).astimezone(UTC) - ended.astimezone(UTC)).total_seconds() == 86400


def test_tranexamic_acid_adds_the_swollen_leg() -> None:
    assert "Swelling of a leg" in compose(facts(part(agents=("tranexamic-acid",))), ADVICE, "en")["now"]
    assert "Swelling of a leg" not in compose(facts(part()), ADVICE, "en")["now"]


@pytest.mark.parametrize("language", ADVICE.languages)
def test_every_language_has_every_text(language: str) -> None:
    assert set(ADVICE.texts[language]) == set(ADVICE.texts["en"])


def test_the_sheet_says_with_what_and_how_much_in_the_reader_s_numbers() -> None:
    given_part = Part("pigment", "face", "syringe", "papule", Decimal("1.5"), frozenset({"tranexamic-acid"}),
                      (("tranexamic-acid", Decimal("16.5000")), ("saline", None)))  # fmt: skip
    done = {
        code: compose(facts(given_part), ADVICE, code)["done"][0].replace("\u00a0", " ")
        for code in ADVICE.languages
    }
    assert done["en"] == "Injections, face, 1.5 mm, Tranexamic acid 16.5 mg"
    assert done["fr"].endswith("1,5 mm, Acide tranexamique 16,5 mg")
    assert done["ar"].startswith("حقن، الوجه، ")


def test_the_sheet_counts_the_sessions_and_names_who_treats_next() -> None:
    from dataclasses import replace

    known = replace(
        facts(part()), session=(1, 6), next_session=(2, 6), next_with="Dr. Keller",
        next_at=datetime(2026, 12, 15, 17, 30, tzinfo=MADRID),
    )  # fmt: skip
    sheet = compose(known, ADVICE, "en")
    assert sheet["session"] == "Session 1 of 6"
    assert sheet["next_detail"] == "Session 2 of 6, with Dr. Keller"
    assert compose(facts(part()), ADVICE, "en")["next_detail"] == ""
