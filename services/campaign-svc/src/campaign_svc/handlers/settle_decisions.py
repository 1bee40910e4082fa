"""The second half of every decision: count what limits need, settle, lock budgets if any is asked, save, say. The one thing not to
break: budgets are locked last and only then final; what was settled without them is thrown away."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from campaign_svc import events
from campaign_svc.domain.awards import Occasion
from campaign_svc.domain.deciding import Foresight, JudgedAgain, Settled, Settling, limited
from campaign_svc.domain.standings import Member
from campaign_svc.store import CampaignStore
from laurel_contracts.envelope import derived_id


async def settle_decisions(foresight: Foresight, members: dict[UUID, Member], store: CampaignStore) -> None:
    """Make what was foreseen final, write it and say it."""
    steps = foresight.steps
    settled = Settled()
    if steps:
        recorded = {id(occasion) for occasion in foresight.recorded}
        judged = [
            step.occasion for step in steps if isinstance(step, JudgedAgain) and id(step.occasion) not in recorded
        ]
        given = await store.grants_of(limited(steps))
        caused = await store.awards_of(judged)
        said = {member.member_id: member.said_number for member in members.values()}
        settled = Settling(given, caused, said, derived_id).settle(steps)
        if settled.budgets_asked:
            budgets = await store.lock_budgets(settled.budgets_asked)
            settled = Settling(given, caused, said, derived_id, budgets).settle(steps)
    for occasion, outcomes in settled.outcomes:
        occasion.outcomes |= outcomes
    for member in members.values():
        member.said_number = settled.said.get(member.member_id, member.said_number)
    await store.save(members.values(), foresight.recorded, _changed(foresight), settled)
    store.say(events.of(settled))


def _changed(foresight: Foresight) -> list[Occasion]:
    """The occasions of earlier batches that this one has changed, each once."""
    recorded = {id(occasion) for occasion in foresight.recorded}
    touched: Iterable[Occasion] = (*foresight.refunded.values(), *foresight.rated_again)
    return list({id(occasion): occasion for occasion in touched if id(occasion) not in recorded}.values())
