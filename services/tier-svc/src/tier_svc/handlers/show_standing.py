"""Where a member stands, and what he needs: the judge's own values, moved on to his clock in memory. The one thing not to break: asking
changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from tier_svc.domain.clubs import ClubFact
from tier_svc.domain.facts import tier_known
from tier_svc.domain.ladder import Rules, Timeline
from tier_svc.domain.measures import NeedsHistory
from tier_svc.domain.needs import Needs, needs_of, values_now
from tier_svc.domain.overlaying import Override, as_taken_back, lying_on
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
    effective: str
    values: dict[str, int]
    rules: Rules
    club_facts: dict[str, ClubFact]  # the last of each club


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
    said = await store.answers.club_facts([member_id]) if streams[member_id].clubs.kept else []
    in_clubs = {fact.club: fact for _, _, fact in said}
    try:
        try:
            return _shown(streams[member_id], lane.as_of, timeline, in_clubs)
        except NeedsHistory:
            return _shown((await store.streams.load_with_past([member_id]))[member_id], lane.as_of, timeline, in_clubs)
    except LookupError as missing:
        raise NoProgramme(str(missing)) from missing


class Held(NamedTuple):
    """The tier at an instant and since when it is so; what applied lies above what was computed where an override was on top."""

    computed: str
    since: datetime | None
    effective: str
    override: Override | None


async def show_tier_at(
    member_id: UUID, instant: datetime, as_known_at: datetime | None, rules: Rules, store: TierStore
) -> Held:
    """The tier at an instant: as corrected, or as it was known at another instant."""
    if as_known_at is None:
        tier, since = await store.answers.tier_at(member_id, instant)
    else:
        facts = await store.answers.facts(member_id, 0, FACTS_MAX)
        tier, since = tier_known([fact for fact in facts if fact.at <= as_known_at], instant)
    overrides = await show_overrides(member_id, as_known_at, store)
    top, computed = lying_on(overrides, instant), rules.name(tier)
    if top is None:
        return Held(computed, since, computed, None)
    effective = top.applied_to(rules, tier)
    return Held(computed, since if effective == tier else top.starts, rules.name(effective), top)


async def show_overrides(member_id: UUID, as_known_at: datetime | None, store: TierStore) -> list[Override]:
    """All that ever lay, or will lie, on top of the computed tier; with `as_known_at`: what had begun and was taken back by then."""
    overrides, taken = await store.answers.overrides(member_id), await store.answers.taken_back(member_id)
    if as_known_at is not None:
        overrides = [each for each in overrides if each.starts is not None and each.starts <= as_known_at]
        taken = [each for each in taken if each.at <= as_known_at]
    return as_taken_back(overrides, taken)


def _shown(stream: Stream, closed: datetime | None, timeline: Timeline, in_clubs: dict[str, ClubFact]) -> Shown:
    stream.move_on(closed)
    if stream.clock is None:
        raise LookupError("nothing is known of this member yet")
    rules = timeline.at(stream.clock)
    effective = rules.name(stream.overlay.effective(rules, stream.standing.tier))
    needs, values = needs_of(stream, timeline, stream.clock), values_now(stream, timeline, stream.clock)
    return Shown(stream, needs, effective, values, rules, in_clubs)
