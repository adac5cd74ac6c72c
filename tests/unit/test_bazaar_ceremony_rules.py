"""The ceremony of the seed, and every way of cheating at it that we could think of; the beacon's moment."""

import json
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from typer.testing import CliRunner

from services.bazaar.domain.bazaar import BazaarState
from services.bazaar.domain.ceremony import (
    LATE_VALUE,
    OFFICIALS_MAX,
    PUBLIC_DRAW,
    Beacon,
    BeaconMoment,
    Ceremony,
    Commit,
    CommitsClosed,
    CommitsOpen,
    CommittedAlready,
    DrawSeed,
    NotCommitted,
    PublicCeremony,
    Reveal,
    RevealedAlready,
    RevealOver,
    SecretWrong,
    SeedDrawnOtherwise,
    SeedPlan,
    SeedPlanFixed,
    TooFewOfficials,
    TooManyOfficials,
    check_ceremony,
    close,
    commit,
    commitment_of,
    draw_together,
    due_at,
    fall_due,
    open_ceremony,
    require_plannable,
    reveal,
    shown,
    source_typed_in,
)
from services.cli import app
from tests.unit.bazaar import CLOSING, a_bazaar

MINUTE, MICROSECOND = timedelta(minutes=1), timedelta(microseconds=1)
BAZAAR_ID, FROZEN_SHA256 = UUID("0186f0a2-7b10-7d52-8e07-5a1c9b3f2d41"), "ab" * 32
PLAN = SeedPlan(by="ceremony", commit_minutes=60, reveal_minutes=30)
SECRETS = [sha256(bytes([number])).hexdigest() for number in range(OFFICIALS_MAX + 1)]

runner = CliRunner()


def begun() -> Ceremony:
    return open_ceremony(PLAN, BAZAAR_ID, 1, 1, CLOSING)


def committed(number: int = 3) -> Ceremony:
    ceremony = begun()
    for at in range(number):
        ceremony = join(ceremony, at)
    return ceremony


def join(ceremony: Ceremony, official: int, secret: str | None = None, **more: Any) -> Ceremony:
    command = Commit(commitment=commitment_of(secret or SECRETS[official]), office=f"Instansi {official}")
    moment = more.get("now", CLOSING + MINUTE)
    before = [part.commitment for part in ceremony.parts]
    return commit(ceremony, command, f"officer-{official}", more.get("before", before), moment)[0]


def tell(ceremony: Ceremony, official: int, secret: str | None = None, *, after: timedelta = 2 * MINUTE) -> Ceremony:
    return reveal(ceremony, Reveal(secret=secret or SECRETS[official]), f"officer-{official}", CLOSING + after)[0]


def complete(number: int = 3) -> Ceremony:
    ceremony = close(committed(number), CLOSING + MINUTE)
    for at in reversed(range(number)):
        ceremony = tell(ceremony, at)
    return ceremony


def test_when_all_have_revealed_the_seed_is_the_hash_of_what_is_said_it_is() -> None:
    ceremony = complete()
    assert (ceremony.state, ceremony.ended_at) == ("drawn", CLOSING + 2 * MINUTE)
    seed, source = draw_together(ceremony, FROZEN_SHA256)
    lines = f"lapak seed v1\n{BAZAAR_ID}\n1\n{FROZEN_SHA256}\n{SECRETS[0]}\n{SECRETS[1]}\n{SECRETS[2]}"
    assert seed == sha256(lines.encode()).hexdigest()
    assert source == "ceremony of 3 officials, attempt 1: commit and reveal"


def test_the_seed_of_known_secrets_is_known() -> None:
    """A stored value: whatever changes the bytes of a seed makes rounds of the past look forged."""
    seed, _ = draw_together(complete(), FROZEN_SHA256)
    assert seed == "cb1a46f6f249b683038f3aebec2da9ed22da97b3bef6d69f48cfb052ab7c101a"


@given(st.permutations(range(4)))
def test_the_order_of_revealing_does_not_matter(order: list[int]) -> None:
    ceremony = close(committed(4), CLOSING + MINUTE)
    for official in order:
        ceremony = tell(ceremony, official)
    assert draw_together(ceremony, FROZEN_SHA256) == draw_together(complete(4), FROZEN_SHA256)


@pytest.mark.parametrize("official", range(3))
def test_every_secret_counts(official: int) -> None:
    ceremony = begun()
    for at in range(3):
        ceremony = join(ceremony, at, SECRETS[7] if at == official else None)
    ceremony = close(ceremony, CLOSING + MINUTE)
    for at in range(3):
        ceremony = tell(ceremony, at, SECRETS[7] if at == official else None)
    assert draw_together(ceremony, FROZEN_SHA256) != draw_together(complete(), FROZEN_SHA256)


def test_nobody_joins_once_secrets_may_be_known() -> None:
    ceremony = close(committed(), CLOSING + MINUTE)
    with pytest.raises(CommitsClosed):
        join(ceremony, 4)
    with pytest.raises(CommitsClosed):
        join(tell(ceremony, 0), 4)
    # the timer that closes it may come late: the deadline counts, not the timer
    with pytest.raises(CommitsClosed):
        join(committed(), 4, now=begun().commit_until + MICROSECOND)
    assert len(join(committed(), 4, now=begun().commit_until).parts) == 4


def test_an_official_commits_once_and_nobody_with_anothers_commitment() -> None:
    with pytest.raises(CommittedAlready):
        join(committed(), 0, SECRETS[5])
    with pytest.raises(CommittedAlready):
        join(committed(), 5, SECRETS[0])
    with pytest.raises(CommittedAlready):  # of an attempt that failed, whose secrets may be known
        join(begun(), 0, before=[commitment_of(SECRETS[0])])


def test_a_ceremony_has_its_least_and_its_most_officials() -> None:
    with pytest.raises(TooFewOfficials):
        close(committed(2), CLOSING + MINUTE)
    with pytest.raises(TooManyOfficials):
        join(committed(OFFICIALS_MAX), OFFICIALS_MAX)


def test_commits_close_at_the_deadline_when_enough_are_there_and_else_when_the_last_one_comes() -> None:
    deadline = begun().commit_until
    assert fall_due(committed(3), deadline).state == "committing"
    assert fall_due(committed(3), deadline + MICROSECOND).state == "revealing"
    assert fall_due(committed(2), deadline + MICROSECOND).state == "committing"
    late = join(committed(2), 2, now=deadline + MINUTE)
    assert (late.state, late.closed_at) == ("revealing", deadline + MINUTE)


def test_nothing_is_revealed_while_somebody_can_still_join() -> None:
    with pytest.raises(CommitsOpen):
        tell(committed(), 0)


def test_only_what_was_committed_to_is_revealed_by_who_committed_to_it_and_once() -> None:
    ceremony = close(committed(), CLOSING + MINUTE)
    with pytest.raises(SecretWrong):
        tell(ceremony, 0, SECRETS[1])
    with pytest.raises(NotCommitted):
        tell(ceremony, 5, SECRETS[0])
    with pytest.raises(RevealedAlready):
        tell(tell(ceremony, 0), 0)


def test_who_keeps_silent_has_failed_the_ceremony_and_cannot_come_back_to_it() -> None:
    ceremony = tell(tell(close(committed(), CLOSING + MINUTE), 0), 1)
    assert ceremony.reveal_until is not None
    assert fall_due(ceremony, ceremony.reveal_until).state == "revealing"
    failed = fall_due(ceremony, ceremony.reveal_until + MICROSECOND)
    assert failed.state == "failed"
    with pytest.raises(RevealOver):
        tell(failed, 2)
    # also before the timer came round
    with pytest.raises(RevealOver):
        reveal(ceremony, Reveal(secret=SECRETS[2]), "officer-2", ceremony.reveal_until + MICROSECOND)
    at_the_last_moment, _ = reveal(ceremony, Reveal(secret=SECRETS[2]), "officer-2", ceremony.reveal_until)
    assert at_the_last_moment.state == "drawn"


@pytest.mark.parametrize("secret", ["1", "", "g" * 64, "A" * 64, "a" * 63, "a" * 65, "a" * 64 + "\n"])
def test_a_secret_that_could_be_guessed_or_written_in_two_ways_is_none(secret: str) -> None:
    with pytest.raises(ValidationError):
        Reveal(secret=secret)


def test_what_everyone_reads_names_offices_and_no_person() -> None:
    page = json.dumps(shown(complete()), default=str)
    assert "Instansi 0" in page
    assert "officer-0" not in page


# ---- the public page, checked by anyone


def page(*attempts: Ceremony) -> dict[str, Any]:
    drawn = [one for one in attempts if one.state == "drawn"]
    document = {
        "bazaar_id": str(BAZAAR_ID),
        "round": 1,
        "frozen_sha256": FROZEN_SHA256,
        "seed": draw_together(drawn[0], FROZEN_SHA256)[0] if drawn else None,
        "attempts": [shown(one) for one in attempts],
    }
    return dict(json.loads(json.dumps(document, default=str)))


def failed_once() -> list[Ceremony]:
    ceremony = begun()
    for official in range(3):
        ceremony = join(ceremony, official, SECRETS[official + 4])
    ceremony = tell(close(ceremony, CLOSING + MINUTE), 0, SECRETS[4])
    assert ceremony.reveal_until is not None
    return [fall_due(ceremony, ceremony.reveal_until + MINUTE), replace(complete(), attempt=2)]


def test_anyone_draws_the_seed_again_from_the_page(tmp_path: Path) -> None:
    file = tmp_path / "ceremony.json"
    file.write_text(json.dumps(page(*failed_once())))
    ran = runner.invoke(app, ["seed", str(file)])
    assert (ran.exit_code, ran.stdout.strip()) == (0, draw_together(complete(), FROZEN_SHA256)[0])
    file.write_text(json.dumps(page(failed_once()[0])))
    assert runner.invoke(app, ["seed", str(file)]).exit_code == 1
    file.write_text("{}")
    assert runner.invoke(app, ["seed", str(file)]).exit_code == 2
    made = dict(line.split() for line in runner.invoke(app, ["seed", "--new-secret"]).stdout.splitlines())
    assert commitment_of(Reveal(secret=made["secret"]).secret) == made["commitment"]


def test_a_round_solved_with_another_seed_or_over_another_list_is_found_out(tmp_path: Path) -> None:
    """Every official revealed what it had committed to, and the verifier agrees with the result: still a cheat."""
    list_frozen = b'{"applicants":[],"pools":[]}'
    seed, _ = draw_together(complete(), sha256(list_frozen).hexdigest())
    document = {**page(complete()), "frozen_sha256": sha256(list_frozen).hexdigest(), "seed": seed}
    ceremony, problem = tmp_path / "ceremony.json", tmp_path / "problem.json"
    ceremony.write_text(json.dumps(document))

    def checked(solved: object) -> tuple[int, str]:
        problem.write_text(json.dumps(solved))
        ran = runner.invoke(app, ["seed", str(ceremony), "--problem", str(problem)])
        return ran.exit_code, ran.stdout

    assert checked({"applicants": [], "pools": [], "seed": seed}) == (0, f"{seed}\n")
    code, told = checked({"applicants": [], "pools": [], "seed": "chosen"})
    assert (code, told) == (1, f"seed: the problem was solved with chosen, the secrets give {seed}\n")
    code, told = checked({"applicants": [{"id": "a-friend"}], "pools": [], "seed": seed})
    assert (code, told[:14]) == (1, "frozen_sha256:")
    assert checked({"applicants": [], "pools": []})[0] == 2
    assert runner.invoke(app, ["seed", "--new-secret", "--problem", str(problem)]).exit_code == 2


def altered(document: dict[str, Any], *path: str | int) -> dict[str, Any]:
    """The page with one character of one of its fields changed."""
    copy = json.loads(json.dumps(document))
    found = copy
    for step in path[:-1]:
        found = found[step]
    value = found[path[-1]]
    found[path[-1]] = value + 1 if isinstance(value, int) else ("0" if value[0] != "0" else "1") + value[1:]
    return dict(copy)


def test_a_page_that_was_altered_is_found_out() -> None:
    true = page(*failed_once())
    assert check_ceremony(PublicCeremony.model_validate(true))[1] == []
    paths: list[tuple[str | int, ...]] = [("bazaar_id",), ("round",), ("frozen_sha256",), ("seed",)]
    for official in range(3):
        paths += [("attempts", 1, "officials", official, field) for field in ("secret", "commitment", "position")]
    paths.append(("attempts", 0, "officials", 0, "secret"))
    for one in paths:
        assert check_ceremony(PublicCeremony.model_validate(altered(true, *one)))[1], one


def test_a_seed_without_every_secret_or_a_failure_with_every_secret_is_found_out() -> None:
    silent = page(*failed_once())
    silent["attempts"][1]["officials"][2]["secret"] = None
    silent["seed"] = None
    assert any("not every secret" in one for one in check_ceremony(PublicCeremony.model_validate(silent))[1])
    swept_away = page(*failed_once())
    swept_away["attempts"][1]["state"] = "failed"
    assert any("said to have failed" in one for one in check_ceremony(PublicCeremony.model_validate(swept_away))[1])
    repeated = page(complete(), replace(complete(), attempt=2))
    assert any("handed in before" in one for one in check_ceremony(PublicCeremony.model_validate(repeated))[1])


# ---- said before the freeze


def test_how_the_seed_is_drawn_is_said_before_the_freeze() -> None:
    before: list[BazaarState] = ["draft", "tentative", "announced"]
    since: list[BazaarState] = ["frozen", "seeded", "allocated", "finished", "cancelled"]
    for state in before:
        require_plannable(a_bazaar(state=state))
    for state in since:
        with pytest.raises(SeedPlanFixed):
            require_plannable(a_bazaar(state=state))


def test_a_plan_names_a_beacon_when_it_is_by_beacon_and_only_then() -> None:
    beacon = Beacon(name="drand quicknet", link="https://api.drand.sh/")
    SeedPlan(by="beacon", beacon=beacon)
    for by, named in (("beacon", None), ("ceremony", beacon), ("public-draw", beacon)):
        with pytest.raises(ValidationError):
            SeedPlan.model_validate({"by": by, "beacon": named})


BEACON = Beacon(name="drand quicknet", link="https://api.drand.sh/", minutes_after_freeze=30)
DUE = due_at(BEACON, CLOSING)


def value(**more: Any) -> DrawSeed:
    fields = {
        "seed": "9f86d081",
        "source": "diketik di balai warga",
        "beacon_round": "2812345",
        "drawn_at": DUE,
        "link": "https://api.drand.sh/public/2812345",
    }
    return DrawSeed.model_validate({**fields, **more})


def test_the_value_of_the_beacon_is_the_one_that_nobody_knew_at_the_freeze() -> None:
    plan = SeedPlan(by="beacon", beacon=BEACON)
    now = DUE + LATE_VALUE + MINUTE
    source = source_typed_in(plan, value(), CLOSING, now)
    assert source == (
        "diketik di balai warga; drand quicknet 2812345, 2023-03-13T10:30:00+00:00, https://api.drand.sh/public/2812345"
    )
    for drawn_at in (CLOSING - MINUTE, CLOSING, DUE - MICROSECOND, now + MICROSECOND):
        with pytest.raises(BeaconMoment):
            source_typed_in(plan, value(drawn_at=drawn_at), CLOSING, now)
    with pytest.raises(BeaconMoment):
        source_typed_in(plan, value(drawn_at=DUE + MICROSECOND), CLOSING, DUE)
    # a later value than the next one is no choice of ours: that the beacon was silent is published
    with pytest.raises(BeaconMoment):
        source_typed_in(plan, value(drawn_at=DUE + LATE_VALUE), CLOSING, now)
    late = source_typed_in(plan, value(drawn_at=DUE + LATE_VALUE, late_because="beacon-silent"), CLOSING, now)
    assert "(beacon-silent)" in late
    for field in ("beacon_round", "drawn_at", "link"):
        with pytest.raises(SeedDrawnOtherwise):
            source_typed_in(plan, value(**{field: None}), CLOSING, now)


def test_where_a_ceremony_was_announced_no_seed_is_typed_in() -> None:
    with pytest.raises(SeedDrawnOtherwise):
        source_typed_in(PLAN, value(), CLOSING, DUE)
    assert source_typed_in(PUBLIC_DRAW, value(), CLOSING, DUE) == "diketik di balai warga"
