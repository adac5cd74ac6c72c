"""The short form of `make chaos`: real processes, killed at every kind of point, on this run's servers."""

from deploy.local import stack
from tests.chaos.fleet import OUTSIDE
from tests.chaos.rehearsal import prove_awake
from tests.chaos.storm import squall

KILLS_MIN = 10
SEED = 20230320
PEOPLE = 120


async def test_the_checker_reports_what_was_spoiled_on_real_servers_and_nothing_else(servers: stack.Running) -> None:
    planted = await prove_awake(servers)
    faults = {"lost", "disordered", "effect doubled", "effect wrong"}  # in the log
    faults |= {"told twice", "not told", "contradicted", "without cause", "effect lost"}  # in the books
    assert {finding.fault for finding in planted} == faults


async def test_killed_at_every_kind_of_point_nothing_is_lost_and_who_is_left_takes_over(
    servers: stack.Running,
) -> None:
    outcome = await squall(servers, seed=SEED, people=PEOPLE)
    assert not outcome.findings, "\n".join(map(str, outcome.findings))
    assert outcome.kills.total() - outcome.kills[OUTSIDE] >= KILLS_MIN
    assert outcome.events >= 3 * PEOPLE  # registered, card, told
    assert outcome.duplicates["lapak.vendor.commands.v1"] >= outcome.load["commands sent twice"] > 0
    ways = outcome.ways
    assert all(ways[f"taken by {one}"] for one in ("whatsapp", "twilio", "vonage", "e-mail"))
    assert ways["sent on"]  # to the next channel: the one before failed
    assert not outcome.errors.keys() & {f"{name} loop.failed" for name in ("vendor", "notify", "witness")}
