"""What a shop does with the catalogue of rewards, each under a key of its own unless one is given."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from tests.integration.points_svc.books import MEMBER
from tests.integration.points_svc.till import Checkout


async def offer(shop: Checkout, reward_id: str = "mug", key: str | None = None, **more: Any) -> Any:
    body = {"name": "A mug", "kind": "goods", "points": 30, **more}
    headers = {"Idempotency-Key": key or shop.key()}
    return await shop.client.put(f"/v1/rewards/{reward_id}", json=body, headers=headers)


async def redeem(shop: Checkout, reward_id: str = "mug", member: UUID = MEMBER, key: str | None = None) -> Any:
    return await shop.post(f"/v1/members/{member}/redemptions", {"reward_id": reward_id}, key)


async def redeemed(shop: Checkout, reward_id: str = "mug", member: UUID = MEMBER) -> str:
    answer = await redeem(shop, reward_id, member)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["redemption_id"])


async def end(shop: Checkout, act: str, redemption: str, key: str | None = None, **more: Any) -> Any:
    return await shop.post(f"/v1/redemptions/{redemption}/{act}", {"actor": "mei", **more}, key)


async def taken(shop: Checkout, reward_id: str = "mug") -> int:
    return int((await shop.see(f"/v1/rewards/{reward_id}"))["taken"])
