"""A member who is erased is forgotten here too. The one thing not to break: a batch without an erasure pays one look per record and no
statement."""

from __future__ import annotations

from collections.abc import Sequence

from laurel_contracts.decisions import MemberErased
from laurel_kit.hearing import Heard
from tier_svc.store import TierStore


async def forget_profiles(batch: Sequence[Heard], store: TierStore) -> None:
    """Drop pack and birthday of those who are erased; their uses name nobody and stay."""
    erased = [heard.member_id for heard in batch if heard.event.data.__class__ is MemberErased]
    gone = sorted(member_id for member_id in erased if member_id is not None)
    if gone:
        await store.benefits.forget(gone)
