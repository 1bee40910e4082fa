"""Decides the campaigns of a batch of activities: load many, decide one by one, save many, say many. The one thing not to break: the
lane is gated behind tier-svc's mark, so every standing fact that holds for these activities is here already."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from campaign_svc.domain.catalogue import CATALOGUE, REFUND
from campaign_svc.domain.deciding import Foresight
from campaign_svc.handlers.settle_decisions import settle_decisions
from campaign_svc.store import CampaignStore
from laurel_contracts.decisions import DayClosed, ProgrammeActivated
from laurel_kit.hearing import Heard, fresh


async def decide_campaigns(heard: Sequence[Heard], store: CampaignStore) -> None:
    """Which campaigns do these activities fire, and which awards do these refunds undo?"""
    await _note_partitions([record for record in heard if record.key is None], store)
    ours = [(member_id, record) for record in heard if (member_id := record.member_id) is not None]
    members = await store.lock_members({member_id: record.partition for member_id, record in ours})
    orders = await store.orders(
        (member_id, record.event.data.order_id)
        for member_id, record in ours
        if record.type == REFUND and record.event.data is not None
    )
    versions = {
        version
        for _, record in ours
        if record.type in CATALOGUE and (version := record.event.programmeversion) is not None
    }
    versions |= {order.version for order in orders.values()}
    versions |= {standing.version for member in members.values() for standing in member.ahead}
    foresight = Foresight(await store.rules(versions), orders)
    for member_id, record in ours:
        member = members[member_id]
        if record.number is None:
            raise ValueError("a record about a member bears no number")
        if fresh(member.last_seq, record.number):
            foresight.go_along(member, record.number, record.event)
    await settle_decisions(foresight, members, store)


async def _note_partitions(records: Sequence[Heard], store: CampaignStore) -> None:
    """Activations and closed days, which are told to whole partitions."""
    days: dict[int, datetime] = {}
    activations = []
    for record in records:
        data = record.event.data
        if isinstance(data, DayClosed):
            days[record.partition] = max(data.as_of, days.get(record.partition, data.as_of))
        elif isinstance(data, ProgrammeActivated):
            activations.append((record.partition, data.version, data.sha256, data.effective_from))
    await store.note_days(days)
    await store.note_activations(activations)
