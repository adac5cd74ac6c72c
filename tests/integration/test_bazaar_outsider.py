"""Somebody outside follows one round from its frozen list to its result: public files, and the `lapak` command.

The chain: the hash of the list is known before the seed, the seed follows from what officials had committed to, the
problem is the list with that seed, the result is what the rule makes of the problem. Each link that was bent shows,
also where all that comes behind it was bent to match.
"""

import asyncio
import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from typer.testing import CliRunner

from services.bazaar.allocation import read_problem, result_to_json, solve
from services.bazaar.allocation.problem import canonical_json
from services.bazaar.domain.ceremony import Ingredients, commitment_of, seed_of
from services.bazaar.domain.receipts import grow
from services.cli import app
from tests.integration.bazaar import CLOSING, GAMBIR, Fair, site

SECRETS = [sha256(f"secret {number}".encode()).hexdigest() for number in range(3)]


class Outsider:
    """Has a folder, the public address of a round, and the command. No token, no database."""

    def __init__(self, fair: Fair, bazaar_id: str, folder: Path) -> None:
        self._client, self._round, self.folder = fair.client, f"/v1/bazaars/{bazaar_id}/rounds/1", folder

    async def download(self, *names: str) -> None:
        """The public files of the round, byte for byte; "round" is the page with its hashes."""
        for name in names:
            response = await self._client.get(self._round if name == "round" else f"{self._round}/{name}")
            assert response.status_code == 200, response.text
            (self.folder / f"{name}.json").write_bytes(response.content)

    def read(self, name: str) -> dict[str, Any]:
        """A file of the folder."""
        document: dict[str, Any] = json.loads((self.folder / f"{name}.json").read_bytes())
        return document

    def sha256sum(self, name: str) -> str:
        """The hash of a file of the folder."""
        return sha256((self.folder / f"{name}.json").read_bytes()).hexdigest()

    def run(self, *words: str) -> tuple[int, str]:
        """`lapak` in the folder: exit code, and what it found."""
        words = tuple(str(self.folder / word) if word.endswith(".json") else word for word in words)
        done = CliRunner().invoke(app, words)
        return done.exit_code, done.stdout


class Kept(NamedTuple):
    """What everybody could write down when the list was frozen, before anybody knew the seed."""

    frozen_sha256: str
    applicants_root: str


async def officials(fair: Fair, bazaar_id: str, act: str, bodies: list[dict[str, str]]) -> None:
    """Each official in turn does this."""
    for number, body in enumerate(bodies):
        token = fair.issuer.token(f"official-{number}", ["officer"], area="31")
        await fair.done(f"/v1/bazaars/{bazaar_id}/ceremony/{act}", body, token=token)


async def held(fair: Fair, folder: Path) -> tuple[Outsider, Kept]:
    """A round is held in the open, and an outsider looks on and downloads. One applicant gives it its receipt."""
    bazaar_id = await fair.announce(
        [
            site("one", 3, reserves=[{"group": "agency", "value": "ppkukm", "seats": 1}]),
            site("two", 2, GAMBIR),
        ],
        policy={"rotation": [{"by": "rw", "measure": "turns"}, {"by": "vendor", "measure": "waiting_since"}]},
    )
    await fair.done(f"/v1/bazaars/{bazaar_id}/seed-plan", {"by": "ceremony", "officials_min": 3})
    applications = await fair.apply_all(bazaar_id, await fair.register(11), ["one"], ["two"])
    fair.clock.moment = CLOSING
    await fair.done(f"/v1/bazaars/{bazaar_id}/freeze")

    outsider = Outsider(fair, bazaar_id, folder)
    await outsider.download("round", "frozen")
    page = outsider.read("round")
    assert page["seed"] is None

    committed = [{"office": f"Kantor {n}", "commitment": commitment_of(one)} for n, one in enumerate(SECRETS)]
    await officials(fair, bazaar_id, "commit", committed)
    await fair.done(f"/v1/bazaars/{bazaar_id}/ceremony/close")
    await officials(fair, bazaar_id, "reveal", [{"secret": secret} for secret in SECRETS])
    await fair.done(f"/v1/bazaars/{bazaar_id}/allocate")

    await outsider.download("ceremony", "problem", "result")
    receipt = await fair.shown(f"/v1/applications/{applications[0]}/receipt")
    (folder / "receipt.json").write_text(json.dumps(receipt))
    return outsider, Kept(page["frozen_sha256"], page["applicants_root"])


def checks(outsider: Outsider, kept: Kept) -> dict[str, bool]:
    """What an outsider can check of a round, and whether it is so. It trusts what it wrote down at the freeze, and the
    receipt in its hand; every other file is what it was given."""
    list_of_problem = {name: value for name, value in outsider.read("problem").items() if name != "seed"}
    page = outsider.read("ceremony")
    receipt = ["receipt", "receipt.json", "--problem", "problem.json", "--result", "result.json"]
    return {
        "the list is the one that was frozen": outsider.sha256sum("frozen") == kept.frozen_sha256,
        "the problem is that list": sha256(canonical_json(list_of_problem)).hexdigest() == kept.frozen_sha256,
        "the secrets were drawn over that list": page["frozen_sha256"] == kept.frozen_sha256,
        "lapak seed": outsider.run("seed", "ceremony.json", "--problem", "problem.json")[0] == 0,
        "lapak allocate --verify": outsider.run("allocate", "--verify", "problem.json", "result.json")[0] == 0,
        "lapak receipt": outsider.run(*receipt, "--root", kept.applicants_root)[0] == 0,
    }


async def test_an_outsider_follows_a_round_from_its_frozen_list_to_its_result(fair: Fair, tmp_path: Path) -> None:
    outsider, kept = await held(fair, tmp_path)
    found = await asyncio.to_thread(checks, outsider, kept)
    assert [check for check, so in found.items() if not so] == []
    assert len(found) == 6
    # each command says what it has seen, so that it can be held against the page of the round
    await outsider.download("round")
    page = outsider.read("round")
    assert outsider.run("seed", "ceremony.json")[1].strip() == page["seed"] == outsider.read("problem")["seed"]
    assert outsider.sha256sum("problem") == page["problem_sha256"] == outsider.read("result")["problem_sha256"]
    assert outsider.sha256sum("result") == page["result_sha256"]
    assert outsider.run("receipt", "receipt.json")[1].strip() == f"root {page['applicants_root']}"
    # and whoever solves the problem gets the very file
    assert outsider.run("allocate", "problem.json", "-o", "again.json")[0] == 0
    assert outsider.sha256sum("again") == outsider.sha256sum("result")


# -- each link bent, by somebody who may write every file but what the outsider kept -----------------------------------


def favoured(document: dict[str, Any]) -> dict[str, Any]:
    """The list with its last applicant waiting since long ago."""
    document["applicants"][-1] |= {"waiting_since": "2001-01-01"}
    return document


def write(outsider: Outsider, name: str, document: dict[str, Any]) -> None:
    (outsider.folder / f"{name}.json").write_bytes(canonical_json(document))


def solve_again(outsider: Outsider) -> None:
    """Make the result match the problem, as the rule has it."""
    solved = solve(read_problem((outsider.folder / "problem.json").read_bytes()))
    (outsider.folder / "result.json").write_bytes(result_to_json(solved))


def another_list(outsider: Outsider) -> None:
    """Somebody is moved forward after the freeze; seed, problem and result are made to match, and the page of the
    ceremony and the receipts too: by itself, all of it fits together."""
    frozen = favoured(outsider.read("frozen"))
    write(outsider, "frozen", frozen)
    page = outsider.read("ceremony")
    page["frozen_sha256"] = outsider.sha256sum("frozen")
    page["seed"] = seed_of(Ingredients(page["bazaar_id"], page["round"], page["frozen_sha256"], SECRETS))
    write(outsider, "ceremony", page)
    write(outsider, "problem", {**frozen, "seed": page["seed"]})
    solve_again(outsider)
    receipt, tree = outsider.read("receipt"), grow([canonical_json(one) for one in frozen["applicants"]])
    (outcome,) = [
        {kind: one}
        for kind in ("served", "waiting")
        for one in outsider.read("result")[kind]
        if one["applicant"] == receipt["entry"]["id"]
    ]
    forged = {
        "frozen_sha256": page["frozen_sha256"],
        "applicants_root": tree.root.hex(),
        "entry": frozen["applicants"][receipt["index"]],
        "path": [one.hex() for one in tree.path(receipt["index"])],
        "result_sha256": outsider.sha256sum("result"),
        "outcome": outcome,
    }
    write(outsider, "receipt", receipt | forged)


def another_list_in_the_problem_alone(outsider: Outsider) -> None:
    """The list stays as it was frozen, and another one is solved, with the seed that was drawn."""
    write(outsider, "problem", favoured(outsider.read("problem")))
    solve_again(outsider)


def another_seed(outsider: Outsider) -> None:
    """A seed is chosen; problem and result match it."""
    write(outsider, "problem", outsider.read("problem") | {"seed": "chosen"})
    solve_again(outsider)


def another_secret(outsider: Outsider) -> None:
    """The last official reveals something else than it had committed to, which gives another seed."""
    page = outsider.read("ceremony")
    last = page["attempts"][-1]["officials"][-1]
    last["secret"] = sha256(b"chosen").hexdigest()
    page["seed"] = seed_of(
        Ingredients(page["bazaar_id"], page["round"], page["frozen_sha256"], [*SECRETS[:-1], last["secret"]])
    )
    write(outsider, "ceremony", page)
    write(outsider, "problem", outsider.read("problem") | {"seed": page["seed"]})
    solve_again(outsider)


def another_rule(outsider: Outsider) -> None:
    """The applicants are the same, but a site has more booths than it was frozen with."""
    problem = outsider.read("problem")
    problem["pools"][0]["capacity"] += 1
    write(outsider, "problem", problem)
    solve_again(outsider)


def another_result(outsider: Outsider) -> None:
    """One who waits takes the seat of one who was served."""
    result = outsider.read("result")
    served, waiting = result["served"][0], result["waiting"][-1]
    served["applicant"], waiting["applicant"] = waiting["applicant"], served["applicant"]
    write(outsider, "result", result)


def another_outcome_of_the_applicant(outsider: Outsider) -> None:
    """The applicant is told something else than what was published."""
    receipt = outsider.read("receipt")
    (kind,) = receipt["outcome"]
    other = "waiting" if kind == "served" else "served"
    write(outsider, "receipt", receipt | {"outcome": {other: outsider.read("result")[other][0]}})


RECEIPT, VERIFY, SEED = "lapak receipt", "lapak allocate --verify", "lapak seed"
LIST, PROBLEM, DRAWN = (
    "the list is the one that was frozen",
    "the problem is that list",
    "the secrets were drawn over that list",
)


@pytest.mark.parametrize(
    ("bend", "shows_in"),
    [
        (another_list, {LIST, PROBLEM, DRAWN, RECEIPT}),
        (another_list_in_the_problem_alone, {PROBLEM, SEED, RECEIPT}),
        (another_seed, {SEED, RECEIPT}),
        (another_secret, {SEED, RECEIPT}),
        (another_rule, {PROBLEM, SEED, RECEIPT}),
        (another_result, {VERIFY, RECEIPT}),
        (another_outcome_of_the_applicant, {RECEIPT}),
    ],
)
async def test_every_bent_link_shows(
    fair: Fair, tmp_path: Path, bend: Callable[[Outsider], None], shows_in: set[str]
) -> None:
    outsider, kept = await held(fair, tmp_path)
    bend(outsider)
    found = await asyncio.to_thread(checks, outsider, kept)
    assert {check for check, so in found.items() if not so} == shows_in
