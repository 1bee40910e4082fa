"""The catalogue of rewards (domain.md 3.5): who may have what, and how a redemption ends. The one thing not to break: a redemption ends
once, and what is cancelled gives back all of its points."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from points_svc.domain.spending import Refused

ORDERED = "ordered"
FULFILLED = "fulfilled"
CANCELLED = "cancelled"
DRAW = "draw"


@dataclass(frozen=True, slots=True)
class Reward:
    """`stock`: how many there are in all; None: no end. `taken`: how many live redemptions have. `at_once`: fulfilled when redeemed.
    `gives`: what the member gets, such as the name of a coupon."""

    reward_id: str
    name: str
    kind: str
    points: int
    stock: int | None
    valid_from: datetime
    valid_until: datetime | None
    per_member: int | None
    per_period: int | None
    period: str | None
    at_once: bool
    gives: str | None
    taken: int = 0


@dataclass(slots=True)
class Redemption:
    """`seq`: the entry that spent the points. `outcome`: of a draw, won or lost, recorded with a reason."""

    redemption_id: UUID
    member_id: UUID
    seq: int
    reward_id: str
    kind: str
    points: int
    gives: str | None
    made_at: datetime
    day: date
    state: str = ORDERED
    ended_at: datetime | None = None
    ended_by: str | None = None
    reason: str | None = None
    outcome: str | None = None


def period_start(period: str | None, day: date) -> date:
    """The first local day of the period a day falls into; weeks begin on Monday."""
    if period == "month":
        return day.replace(day=1)
    return day - timedelta(days=day.weekday()) if period == "week" else day


def refusal(reward: Reward, had: int, had_in_period: int, now: datetime) -> Refused | None:
    """Why a member who has had so many cannot have one more now; None: he can, if one is left."""
    if now < reward.valid_from or (reward.valid_until is not None and now >= reward.valid_until):
        until = {"valid_from": reward.valid_from, "valid_until": reward.valid_until}
        return Refused("reward_not_valid", until)
    if reward.per_member is not None and had >= reward.per_member:
        return Refused("member_limit", {"had": had, "per_member": reward.per_member})
    if reward.per_period is not None and had_in_period >= reward.per_period:
        figures = {"had": had_in_period, "per_period": reward.per_period, "period": reward.period}
        return Refused("period_limit", figures)
    return None


def sold_out(reward: Reward) -> Refused:
    """None is left, or the reward was changed at this very moment."""
    return Refused("sold_out", {"reward_id": reward.reward_id, "stock": reward.stock})


def not_endable(redemption: Redemption, outcome: str | None, *, fulfils: bool) -> Refused | None:
    """Why a redemption cannot end so. A draw is fulfilled by its outcome, and nothing else has one."""
    if redemption.state != ORDERED:
        return Refused(f"redemption_{redemption.state}", {"state": redemption.state})
    if fulfils and (redemption.kind == DRAW) != (outcome is not None):
        return Refused("outcome_required" if outcome is None else "no_draw", {"kind": redemption.kind})
    return None
