"""The campaigns of the programme, what their budgets have given, and the sums."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from campaign_svc.domain.programme import Campaign
from campaign_svc.store.answers import Answers
from campaign_svc.store.shelf import ProgrammeShelf
from laurel_kit.postgres import Database


def router(database: Database, shelf: ProgrammeShelf) -> APIRouter:
    """/v1/campaigns and /v1/summary."""
    routes = APIRouter(prefix="/v1", tags=["campaigns"])

    @routes.get("/campaigns")
    async def campaigns() -> dict[str, Any]:
        """Every loaded version's campaigns, the newest version first. A budget belongs to the campaign, over all versions."""
        async with database.reading() as tx:
            answers = Answers(tx, shelf)
            versions = await answers.programme_versions()
            rules = await answers.rules([version for version, _, _ in versions])
            used = await answers.budgets_used()
        items = [
            _campaign(campaign, version, activated, used)
            for version, _, activated in reversed(versions)
            for campaign in rules[version].campaigns.values()
        ]
        return {"items": items, "next": None}

    @routes.get("/summary")
    async def summary() -> dict[str, Any]:
        """What has been granted and taken back in all."""
        async with database.reading() as tx:
            answers = Answers(tx, shelf)
            sums = await answers.sums()
            members = await answers.members_count()
        granted: dict[str, int] = {}
        for row in sums:
            granted[row["campaign_id"]] = granted.get(row["campaign_id"], 0) + int(row["grants"])
        return {
            "members": members,
            "granted": granted,
            "taken_back": sum(row["taken_back"] for row in sums),
            "coupons": sum(row["awards"] - row["taken_back"] for row in sums if row["kind"] == "coupon"),
            "points": int(sum(row["points"] for row in sums)),
            "points_taken_back": int(sum(row["points_taken_back"] for row in sums)),
            "by_campaign": [
                row | {"points": int(row["points"]), "points_taken_back": int(row["points_taken_back"])} for row in sums
            ],
        }

    return routes


def _campaign(campaign: Campaign, version: int, activated: bool, used: dict[str, int]) -> dict[str, Any]:
    budget = campaign.limits.budget
    return {
        "campaign_id": campaign.id,
        "name": campaign.name,
        "programme_version": version,
        "activated": activated,
        "when": campaign.when,
        "what": [{"kind": rule.kind, "points": rule.points, "coupon": rule.coupon} for rule in campaign.what],
        "limits": {
            "per_member": campaign.limits.per_member,
            "per_member_and_tier": campaign.limits.per_member_and_tier,
        },
        "taken_back_with_its_order": campaign.taken_back,
        "budget": None if budget is None else {"grants": budget, "used": used.get(campaign.id, 0)},
    }
