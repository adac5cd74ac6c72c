"""Rounds are repeatable for ever: problems of rounds long past give the bytes that were published then."""

from pathlib import Path

import pytest

from services.bazaar.allocation import read_problem, read_result, result_to_json, solve, verify

ROUNDS = sorted(Path(__file__).with_name("golden_rounds").glob("*.problem.json"))
"""Made when parties did not exist yet. Never to be written anew: where one differs, the rule was changed."""


def test_the_rounds_of_the_past_are_there() -> None:
    assert len(ROUNDS) == 8


@pytest.mark.parametrize("path", ROUNDS, ids=[path.name.removesuffix(".problem.json") for path in ROUNDS])
def test_a_round_of_the_past_gives_the_result_that_was_published(path: Path) -> None:
    published = path.with_name(path.name.replace(".problem.", ".result.")).read_bytes()
    problem = read_problem(path.read_bytes())

    assert result_to_json(solve(problem)) == published
    assert verify(problem, read_result(published)) == []
