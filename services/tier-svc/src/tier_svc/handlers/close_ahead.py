"""A closed day in pieces: of a million members a tenth may have a period end on one day, too many for one transaction. The one thing not to
break: ahead of a batch only those are judged of whom the batch tells nothing; for them the place of the day in the log is the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from laurel_kit.hearing import Heard
from tier_svc.handlers.assess_activities import TOPIC, agendas_of, judge_wanted, keep, wanted_by
from tier_svc.store import TierStore


async def close_ahead(heard: Mapping[str, Sequence[Heard]], store: TierStore, most: int) -> bool:
    """One piece of the members of whom something is judged by the days that a batch closes; whether there may be more. What is left when
    there is less than a piece is taken with the batch. It is remembered by the members alone: who has been judged is no longer due."""
    batch = heard.get(TOPIC, ())
    agendas = await agendas_of(batch, {one.partition for one in batch}, store)
    closed = {partition: last for partition, agenda in agendas.items() if (last := agenda.closed_last) is not None}
    if not closed:
        return False
    told = {member_id for agenda in agendas.values() for member_id in agenda.entries}
    due = await store.streams.find_due(told, closed, most)
    if len(due) < most:
        return False
    wanted = {member_id: wanted_by(agendas[row.partition], ()) for member_id, row in due.items()}
    return await keep(await judge_wanted(wanted, agendas, {}, store), store) > 0
