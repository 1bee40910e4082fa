"""points-svc, tier-svc and campaign-svc over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from laurel_cli.services.speaking import Speaking

STATEMENT_PAGE = 500  # entries of one request of a statement


class PointsService(Speaking):
    """The ledger."""

    def balance(self, member_id: UUID) -> dict[str, Any]:
        return dict(self._at.get(f"/v1/members/{member_id}/balance"))

    def statement(self, member_id: UUID, limit: int) -> list[dict[str, Any]]:
        """The newest `limit` entries, newest first, each with why."""
        entries: list[dict[str, Any]] = []
        before: object = None
        while len(entries) < limit:
            wanted = min(STATEMENT_PAGE, limit - len(entries))
            page = self._at.get(f"/v1/members/{member_id}/statement", limit=wanted, before=before)
            entries += page["items"]
            before = page.get("next")
            if before is None:
                break
        return entries

    def orders(self, member_id: UUID) -> Iterator[dict[str, Any]]:
        return self._pages(f"/v1/members/{member_id}/orders")

    def order(self, member_id: UUID, order_id: str) -> dict[str, Any]:
        return dict(self._at.get(f"/v1/members/{member_id}/orders/{order_id}"))

    def balances(self) -> Iterator[dict[str, Any]]:
        return self._pages("/v1/balances")

    def trial_balance(self) -> dict[str, Any]:
        return dict(self._at.get("/v1/ledger/trial-balance"))

    def chain(self, after: object, limit: int) -> dict[str, Any]:
        """A page of rounds of the chain, each computed again."""
        return dict(self._at.get("/v1/ledger/chain", limit=limit, after=after))

    def verified_members(self, after: object, limit: int) -> dict[str, Any]:
        """A page of members beside their seals and their entries."""
        return dict(self._at.get("/v1/ledger/verify", limit=limit, after=after))


class TierService(Speaking):
    """Standings."""

    def standing(self, member_id: UUID) -> dict[str, Any]:
        return dict(self._at.get(f"/v1/members/{member_id}/standing"))

    def standing_history(self, member_id: UUID) -> list[dict[str, Any]]:
        """All standing facts of a member, oldest first."""
        return list(self._pages(f"/v1/members/{member_id}/standings"))

    def standings(self) -> Iterator[dict[str, Any]]:
        return self._pages("/v1/standings")


class CampaignService(Speaking):
    """Campaigns and what they granted."""

    def awards(self, member_id: UUID, limit: int) -> list[dict[str, Any]]:
        """The newest `limit` awards, newest first, each with why."""
        return list(self._at.get(f"/v1/members/{member_id}/awards", limit=limit)["items"])

    def decisions(self, member_id: UUID, *, order_id: str | None = None, limit: int = 20) -> list[dict[str, Any]]:
        """What could have caused an award, the latest first, with each condition's leaves; or about one order."""
        found = self._at.get(f"/v1/members/{member_id}/decisions", order_id=order_id, limit=limit)
        return list(found["items"])

    def campaigns(self) -> list[dict[str, Any]]:
        found = self._at.get("/v1/campaigns")
        return list(found["items"] if isinstance(found, dict) else found)
