"""Receipts: the hash tree as RFC 9162 defines it, and every way of altering a list or a receipt."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from typer.testing import CliRunner

from services.bazaar.allocation.problem import canonical_json
from services.bazaar.domain.pseudonyms import CROCKFORD, pseudonym
from services.bazaar.domain.receipts import (
    Receipt,
    check_against_problem,
    check_against_result,
    check_receipt,
    grow,
    hash_leaf,
    root_of,
)
from services.cli import app

runner = CliRunner()

# the leaves and roots by which implementations of Certificate Transparency are compared
LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def by_definition(leaves: list[bytes]) -> bytes:
    """RFC 9162, 2.1.1, word for word."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return sha256(b"\x01" + by_definition(leaves[:split]) + by_definition(leaves[split:])).digest()


@pytest.mark.parametrize("size", range(9))
def test_the_tree_has_the_roots_that_certificate_transparency_has(size: int) -> None:
    assert grow([bytes.fromhex(leaf) for leaf in LEAVES[:size]]).root.hex() == ROOTS[size]


@given(st.lists(st.binary(max_size=3), max_size=70))
def test_the_tree_is_that_of_the_definition_and_every_leaf_has_its_path(leaves: list[bytes]) -> None:
    tree = grow(leaves)
    assert tree.root == by_definition(leaves)
    for index, leaf in enumerate(leaves):
        assert root_of(hash_leaf(leaf), index, len(leaves), tree.path(index)) == tree.root


@given(st.integers(1, 70), st.data())
def test_a_path_that_is_too_long_or_too_short_leads_nowhere(size: int, data: st.DataObject) -> None:
    tree = grow([bytes([at]) for at in range(size)])
    index = data.draw(st.integers(0, size - 1))
    path = tree.path(index)
    leaf = hash_leaf(bytes([index]))
    assert root_of(leaf, index, size, [*path, bytes(32)]) != tree.root
    if path:
        assert root_of(leaf, index, size, path[:-1]) != tree.root
        assert root_of(leaf, index, size, path[1:]) != tree.root


# ---- a round of seven, and its receipts


def applicant(number: int) -> dict[str, Any]:
    return {
        "id": pseudonym(b"s" * 32, UUID(int=number)),
        "groups": {"rw": "31.71.02.1002.003"},
        "turns": number % 3,
        "waiting_since": "2023-01-05",
        "choices": [["one"]],
    }


APPLICANTS = sorted((applicant(number) for number in range(7)), key=lambda one: str(one["id"]))
PROBLEM: dict[str, Any] = {
    "applicants": APPLICANTS,
    "pools": [{"id": "one", "capacity": 3, "reserves": [], "caps": []}],
    "rotation": [{"by": "vendor", "measure": "waiting_since"}],
}
FROZEN = canonical_json(PROBLEM)
RESULT = canonical_json(
    {
        "problem_sha256": "0" * 64,
        "served": [{"applicant": one["id"], "pool": "one", "tier": 0, "phase": 2} for one in APPLICANTS[:3]],
        "waiting": [{"applicant": one["id"], "place": at} for at, one in enumerate(APPLICANTS[3:], start=1)],
    }
)


def receipt_of(index: int) -> Receipt:
    tree = grow([canonical_json(one) for one in APPLICANTS])
    kind = "served" if index < 3 else "waiting"
    entry = next(one for one in json.loads(RESULT)[kind] if one["applicant"] == APPLICANTS[index]["id"])
    return Receipt(
        bazaar_id=UUID(int=1),
        round=1,
        frozen_sha256=sha256(FROZEN).hexdigest(),
        applicants_root=tree.root.hex(),
        entry=APPLICANTS[index],
        index=index,
        size=7,
        path=[one.hex() for one in tree.path(index)],
        result_sha256=sha256(RESULT).hexdigest(),
        outcome={kind: entry},
    )


def findings(receipt: Receipt, problem: bytes = FROZEN, result: bytes = RESULT) -> list[str]:
    return [*check_receipt(receipt), *check_against_problem(receipt, problem), *check_against_result(receipt, result)]


@pytest.mark.parametrize("index", range(7))
def test_every_receipt_is_true_with_the_list_before_and_after_the_seed(index: int) -> None:
    assert findings(receipt_of(index)) == []
    assert findings(receipt_of(index), FROZEN[:-1] + b',"seed":"3-8-19"}') == []


@pytest.mark.parametrize("index", [0, 3, 6])
def test_a_receipt_altered_in_any_byte_is_found_out(index: int) -> None:
    true = receipt_of(index)
    data = bytearray(true.model_dump_json().encode())
    unnoticed = 0
    for at in range(len(data)):
        for altered in {data[at] ^ 1, data[at] ^ 0x20, ord("0"), ord("f")} - {data[at]}:
            before, data[at] = data[at], altered
            try:
                found = Receipt.model_validate_json(bytes(data))
            except (ValidationError, UnicodeDecodeError):
                continue
            finally:
                data[at] = before
            # where to look the round up is an address, not a claim: another round has another root
            if found.model_copy(update={"bazaar_id": true.bazaar_id, "round": true.round}) == true:
                unnoticed += 1
            else:
                assert findings(found), f"byte {at}"
    assert unnoticed < 40 * 4, "only the digits of the bazaar's id and of the round may pass"


def test_who_is_added_removed_or_altered_after_the_freeze_is_found_out_by_everyone() -> None:
    altered: list[list[dict[str, Any]]] = [
        [*APPLICANTS, applicant(8)],
        APPLICANTS[1:],
        APPLICANTS[:-1],
        [APPLICANTS[1], APPLICANTS[0], *APPLICANTS[2:]],
        *(
            [*APPLICANTS[:at], {**one, field: value}, *APPLICANTS[at + 1 :]]
            for at, one in enumerate(APPLICANTS)
            for field, value in [
                ("id", "0000-0000-0000"),
                ("turns", 9),
                ("waiting_since", "2020-01-01"),
                ("groups", {}),
                ("choices", [["two"]]),
            ]
        ),
    ]
    for applicants in altered:
        problem = canonical_json({**PROBLEM, "applicants": applicants})
        for index in range(7):
            found = check_against_problem(receipt_of(index), problem)
            assert any(one.startswith("frozen_sha256") for one in found)
            assert any(one.startswith("applicants_root") for one in found)


def test_a_rule_altered_after_the_freeze_is_found_out_although_the_applicants_are_the_same() -> None:
    problem = canonical_json({**PROBLEM, "rotation": [{"by": "vendor", "measure": "turns"}]})
    assert [one.partition(":")[0] for one in check_against_problem(receipt_of(0), problem)] == ["frozen_sha256"]


def test_an_outcome_that_was_not_published_is_found_out() -> None:
    claimed = receipt_of(5).model_copy(update={"outcome": receipt_of(1).outcome})
    assert [one.partition(":")[0] for one in check_against_result(claimed, RESULT)] == ["outcome"]
    for result in (RESULT.replace(b'"place":1', b'"place":2'), RESULT[:-1] + b" }"):
        assert any(one.startswith("result_sha256") for one in check_against_result(receipt_of(3), result))


# ---- pseudonyms


def test_a_pseudonym_is_short_readable_and_another_in_each_round() -> None:
    names = {pseudonym(secret, UUID(int=number)) for secret in (b"1" * 32, b"2" * 32) for number in range(2000)}
    assert len(names) == 4000
    for name in names:
        parts = name.split("-")
        assert [len(part) for part in parts] == [4, 4, 4]
        assert set("".join(parts)) <= set(CROCKFORD)


# ---- the command


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "receipt.json").write_text(receipt_of(4).model_dump_json())
    (tmp_path / "problem.json").write_bytes(FROZEN)
    (tmp_path / "result.json").write_bytes(RESULT)
    return tmp_path


def test_the_command_finds_a_true_receipt_true(files: Path) -> None:
    receipt = str(files / "receipt.json")
    alone = runner.invoke(app, ["receipt", receipt])
    assert (alone.exit_code, alone.stdout) == (0, f"root {receipt_of(4).applicants_root}\n")
    options = ["--problem", str(files / "problem.json"), "--result", str(files / "result.json")]
    assert runner.invoke(app, ["receipt", receipt, *options, "--root", receipt_of(4).applicants_root]).exit_code == 0


def test_the_command_names_what_was_altered(files: Path) -> None:
    receipt = str(files / "receipt.json")
    other = runner.invoke(app, ["receipt", receipt, "--root", "0" * 64])
    assert (other.exit_code, other.stdout.partition(":")[0]) == (1, "applicants_root")
    (files / "problem.json").write_bytes(canonical_json({**PROBLEM, "applicants": APPLICANTS[1:]}))
    missing = runner.invoke(app, ["receipt", receipt, "--problem", str(files / "problem.json")])
    assert missing.exit_code == 1
    assert [line.partition(":")[0] for line in missing.stdout.splitlines()] == [
        "frozen_sha256",
        "applicants_root",
        "size",
        "entry",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the receipt is not JSON"),
        ("[]", "the document: must be an object, is []"),
        ('{"round": 1, "round": 1}', "round: stands twice in its object; keep one"),
        ('{"round": "x"}', "frozen_sha256: is missing; add it"),
        (
            '{"rond": 1}',
            "rond: is not a field here; correct its spelling or take it out (fields here are bazaar_id, round,",
        ),
        ("\udcff", "the receipt is not UTF-8 text (byte 0); save it as UTF-8 JSON"),
    ],
)
def test_the_command_names_what_is_wrong_with_what_is_no_receipt(files: Path, text: str, said: str) -> None:
    file = files / "receipt.json"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    ran = runner.invoke(app, ["receipt", str(file)])
    assert ran.exit_code == 2
    assert ran.stderr.startswith(f"{file} is no receipt, as GET /v1/applications/{{id}}/receipt gives it:\n")
    assert said in ran.stderr
    assert runner.invoke(app, ["receipt", str(files / "nothing.json")]).exit_code == 2


@pytest.mark.parametrize(("option", "what"), [("--problem", "problem"), ("--result", "result")])
def test_the_command_names_the_file_that_is_not_what_it_should_be(files: Path, option: str, what: str) -> None:
    ran = runner.invoke(app, ["receipt", str(files / "receipt.json"), option, str(files / "receipt.json")])
    assert ran.exit_code == 2
    assert ran.stderr.startswith(
        f"{files / 'receipt.json'} is no {what}, as GET /v1/bazaars/{{id}}/rounds/{{n}}/{what}"
    )
