"""What the proof of the ledger may do inside one transaction, beside `PointsStore`: seal, verify, freeze. The one thing not to break: it
adds to the chain and sets accounts still; it writes no entry and no balance."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from laurel_kit.postgres import Transaction
from points_svc.store import breakers, chain, freezes, proof, verifying


class ProofStore:
    """The proof's view of the books, within one transaction."""

    def __init__(self, tx: Transaction) -> None:
        self.tx = tx

    async def trial_balance(self) -> dict[str, Any]:
        """The sum over all accounts and how often each invariant is broken."""
        return await proof.trial_balance(self.tx)

    # The chain.

    async def oldest_open(self) -> str:
        """The oldest transaction that has not ended."""
        return await chain.oldest_open(self.tx)

    async def unsealed(self, *, members: int, entries: int, since: str | None = None) -> chain.Unsealed:
        """Who has entries that no round has sealed. `since`: of accounts written from that transaction on."""
        return await chain.unsealed(self.tx, members=members, entries=entries, since=since)

    async def seal(self, at: datetime, members: Sequence[UUID], upto: Sequence[int]) -> int:
        """One round over these members' entries up to these; how many entries it sealed."""
        return await chain.seal(self.tx, at, members, upto)

    async def rounds(self, after: int, limit: int) -> list[dict[str, Any]]:
        """A page of rounds, each computed again."""
        return await chain.rounds(self.tx, after, limit)

    async def without_round(self, after: int, upto: int, limit: int) -> list[dict[str, Any]]:
        """Who was sealed by rounds that have gone."""
        return await chain.without_round(self.tx, after, upto, limit)

    async def chain_head(self) -> dict[str, Any] | None:
        """The last round, and how many entries are in the chain."""
        return await chain.head(self.tx)

    async def broken_entries(self, ids: list[UUID], limit: int) -> list[dict[str, Any]]:
        """Entries of these members that are not what was sealed."""
        return await chain.broken_entries(self.tx, ids, limit)

    # Members, one by one.

    async def members_after(self, after: UUID | None, limit: int) -> list[UUID]:
        """The next members of whom anything stands."""
        return await verifying.members(self.tx, after, limit)

    async def standing(self, ids: list[UUID]) -> dict[UUID, verifying.Standing]:
        """Everything about these members."""
        return await verifying.standing(self.tx, ids)

    async def sealed_of(self, ids: list[UUID]) -> int:
        """How many entries of these members are in the chain."""
        return await verifying.sealed(self.tx, ids)

    # Whose books are broken.

    async def breakers(self, invariants: Collection[str], limit: int) -> dict[UUID, list[str]]:
        """Who breaks which of these invariants."""
        return await breakers.breakers(self.tx, invariants, limit)

    async def freeze(self, broken: Mapping[UUID, Sequence[str]], at: datetime) -> list[UUID]:
        """Freeze these accounts; who was not frozen before."""
        return await freezes.freeze(self.tx, broken, at) if broken else []

    async def lift(self, member_id: UUID, at: datetime, *, actor: str, reason: str) -> freezes.Freeze | None:
        """An account moves again; None: it was not frozen."""
        return await freezes.lift(self.tx, member_id, at, actor=actor, reason=reason)

    async def frozen(self) -> int:
        """How many accounts are frozen now."""
        return await freezes.count(self.tx)

    async def freezes_after(self, after: UUID | None, limit: int) -> list[freezes.Freeze]:
        """A page of accounts that are frozen now."""
        return await freezes.page(self.tx, after, limit)

    async def freezes_of(self, member_id: UUID, limit: int) -> list[freezes.Freeze]:
        """How often an account was frozen, the latest first."""
        return await freezes.of_member(self.tx, member_id, limit)
