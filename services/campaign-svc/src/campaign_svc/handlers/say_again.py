"""Says campaign-svc's facts again from its own books, under the same ids and numbers, so that a reader can be rebuilt. The one thing not
to break: a member is held while his facts are said again, so that a new number never gets between the old ones."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from campaign_svc import events
from campaign_svc.store.resaying import Resaying


async def say_members_again(members: Sequence[UUID], store: Resaying) -> int:
    """Everything said about these members; returns how many facts that was."""
    await store.hold(members)
    kept = await store.said_of(members)
    messages = events.again([each.award for each in kept], [each.taken_back for each in kept if each.taken_back])
    store.say(messages)
    return len(messages)


async def say_common_again(store: Resaying) -> int:
    """What concerns no member: programmes loaded, budgets used up."""
    messages = [
        events.programme_loaded(loaded.version, loaded.sha256, loaded.loaded_at) for loaded in await store.programmes()
    ]
    messages += [events.emptied(fact) for fact in await store.emptied()]
    store.say(messages)
    return len(messages)
