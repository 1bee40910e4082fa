"""Facts are said again from the own books, under the same ids and numbers, so that a reader can be rebuilt. The one thing not to break: the
account is locked meanwhile, so that nothing new gets in between."""

from __future__ import annotations

from uuid import UUID

from laurel_kit.resaying import Page
from points_svc import events
from points_svc.domain import replay
from points_svc.store import PointsStore

MEMBERS_PER_TRANSACTION = 100


async def say_again(after: UUID | None, only: UUID | None, store: PointsStore) -> Page:
    """One page of members, or one member. Behind the last of all members comes what concerns nobody."""
    accounts = await store.lock_page(after, only, MEMBERS_PER_TRANSACTION)
    books = await store.read_books(accounts)
    messages = []
    for account in accounts:
        entries, lots, under_way, _ = books[account.member_id]
        statements, _ = replay.statements(entries, lots)
        messages += [events.posted(account.member_id, account.day.partition, one) for one in statements]
        messages += [
            events.handed_over(account.member_id, lots, one, store.partition_of(one.receiver_id)) for one in under_way
        ]
    messages += [events.expiring(one) for account in accounts for one in books[account.member_id].reminders]
    is_last = only is None and len(accounts) < MEMBERS_PER_TRANSACTION
    if is_last:
        messages += [events.programme_loaded(v.version, v.sha256, v.loaded_at) for v in await store.programmes()]
    store.say(messages)
    return Page(len(messages), None if is_last or only is not None else accounts[-1].member_id)
