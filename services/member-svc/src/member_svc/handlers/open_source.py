"""Staff open a source that was shut: its producer has been mended. What was set aside meanwhile can be replayed."""

from __future__ import annotations

from member_svc.domain import refusals
from member_svc.domain.refusals import Refused
from member_svc.store import MemberStore


async def open_source(source: str, store: MemberStore) -> None:
    """Hear a source again. Raises Refused for one that was never heard."""
    if not await store.sources.open(source):
        raise Refused(refusals.NO_SUCH_SOURCE, "nothing was ever heard from it on the topic")
