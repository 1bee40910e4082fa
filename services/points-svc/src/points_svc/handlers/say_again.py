"""Facts are said again from the own books, under the same ids and numbers, so that a reader can be rebuilt. The one thing not to break: the
account is locked meanwhile, so that nothing new gets in between."""

from __future__ import annotations

from uuid import UUID

from laurel_kit.resaying import Page
from points_svc import events
from points_svc.domain import replay
from points_svc.store import PointsStore

MEMBERS_PER_TRANSACTION = 100
# Of members with long ledgers fewer: whoever wants something of one of them waits until all of the page has been read and said.
ENTRIES_PER_TRANSACTION = 2_000


async def say_again(after: UUID | None, only: UUID | None, store: PointsStore) -> Page:
    """One page of members, or one member. Behind the last of all members, on a page of its own, comes what concerns nobody."""
    accounts = await store.lock_page(after, only, MEMBERS_PER_TRANSACTION, ENTRIES_PER_TRANSACTION)
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
    if only is None and not accounts:
        messages += [events.programme_loaded(v.version, v.sha256, v.loaded_at) for v in await store.programmes()]
    store.say(messages)
    return Page(len(messages), accounts[-1].member_id if accounts and only is None else None)
