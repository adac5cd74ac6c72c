"""Problems that are refused, each with the path of the field, what is wrong and the way out."""

import copy
import json
from typing import Any

import pytest

from services.bazaar.allocation import Malformed, problem_sha256, read_problem, read_result

Doc = dict[str, Any]

GOOD: Doc = {
    "seed": "s",
    "pools": [
        {"id": "p1", "capacity": 5, "reserves": [{"group": "agency", "value": "a", "seats": 2}]},
        {"id": "p2", "capacity": 5, "caps": [{"group": "category", "value": "food", "seats": 2}]},
    ],
    "caps": [{"group": "rw", "seats_each": 1}],
    "rotation": [{"by": "rw", "measure": "turns"}, {"by": "vendor", "measure": "waiting_since"}],
    "groups": {"rw": {"31.71": {"turns": 2, "waiting_since": "2022-05-01"}}},
    "applicants": [
        {"id": "v1", "groups": {"agency": "a", "rw": "31.71"}, "turns": 0, "waiting_since": "2023-01-05",
         "choices": [["p1"], ["p2"]]},
        {"id": "v2", "groups": {"rw": "31.71"}, "choices": [["p1", "p2"]]},
    ],
}  # fmt: skip

ABSENT = object()


def findings(doc: object) -> list[str]:
    with pytest.raises(Malformed) as refused:
        read_problem(doc if isinstance(doc, bytes) else json.dumps(doc).encode())
    return list(refused.value.findings)


def changed(path: str, value: object) -> Doc:
    """GOOD with the field at `a/0/b` set, added or (ABSENT) taken out."""
    doc = copy.deepcopy(GOOD)
    at: Any = doc
    *parts, last = [int(part) if part.isdigit() else part for part in path.split("/")]
    for part in parts:
        at = at[part]
    if value is ABSENT:
        del at[last]
    elif isinstance(at, list) and last == len(at):
        at.append(value)
    else:
        at[last] = value
    return doc


def test_the_good_problem_is_read() -> None:
    problem = read_problem(json.dumps(GOOD).encode())

    assert [one.id for one in problem.applicants] == ["v1", "v2"]
    assert problem.sha256 == problem_sha256(GOOD)


LIMIT = {"group": "agency", "value": "a", "seats": 1}


@pytest.mark.parametrize(
    ("path", "value", "finding"),
    [
        ("seed", ABSENT, "seed: is missing; add it"),
        ("seed", "", "seed: is empty text; give it a name"),
        ("seed", 7, "seed: must be text, is 7"),
        ("pools", {}, "pools: must be a list, is {}"),
        (
            "pool",
            [],
            "pool: is not a field here; correct its spelling or take it out"
            " (fields here are seed, pools, caps, rotation, groups, applicants, parties)",
        ),
        ("pools/0", "p1", 'pools[0]: must be an object, is "p1"'),
        ("pools/0/capacity", -1, "pools[0].capacity: must be 0 or more, is -1"),
        ("pools/0/capacity", "5", 'pools[0].capacity: must be a whole number, is "5"'),
        ("pools/0/capacity", 5.5, "pools[0].capacity: must be a whole number, is 5.5"),
        ("pools/0/capacity", True, "pools[0].capacity: must be a whole number, is true"),
        ("pools/2", {"id": "p1", "capacity": 1}, 'pools[2].id: is "p1", as pools[0] is; ids are unique'),
        (
            "pools/0/reserves/0/seats",
            6,
            "pools[0].reserves: reserve 6 seats together, but the pool's capacity is 5;"
            " reserve fewer or raise the capacity",
        ),
        ("pools/0/reserves/0/seats", -2, "pools[0].reserves[0].seats: must be 0 or more, is -2"),
        (
            "pools/0/reserves/1",
            LIMIT,
            'pools[0].reserves[1].value: is "a", as reserves[0] of this pool; join them into one',
        ),
        (
            "pools/0/caps",
            [{"group": "category", "value": "food", "seats": 1}],
            'pools[0].caps[0].group: names "category", but this pool\'s reserves and caps already name "agency";'
            " a pool may name one group: split the pool or drop one",
        ),
        (
            "pools/1/caps/1",
            LIMIT,
            'pools[1].caps[1].group: names "agency", but this pool\'s reserves and caps already name "category";'
            " a pool may name one group: split the pool or drop one",
        ),
        (
            "pools/0/caps",
            [LIMIT],
            'pools[0].reserves[0].seats: reserves 2 seats for "a", but this pool\'s cap on it is 1;'
            " reserve fewer or raise the cap",
        ),
        (
            "pools/0/reserves/0/seat",
            1,
            "pools[0].reserves[0].seat: is not a field here; correct its spelling or take it out"
            " (fields here are group, value, seats)",
        ),
        ("caps/1", {"group": "rw", "seats_each": 2}, 'caps[1].group: names "rw", as caps[0] does; keep one'),
        ("caps/0/seats_each", -1, "caps[0].seats_each: must be 0 or more, is -1"),
        (
            "caps/0/group",
            "vendor",
            'caps[0].group: no group may be called "vendor", which in a rotation means the applicant itself',
        ),
        ("rotation/0/measure", "turn", "rotation[0].measure: must be 'turns' or 'waiting_since', is \"turn\""),
        (
            "rotation/2",
            {"by": "rw", "measure": "turns"},
            "rotation[2]: is the same level as rotation[0]; keep one",
        ),
        (
            "groups/rw/31.71/turn",
            1,
            'groups.rw["31.71"].turn: is not a field here; correct its spelling or take it out',
        ),
        (
            "groups/rw/31.71/waiting_since",
            "01-05-2022",
            'groups.rw["31.71"].waiting_since: must be a day of the calendar as YYYY-MM-DD, is "01-05-2022"',
        ),
        ("groups/rw/31.71/turns", -1, 'groups.rw["31.71"].turns: must be 0 or more, is -1'),
        ("applicants/1/id", "v1", 'applicants[1].id: is "v1", as applicants[0] is; ids are unique'),
        ("applicants/1/id", ABSENT, "applicants[1].id: is missing; add it"),
        ("applicants/0/turns", -1, "applicants[0].turns: must be 0 or more, is -1"),
        (
            "applicants/0/waiting_since",
            "2023-02-29",
            'applicants[0].waiting_since: must be a day of the calendar as YYYY-MM-DD, is "2023-02-29"',
        ),
        (
            "applicants/0/waiting_since",
            "20230105",
            'applicants[0].waiting_since: must be a day of the calendar as YYYY-MM-DD, is "20230105"',
        ),
        ("applicants/0/waiting_since", None, "applicants[0].waiting_since: must be text, is null"),
        (
            "applicants/0/wating_since",
            "2023-01-05",
            "applicants[0].wating_since: is not a field here; correct its spelling or take it out"
            " (fields here are id, groups, turns, waiting_since, choices)",
        ),
        ("applicants/0/groups/agency", 3, "applicants[0].groups.agency: must be text, is 3"),
        (
            "applicants/1/groups",
            ABSENT,
            "applicants[1].groups.rw: is missing, and rotation[0] ranks by it;"
            " give the applicant a value or take the level out",
        ),
        (
            "applicants/0/groups/vendor",
            "x",
            'applicants[0].groups.vendor: no group may be called "vendor",'
            " which in a rotation means the applicant itself",
        ),
        (
            "applicants/0/choices",
            [],
            "applicants[0].choices: is empty; name at least one, or take it out",
        ),
        (
            "applicants/0/choices/1",
            [],
            "applicants[0].choices[1]: is empty; name at least one, or take it out",
        ),
        (
            "applicants/1/choices/0/1",
            "p9",
            'applicants[1].choices[0][1]: names pool "p9", which does not exist; pools are p1, p2',
        ),
        (
            "applicants/0/choices/1",
            ["p1"],
            'applicants[0].choices[1][0]: names pool "p1" a second time; keep it in one tier',
        ),
        ("applicants/0/choices/0", "p1", 'applicants[0].choices[0]: must be a list, is "p1"'),
    ],
)
def test_a_faulty_field_is_named_by_its_path(path: str, value: object, finding: str) -> None:
    assert findings(changed(path, value)) == [finding]


def test_every_fault_is_told_at_once() -> None:
    doc = changed("applicants/0/choices/0/0", "p8")
    doc["applicants"][1]["choices"] = [["p9"]]

    assert len(findings(doc)) == 2


@pytest.mark.parametrize(
    ("data", "finding"),
    [
        (b"", "the problem is not JSON: line 1 column 1: Expecting value"),
        (b'{"seed": 1,\n}', "the problem is not JSON: line 2 column 1: "),
        (b"\xff\xfe", "the problem is not UTF-8 text (byte 0); save it as UTF-8 JSON"),
        (b"[]", "the document: must be an object, is []"),
        (b'{"seed": NaN}', "the problem holds NaN, which is not JSON; use whole numbers"),
        (b"[" * 100_000, "the problem is nested too deeply to be one"),
        (b'{"seed": ' + b"9" * 5000 + b"}", "the problem is not JSON that can be read: "),
    ],
)
def test_what_is_no_problem_document_is_refused(data: bytes, finding: str) -> None:
    (found,) = findings(data)
    assert found.startswith(finding)


def test_a_field_given_twice_is_refused_since_readers_differ_on_which_counts() -> None:
    data = json.dumps(GOOD).replace('"capacity": 5, "caps"', '"capacity": 5, "capacity": 50, "caps"').encode()

    assert findings(data) == ["pools[1].capacity: stands twice in its object; keep one"]


def test_half_a_character_is_refused_where_it_stands() -> None:
    assert findings(changed("applicants/0/id", "\ud800")) == [
        'applicants[0].id: holds half a character (a lone surrogate), is "\\ud800"; correct the text'
    ]
    (finding,) = findings(changed("applicants/0/groups/\ud800", "x"))
    assert finding.startswith("applicants[0].groups[")
    assert finding.endswith('holds half a character (a lone surrogate), is "\\ud800"; correct the text')


def test_a_long_list_of_faults_is_cut() -> None:
    doc = copy.deepcopy(GOOD)
    doc["applicants"] = [{"id": f"v{n}", "groups": {"rw": "1"}, "choices": [["nowhere"]]} for n in range(500)]

    with pytest.raises(Malformed) as refused:
        read_problem(json.dumps(doc).encode())
    assert str(refused.value).endswith("... and 480 more")


@pytest.mark.parametrize(
    ("data", "finding"),
    [
        ({"served": [], "waiting": []}, "problem_sha256: is missing; add it"),
        (
            {"problem_sha256": "", "served": [{"applicant": "v", "pool": "p", "tier": -1, "phase": 1}], "waiting": []},
            "served[0].tier: must be 0 or more, is -1",
        ),
        (
            {"problem_sha256": "", "served": [{"applicant": "v", "pool": "p", "tier": 0, "phase": 3}], "waiting": []},
            "served[0].phase: must be 1 or 2, is 3",
        ),
    ],
)
def test_a_faulty_result_is_named_by_its_path(data: Doc, finding: str) -> None:
    with pytest.raises(Malformed) as refused:
        read_result(json.dumps(data).encode())
    assert list(refused.value.findings) == [finding]
