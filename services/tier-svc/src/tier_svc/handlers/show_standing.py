"""Where a member stands, and what he needs: the judge's own values, moved on to his clock in memory. The one thing not to break: asking
changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from tier_svc.domain.facts import tier_known
from tier_svc.domain.ladder import Timeline
from tier_svc.domain.measures import NeedsHistory
from tier_svc.domain.needs import Needs, needs_of
from tier_svc.domain.stream import Stream
from tier_svc.handlers.assess_activities import day_bound
from tier_svc.store import TierStore
from tier_svc.store.streams import Wanted

FACTS_MAX = 100_000  # of one member: a ladder that moves daily for centuries


@dataclass(frozen=True, slots=True)
class Shown:
    """A member's standing as of his clock."""

    stream: Stream
    needs: Needs


class NoProgramme(Exception):
    """No programme version is in force yet, so nobody has a standing."""


async def show_standing(member_id: UUID, store: TierStore) -> Shown | None:
    """The standing and what is needed; None for an unknown member. Raises NoProgramme."""
    row = (await store.streams.find([member_id], {})).get(member_id)
    if row is None or row.clock is None:
        return None
    lane = (await store.programmes.lanes([row.partition]))[row.partition]
    timeline = await store.programmes.timeline(lane.activations)
    reaches = max(day_bound(instant) for instant in (row.clock, row.until, lane.as_of) if instant is not None)
    streams = await store.streams.load({member_id: Wanted(row.partition, reaches)})
    try:
        try:
            return _shown(streams[member_id], lane.as_of, timeline)
        except NeedsHistory:
            return _shown((await store.streams.load_with_past([member_id]))[member_id], lane.as_of, timeline)
    except LookupError as missing:
        raise NoProgramme(str(missing)) from missing


async def show_tier_at(
    member_id: UUID, instant: datetime, as_known_at: datetime | None, store: TierStore
) -> tuple[str, datetime | None]:
    """The tier at an instant and since when: as corrected, or as it was known at another instant. "" is the lowest since enrolment."""
    if as_known_at is None:
        return await store.answers.tier_at(member_id, instant)
    facts = await store.answers.facts(member_id, 0, FACTS_MAX)
    return tier_known([fact for fact in facts if fact.at <= as_known_at], instant)


def _shown(stream: Stream, closed: datetime | None, timeline: Timeline) -> Shown:
    stream.move_on(closed)
    if stream.clock is None:
        raise LookupError("nothing is known of this member yet")
    return Shown(stream, needs_of(stream, timeline, stream.clock))
