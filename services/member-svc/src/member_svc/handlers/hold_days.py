"""Import leases: while one is alive no day closes (domain.md 2.3). The one thing not to break: a lease begins under the calendar's lock."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from member_svc.domain import refusals
from member_svc.domain.refusals import Refused
from member_svc.store import MemberStore


async def begin_import(name: str, ttl_seconds: int, store: MemberStore) -> tuple[UUID, datetime]:
    """A lease and until when it lives, by the machine's clock."""
    await store.days.lock()
    return await store.days.begin_import(name, ttl_seconds)


async def renew_import(lease_id: UUID, store: MemberStore) -> datetime:
    """Until when the lease lives now. Raises Refused when it has died: days may have been closed since."""
    until = await store.days.renew_import(lease_id)
    if until is None:
        raise Refused(refusals.NO_SUCH_LEASE, "the lease has ended or died; begin a new one")
    return until


async def end_import(lease_id: UUID, store: MemberStore) -> None:
    """End a lease; ending it twice is fine."""
    await store.days.end_import(lease_id)


async def drop_dead_leases(store: MemberStore) -> int:
    """Delete leases that were not renewed; returns how many."""
    return await store.days.drop_dead_leases()
