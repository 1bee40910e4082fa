"""All members: the export of standings, and the sums."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query

from laurel_kit.postgres import Database, Transaction
from tier_svc.api.schemas import MemberAnswer, MembersPage
from tier_svc.store import TierStore
from tier_svc.store.rows import effective

NOBODY = UUID(int=0)


def router(database: Database, open_store: Callable[[Transaction], TierStore]) -> APIRouter:
    """/v1/standings and /v1/summary."""
    routes = APIRouter(prefix="/v1", tags=["standings"])

    @routes.get("/standings")
    async def standings(limit: Annotated[int, Query(ge=1, le=1_000)] = 100, after: UUID = NOBODY) -> MembersPage:
        """Members by id; `after` is what `next` said."""
        async with database.reading() as tx:
            store = open_store(tx)
            rules = await store.programmes.newest_in_force()
            found = await store.answers.page(after, limit)
        items = [
            MemberAnswer(
                member_id=row.member_id,
                tier=effective(row, rules) if rules else row.tier,
                computed_tier=rules.name(row.tier) if rules else row.tier,
                since=row.since,
                until=row.until,
            )
            for row in found
        ]
        return MembersPage(items=items, next=str(items[-1].member_id) if len(items) == limit else None)

    @routes.get("/summary")
    async def summary() -> dict[str, Any]:
        """Members by tier, lowest first; facts by kind; ends judged (kept and lapsed); demotions by refund; corrections."""
        async with database.reading() as tx:
            store = open_store(tx)
            rules = await store.programmes.newest_in_force()
            tiers = await store.answers.members_by_tier()
            facts = await store.answers.facts_by_kind()
            ends = await store.answers.ends_judged()
        members = {tier.id: 0 for tier in rules.ladder} if rules else {}
        for tier, count in tiers.items():
            name = rules.name(tier) if rules else tier
            members[name] = members.get(name, 0) + count
        corrected, corrected_in_tier = facts.get("corrected", (0, 0))
        return {
            "members": members,
            "facts": {kind: said for kind, (said, _) in sorted(facts.items())},
            "ends_judged": ends,
            "demotions": facts.get("lowered", (0, 0))[0],
            "corrected": {"in_tier": corrected_in_tier, "in_period_only": corrected - corrected_in_tier},
        }

    return routes
