"""Facts are said again from the own books, under the same ids and numbers, so that a reader can be rebuilt. The one thing not to break: the
account is locked meanwhile, so that nothing new gets in between."""

from __future__ import annotations

from uuid import UUID

from points_svc import events
from points_svc.domain import replay
from points_svc.store import PointsStore

MEMBERS_PER_TRANSACTION = 100


async def say_again(after: UUID | None, only: UUID | None, store: PointsStore) -> tuple[int, UUID | None]:
    """One page of members, or one member. Returns how much was said, and after whom to go on; None: that was all."""
    accounts = await store.lock_page(after, only, MEMBERS_PER_TRANSACTION)
    said = 0
    for account in accounts:
        entries, lots = await store.read_books(account.member_id)
        statements, _ = replay.statements(entries, lots)
        store.say(events.posted(account.member_id, account.day.partition, statement) for statement in statements)
        sent = await store.between.open_of(account.member_id)
        store.say(events.handed_over(account.member_id, lots, one, store.partition_of(one.receiver_id)) for one in sent)
        said += len(statements) + len(sent)
    reminders = await store.reminders_of(accounts)
    store.say(events.expiring(reminder) for reminder in reminders)
    said += len(reminders)
    if only is None and len(accounts) == MEMBERS_PER_TRANSACTION:
        return said, accounts[-1].member_id
    if only is None:
        versions = await store.programmes()
        store.say(events.programme_loaded(v.version, v.sha256, v.loaded_at) for v in versions)
        said += len(versions)
    return said, None
