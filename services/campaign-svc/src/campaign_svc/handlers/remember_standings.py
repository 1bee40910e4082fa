"""Keeps the standing facts that tier-svc says until the own position has passed them, and lets a rise fire its campaigns then. The one
thing not to break: a fact is brought into force by the position alone, in the place that it names, never by its arrival."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from campaign_svc.domain.deciding import Foresight
from campaign_svc.domain.standings import Member, Standing
from campaign_svc.handlers.settle_decisions import settle_decisions
from campaign_svc.store import Activation, CampaignStore
from laurel_contracts.tiers import ActivitiesAssessed, StandingChanged
from laurel_kit.hearing import Heard, Hold, fresh


async def remember_standings(heard: Sequence[Heard], store: CampaignStore) -> None:
    """Standing facts into the members' memory; marks to the gate."""
    for record in heard:
        data = record.event.data
        if isinstance(data, ActivitiesAssessed):
            store.move_mark(data.topic, data.partition, data.next_offset)
    ours = [(member_id, record) for record in heard if (member_id := record.member_id) is not None]
    if not ours:
        return
    members = await store.lock_members({member_id: record.partition for member_id, record in ours})
    activations = await _activations_needed(ours, store)
    for member_id, record in ours:
        member = members[member_id]
        if record.number is None:
            raise ValueError("a record about a member bears no number")
        if fresh(member.last_ordinal, record.number):
            if isinstance(record.event.data, StandingChanged):
                member.remember(_standing(record, activations))
            member.last_ordinal = record.number
    foresight = Foresight(
        await store.rules({standing.version for member in members.values() for standing in member.ahead}), {}
    )
    for member in members.values():
        await _rise(member, foresight, store)
    await settle_decisions(foresight, members, store)


async def _rise(member: Member, foresight: Foresight, store: CampaignStore) -> None:
    """Bring into force what the position has passed already. A fact that holds for activities which have been decided (a dead letter
    in tier-svc, replayed) makes them be judged again."""
    late = [fact for fact in member.ahead if fact.holds_after < member.last_seq]
    foresight.rise(member)
    if not late:
        return
    # Read once for all of them: an occasion that several facts concern must be one and the same here.
    occasions = await store.occasions_after(member.member_id, min(standing.holds_after for standing in late))
    await store.rules({occasion.version for occasion in occasions})
    for standing in late:
        foresight.rate_again(standing, [each for each in occasions if each.place > standing.holds_after])


async def _activations_needed(ours: Sequence[tuple[UUID, Heard]], store: CampaignStore) -> list[Activation]:
    partitions = {record.partition for _, record in ours if record.event.programmeversion is None}
    return await store.activations(partitions) if partitions else []


def _standing(record: Heard, activations: Sequence[Activation]) -> Standing:
    event = record.event
    fact = event.data
    version = event.programmeversion
    if version is None:
        version = _version_at(event.time, record.partition, activations)
    return Standing(
        fact.ordinal, fact.holds_after, fact.kind, fact.computed_from, fact.computed_to, fact.effective_to, version, event.time
    )  # fmt: skip


def _version_at(at: datetime, partition: int, activations: Sequence[Activation]) -> int:
    """The version in force at an instant, as this partition was told (domain.md 6)."""
    in_force = [v for p, v, _, since in activations if p == partition and (since is None or since <= at)]
    if not in_force:
        raise Hold(f"no programme version is known to be in force at {at.isoformat()}")
    return in_force[-1]
