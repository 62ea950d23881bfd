"""On clinics of a size that exists the search costs as little as a constraint solver proves possible."""

import pytest

from sessions.scheduling import find_course
from tests.scheduling.constraint_models import by_intervals, by_tables, free_starts
from tests.scheduling.instances import Problem, problem, small, two_locations


def cost(one: Problem) -> int | None:
    options = find_course(one.visits, one.diaries, one.wish, start=one.start, now=one.now)
    return options[0].cost if options else None


@pytest.mark.parametrize(("seed", "load"), [(1, 0.7), (2, 0.85)])
def test_a_course_of_six_in_a_clinic_of_six_costs_the_least_there_is(seed: int, load: float) -> None:
    one = problem(seed, load, people=6, rooms=5, devices=3, weeks=20)
    assert cost(one) == by_tables(one, free_starts(one))


@pytest.mark.parametrize("seed", range(12))
def test_a_very_full_small_clinic_too_and_what_does_not_fit_does_not(seed: int) -> None:
    one = small(seed)
    least = by_intervals(one)
    assert cost(one) == least == by_tables(one, free_starts(one))


# Courses that change once, twice and three times, one that stays, one that does not fit.
@pytest.mark.parametrize("seed", [0, 3, 6, 17, 28])
def test_a_course_at_two_locations_costs_the_least_there_is(seed: int) -> None:
    one = two_locations(seed)
    least = by_intervals(one)
    assert cost(one) == least == by_tables(one, free_starts(one))
