"""Say facts again from our own books, under the same ids and numbers (architecture.md 2), so that a reader can be rebuilt. The one thing
not to break: a member is locked while he is said again, so that a new fact cannot come before the old ones."""

from __future__ import annotations

from uuid import UUID

from tier_svc import events
from tier_svc.handlers.assess_activities import NOTHING_HEARD, TOPIC
from tier_svc.store import TierStore

NOBODY = UUID(int=0)
PAGE_MEMBERS_MAX = 1_000


async def say_member_again(member_id: UUID, store: TierStore) -> int:
    """All facts about one member; how many."""
    _, said = await _say_page(store, member_id, NOBODY)
    return said


async def say_members_again(after: UUID, store: TierStore) -> tuple[UUID | None, int]:
    """The facts about the next members; the last of them (None: there are no more), and how many facts."""
    ids, said = await _say_page(store, None, after)
    return (ids[-1] if ids else None), said


async def say_common_again(store: TierStore) -> int:
    """The versions that are loaded and, behind all facts, how far each partition has been assessed; how many."""
    loaded = await store.programmes.listed()
    for each in loaded:
        events.say(store.tx, events.programme_loaded(each.version, each.sha256, each.loaded_at))
    cursors = await store.answers.cursors(TOPIC)
    for partition, next_offset in cursors:
        events.say(store.tx, events.activities_assessed(TOPIC, store.topic_id, partition, next_offset, NOTHING_HEARD))
    return len(loaded) + len(cursors)


async def _say_page(store: TierStore, member_id: UUID | None, after: UUID) -> tuple[list[UUID], int]:
    ids, facts = await store.answers.facts_to_say_again(member_id, after, PAGE_MEMBERS_MAX)
    for owner, partition, fact in facts:
        events.say(store.tx, events.standing_changed(owner, partition, fact))
    in_clubs = await store.answers.club_facts(ids)
    for owner, partition, club_fact in in_clubs:
        events.say(store.tx, events.club_standing_changed(owner, partition, club_fact))
    rewards = await store.rewards.of_members(ids)
    for owner, partition, reward in rewards:
        events.say(store.tx, events.task_reward_changed(owner, partition, reward))
    return ids, len(facts) + len(in_clubs) + len(rewards)
