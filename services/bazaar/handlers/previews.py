"""What a policy would do, put together for another process to find out."""

import asyncio
from datetime import datetime
from uuid import UUID

from services.bazaar.allocation.problem import canonical_json
from services.bazaar.domain import preview as domain
from services.bazaar.domain import round as rounds_domain
from services.bazaar.domain.bazaar import Bazaar
from services.bazaar.domain.policies import PolicyDocument
from services.bazaar.domain.policy import Policy, PolicyReference
from services.bazaar.domain.preview import Job, PreviewRunning, Side
from services.bazaar.domain.round import Candidate, GroupTurns
from services.bazaar.handlers.policies import look_up
from services.bazaar.store import bazaars
from services.bazaar.store import rounds as store
from shared.clock import day_in_jakarta
from shared.db import Connection


async def preview_policy(
    conn: Connection, bazaar_id: UUID, policy: Policy | PolicyReference, seeds: int, *, now: datetime
) -> Job:
    """The round as it would be frozen at this moment, under the bazaar's policy and under this one. Until the
    transaction ends no other preview of the bazaar begins. Raises `PreviewRunning`."""
    if not await store.try_to_preview(conn, bazaar_id):
        raise PreviewRunning("Another preview of this bazaar is being made; look again in a few seconds.")
    bazaar = await bazaars.find_bazaar(conn, bazaar_id)
    domain.require_previewable(bazaar, await store.count_candidates(conn, bazaar_id))
    if isinstance(policy, PolicyReference):
        document = (await look_up(conn, policy)).document
    else:
        document = PolicyDocument(policy=policy)
    candidates = await store.find_candidates(conn, bazaar_id)
    proposed = domain.under(bazaar, document)
    ranked = bool(bazaar.policy.groups_ranked or proposed.policy.groups_ranked)
    ledger = await store.sum_turns_by_groups(conn) if ranked else []
    return await asyncio.to_thread(_job, bazaar, proposed, candidates, ledger, seeds, now)


def _job(
    bazaar: Bazaar, proposed: Bazaar, candidates: list[Candidate], ledger: list[GroupTurns], seeds: int, now: datetime
) -> Job:
    names = domain.names_of(candidates)

    def side(of: Bazaar) -> Side:
        eligible, dropped = rounds_domain.admit(of, candidates, now)
        standings = rounds_domain.standings(of.policy.groups_ranked, ledger)
        problem = rounds_domain.problem_document(of, eligible, standings, names, str)
        return Side(canonical_json(problem), len(dropped))

    return Job(day_in_jakarta(now), seeds, domain.people_of(candidates, names), side(bazaar), side(proposed))
