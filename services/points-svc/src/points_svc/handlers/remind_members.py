"""Members are told what expires soon, a chunk of them per transaction, when a day has closed. The one thing not to break: what has been
said is kept in the transaction that says it, so that each reminder is said once whatever dies."""

from __future__ import annotations

from points_svc import events
from points_svc.domain import reminders
from points_svc.store import PointsStore


async def remind_members(limit: int, store: PointsStore) -> bool:
    """The next `limit` members of the next partition whose day has closed. False: everybody has been looked at. No account is locked: a
    reminder says what was there, and moves nothing."""
    pass_ = await store.next_pass()
    if pass_ is None:
        return False
    rules = (await store.rules([pass_.version]))[pass_.version]
    until = reminders.horizon(pass_.as_of, rules)
    accounts = await store.expiring_soon(pass_, until, limit)
    found = [reminder for account in accounts for reminder in reminders.due(account, pass_.as_of, rules)]
    store.say([events.expiring(reminder) for reminder in await store.add_reminders(found)])
    await store.note_pass(pass_, accounts[-1].member_id if len(accounts) == limit else None)
    return True
