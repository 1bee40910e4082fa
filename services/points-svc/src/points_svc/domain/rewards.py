"""The catalogue of rewards (domain.md 3.5): who may have which, for how many points, and how it ends. The one thing not to break: a
redemption ends once, fulfilled or cancelled, and a cancelled one gives every point back to the lot it came from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from points_svc.domain import holds, returning, spending
from points_svc.domain.account import GIVEN_BACK, REDEEMED, Account, Why
from points_svc.domain.rules import Rules
from points_svc.domain.spending import Refused

DRAW = "draw"
AT_ONCE = frozenset({"coupon", "benefit"})  # nobody hands these over, unless the catalogue says so

ORDERED = "ordered"
FULFILLED = "fulfilled"
CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Reward:
    """What is offered. `stock`: how many there are in all; None: no end. `taken`: how many live redemptions have. `per_member`: so many
    live ones for ever; `per_period`: so many in a local day, week or month. `at_once`: nobody needs to fulfil it."""

    reward_id: str
    name: str
    kind: str
    points: int
    stock: int | None
    taken: int
    valid_from: datetime | None
    valid_until: datetime | None  # exclusive
    per_member: int | None
    per_period: int | None
    period: str | None
    at_once: bool
    gives: str | None
    revision: int

    @property
    def left(self) -> int | None:
        """How many more can be had; None: no end."""
        return None if self.stock is None else self.stock - self.taken


@dataclass(frozen=True, slots=True)
class Had:
    """A member's live redemptions of one reward: of all time, and in the current period."""

    ever: int
    in_period: int


@dataclass(slots=True)
class Redemption:
    """One reward redeemed. `seq`: the entry that spent the points. `outcome`: of a draw, won or lost."""

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


def period_since(period: str | None, day: date) -> date:
    """The first local day of the period in which `day` lies; weeks begin on Monday."""
    if period == "month":
        return day.replace(day=1)
    return day - timedelta(days=day.weekday()) if period == "week" else day


def refusal(account: Account, reward: Reward, had: Had, now: datetime) -> Refused | None:
    """Why the member cannot have this now; None: he can, if one is left when it is claimed."""
    if (reward.valid_from and now < reward.valid_from) or (reward.valid_until and now >= reward.valid_until):
        return Refused("reward_not_valid", {"valid_from": reward.valid_from, "valid_until": reward.valid_until})
    if reward.left is not None and reward.left <= 0:
        return sold_out(reward)
    if reward.per_member is not None and had.ever >= reward.per_member:
        return Refused("reward_limit", {"limit": "per_member", "at_most": reward.per_member, "had": had.ever})
    if reward.per_period is not None and had.in_period >= reward.per_period:
        return Refused("reward_limit", {"limit": reward.period, "at_most": reward.per_period, "had": had.in_period})
    return spending.refusal(account, reward.points, now)


def sold_out(reward: Reward) -> Refused:
    """Nothing is left of it."""
    return Refused("sold_out", {"stock": reward.stock})


def why_of(reward: Reward, had: Had, rules: Rules, redemption_id: UUID, day: date) -> Why:
    """What the decision looked at, with the limits that were kept."""
    return {
        "rule": "redemption", "version": rules.version, "redemption_id": redemption_id, "reward_id": reward.reward_id,
        "reward": reward.name, "revision": reward.revision, "points": reward.points, "day": day,
        "order": "soonest expiry first", "stock": reward.stock, "per_member": reward.per_member, "had": had.ever,
        "per_period": reward.per_period, "period": reward.period, "had_in_period": had.in_period,
    }  # fmt: skip


def redeem(
    account: Account, reward: Reward, now: datetime, *, redemption_id: UUID, hold_id: UUID, day: date, why: Why
) -> Redemption:
    """Spend the points. The caller has seen that nothing refuses it, and has claimed the piece."""
    spent = holds.spend(account, hold_id, reward.points, now, why=why)
    if isinstance(spent, Refused):
        raise ValueError(f"{reward.reward_id} was claimed for who cannot have it: {spent.kind}")  # noqa: TRY004 - a refusal
    made = Redemption(
        redemption_id, account.member_id, spent.seq + 1, reward.reward_id, reward.kind, reward.points, reward.gives,
        now, day,
    )  # fmt: skip
    if reward.at_once:
        made.state, made.ended_at = FULFILLED, now
    return made


def fulfil(
    redemption: Redemption, actor: str, outcome: str | None, reason: str | None, now: datetime
) -> Refused | None:
    """Handed over; or drawn, with the outcome and why. None: done."""
    no = _ended(redemption)
    if no is not None:
        return no
    if (redemption.kind == DRAW) != (outcome is not None):
        return Refused("outcome_wanted" if outcome is None else "outcome_unwanted", {"kind": redemption.kind})
    redemption.outcome = outcome
    _end(redemption, FULFILLED, actor, reason, now)
    return None


def cancel(
    account: Account,
    redemption: Redemption,
    parts: tuple[tuple[int, int], ...],
    now: datetime,
    rules: Rules,
    *,
    actor: str,
    reason: str | None,
) -> Refused | None:
    """Give the points back to the lots that paid (`parts`), the last spent first. None: done."""
    no = _ended(redemption)
    if no is not None:
        return no
    if sum(points for _, points in parts) != redemption.points:
        raise ValueError(f"what paid redemption {redemption.redemption_id} is not what it cost")
    why: Why = {
        "rule": "cancellation", "version": rules.version, "redemption_id": redemption.redemption_id,
        "reward_id": redemption.reward_id, "points": redemption.points, "redeemed_at": redemption.made_at,
        "cancelled_by": actor, "reason": reason,
    }  # fmt: skip
    returning.give_back(account, parts[::-1], GIVEN_BACK, now, rules=rules, why=why, source=REDEEMED)
    _end(redemption, CANCELLED, actor, reason, now)
    return None


def is_fulfilled_so(redemption: Redemption, outcome: str | None) -> bool:
    """Whether just this has been done before: then it is answered as it was."""
    return redemption.state == FULFILLED and redemption.outcome == outcome


def _ended(redemption: Redemption) -> Refused | None:
    if redemption.state == ORDERED:
        return None
    figures = {"state": redemption.state, "ended_at": redemption.ended_at, "outcome": redemption.outcome}
    return Refused(f"redemption_{redemption.state}", figures)


def _end(redemption: Redemption, state: str, actor: str, reason: str | None, now: datetime) -> None:
    redemption.state, redemption.ended_at, redemption.ended_by, redemption.reason = state, now, actor, reason
