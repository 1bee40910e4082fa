"""Who would move under a programme version, and why, before it is activated at the door. The one thing not to break: it reads only, and
judges by the same functions as the judge."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from laurel_contracts.programme import Programme
from tier_svc.domain.checks import Fault
from tier_svc.domain.ladder import Rules
from tier_svc.domain.trying_out import Trial, trials_of
from tier_svc.handlers.load_programme import RefusedProgramme, refuse_unless_sound
from tier_svc.store import TierStore
from tier_svc.store.shelf import compiled

LADDER = "$.tiers.ladder"
PAGE_MEMBERS_MAX = 500  # their whole histories are read


@dataclass(frozen=True, slots=True)
class Mover:
    """A member for whom the version makes a difference."""

    member_id: UUID
    tier: str
    clock: datetime
    trials: list[Trial]


@dataclass(frozen=True, slots=True)
class TriedPage:
    """Some members by id: how many were looked at, who would move, and the last of them (None: there are no more)."""

    seen: int
    movers: list[Mover]
    last: UUID | None


async def rules_to_try(programme: Programme, store: TierStore) -> Rules:
    """The rules of a document that need not be loaded. Raises RefusedProgramme, as loading it would."""
    await refuse_unless_sound(programme, store)
    return compiled(programme)


async def try_programme(
    version: Rules, effective_from: datetime | None, after: UUID, limit: int, store: TierStore
) -> TriedPage:
    """A page of members under a version. Raises Hold where a version in force is not loaded, and RefusedProgramme where the one to try has
    no place for somebody: one from before a tier was added cannot follow the version in force."""
    in_force = await store.programmes.newest_in_force()
    missing = [tier.id for tier in in_force.ladder if not version.knows(tier.id)] if in_force is not None else []
    if missing:
        raise RefusedProgramme(
            [Fault(LADDER, f"{tier} is missing, which the version in force has") for tier in missing]
        )
    ids = [row.member_id for row in await store.answers.page(after, limit)]
    if not ids:
        return TriedPage(0, [], None)
    found = await store.streams.find(ids, {})
    lanes = await store.programmes.lanes({row.partition for row in found.values() if row.partition >= 0})
    timelines = {p: await store.programmes.timeline(lane.activations) for p, lane in lanes.items()}
    streams = await store.streams.load_with_past(ids)
    movers = []
    for member_id in ids:
        stream = streams[member_id]
        if stream.clock is None or stream.partition not in lanes:
            continue
        stream.move_on(lanes[stream.partition].as_of)
        trials = trials_of(stream, timelines[stream.partition], version, effective_from)
        if trials:
            name = timelines[stream.partition].at(stream.clock).name(stream.standing.tier)
            movers.append(Mover(member_id, name, stream.clock, trials))
    return TriedPage(len(ids), movers, ids[-1] if len(ids) == limit else None)
