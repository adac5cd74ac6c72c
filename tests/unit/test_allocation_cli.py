"""`lapak allocate` from the outside: files, streams and exit codes."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from services.bazaar.allocation import read_problem, result_to_json, solve
from services.bazaar.allocation.cli import app

Doc = dict[str, Any]

runner = CliRunner()

DOC: Doc = {
    "seed": "s",
    "pools": [{"id": "p1", "capacity": 1, "reserves": [{"group": "agency", "value": "typo", "seats": 1}]}],
    "applicants": [{"id": "v1", "choices": [["p1"]]}, {"id": "v2", "choices": [["p1"]]}],
}


@pytest.fixture
def problem(tmp_path: Path) -> Path:
    path = tmp_path / "problem.json"
    path.write_text(json.dumps(DOC))
    return path


def test_the_result_goes_to_stdout_and_the_summary_to_stderr(problem: Path) -> None:
    ran = runner.invoke(app, [str(problem)])

    assert ran.exit_code == 0
    assert ran.stdout_bytes == result_to_json(solve(read_problem(problem.read_bytes())))
    assert "1  served" in ran.stderr
    assert "1  waiting: pools-full" in ran.stderr
    assert 'pools[0].reserves[0]: nobody of agency "typo" named pool "p1"' in ran.stderr


def test_with_o_the_result_goes_to_the_file_and_nothing_beside_it_stays(problem: Path, tmp_path: Path) -> None:
    output = tmp_path / "result.json"
    output.write_text("old")
    ran = runner.invoke(app, [str(problem), "-o", str(output)])

    assert (ran.exit_code, ran.stdout) == (0, "")
    assert output.read_bytes() == result_to_json(solve(read_problem(problem.read_bytes())))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["problem.json", "result.json"]


def test_a_result_that_stands_is_verified_with_0(problem: Path, tmp_path: Path) -> None:
    output = tmp_path / "result.json"
    runner.invoke(app, [str(problem), "-o", str(output)])
    ran = runner.invoke(app, ["--verify", str(problem), str(output)])

    assert (ran.exit_code, ran.stdout) == (0, "")
    assert "correct" in ran.stderr


def test_differences_are_printed_with_1(problem: Path, tmp_path: Path) -> None:
    output = tmp_path / "result.json"
    runner.invoke(app, [str(problem), "-o", str(output)])
    changed = json.loads(output.read_text())
    changed["waiting"][0]["place"] = 7
    output.write_text(json.dumps(changed))
    ran = runner.invoke(app, ["--verify", str(problem), str(output)])

    assert ran.exit_code == 1
    assert ran.stdout == f"applicant {changed['waiting'][0]['applicant']}: place is 7, should be 1\n"
    assert "1 differences" in ran.stderr


def test_a_malformed_problem_is_refused_by_path_with_2(problem: Path) -> None:
    problem.write_text(json.dumps({**DOC, "applicants": [{"id": "v", "choices": [["p1", "p9"]]}]}))
    ran = runner.invoke(app, [str(problem)])

    assert (ran.exit_code, ran.stdout) == (2, "")
    assert 'applicants[0].choices[0][1]: names pool "p9", which does not exist; pools are p1' in ran.stderr


def test_a_malformed_result_is_refused_by_path_with_2(problem: Path, tmp_path: Path) -> None:
    result = tmp_path / "result.json"
    result.write_text('{"problem_sha256": "", "served": [], "waitng": []}')
    ran = runner.invoke(app, ["--verify", str(problem), str(result)])

    assert ran.exit_code == 2
    assert "waiting: is missing; add it" in ran.stderr
    assert "waitng: is not a field here" in ran.stderr


def test_files_that_cannot_be_read_or_written_are_said_so_with_2(problem: Path, tmp_path: Path) -> None:
    missing = runner.invoke(app, [str(tmp_path / "none.json")])
    folder = runner.invoke(app, [str(tmp_path)])
    nowhere = runner.invoke(app, [str(problem), "-o", str(tmp_path / "no" / "result.json")])

    assert [ran.exit_code for ran in (missing, folder, nowhere)] == [2, 2, 2]
    assert "none.json: cannot be read: No such file or directory" in missing.stderr
    assert "cannot be read: Is a directory" in folder.stderr
    assert "cannot be written: No such file or directory" in nowhere.stderr


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (["--verify", "P"], "--verify needs two files"),
        (["P", "R"], "add --verify; to write the result there, use -o"),
        (["--verify", "P", "R", "-o", "X"], "--verify writes nothing"),
    ],
)
def test_a_call_that_makes_no_sense_says_which_does(problem: Path, arguments: list[str], advice: str) -> None:
    ran = runner.invoke(app, [str(problem) if each == "P" else each for each in arguments])

    assert ran.exit_code == 2
    assert advice in ran.stderr


def test_parties_are_counted_and_one_that_no_pool_could_seat_is_noted(tmp_path: Path) -> None:
    path = tmp_path / "problem.json"
    pools = [{"id": "p1", "capacity": 2}, {"id": "p2", "capacity": 1}]
    people = [{"id": name, "choices": [["p1" if name in "ab" else "p2"]]} for name in "abcd"]
    parties = [
        {"id": "g1", "members": ["a", "b"], "apart": "none"},
        {"id": "g2", "members": ["c", "d"], "apart": "none"},
    ]
    path.write_text(json.dumps({"seed": "s", "pools": pools, "applicants": people, "parties": parties}))
    ran = runner.invoke(app, [str(path)])

    assert ran.exit_code == 0
    assert "1  of 2 parties, each in one pool" in ran.stderr
    assert "2  waiting: party-does-not-fit" in ran.stderr
    assert "party g2: no pool that its 2 members named could seat them together, even if empty" in ran.stderr
