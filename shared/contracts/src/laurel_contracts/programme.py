"""The programme document: points, tiers and campaigns as one versioned whole (domain.md 6). Shapes and the canonical hash only; what a
number means is each service's own rule. Amounts are minor units, rates exact decimals as strings, because floats never touch money.
What came after the first release is UNSET where a document does not use it, so that the hash of an older document stays what it was."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Literal

import msgspec

from laurel_contracts.benefits import Benefit, BenefitRules, Task
from laurel_contracts.envelope import ShortText
from laurel_contracts.programme_parts import Count, Part, Rate

NUL = b"\\u0000"  # as JSON writes it
Months = Annotated[int, msgspec.Meta(ge=0, le=120)]
MonthDay = Annotated[str, msgspec.Meta(pattern=r"^(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$")]
OnLapse = Literal["to_kept", "one_step", "never"]


class EarningRule(Part, frozen=True, kw_only=True):
    """More points per major unit, on top of a line's own rate, for lines of these categories in these channels (none named: all).
    Where several of one `stack_group` apply, only that of the highest priority does; rules without a group all add up."""

    id: ShortText
    rate: Rate
    categories: tuple[str, ...] = ()
    channels: tuple[Literal["store", "online"], ...] = ()
    priority: Annotated[int, msgspec.Meta(ge=-1_000_000, le=1_000_000)] = 0
    stack_group: ShortText | None = None


class PurchaseRule(Part, frozen=True, kw_only=True):
    """domain.md 3.1. `category_rates` overrides `rate`; `not_qualifying` categories earn nothing and count in no tier metric. Points are
    available `pending_days` after the purchase; with `activation` `event` once the order is confirmed (never confirmed, they expire as they
    are), with `days_or_event` at whichever is first."""

    rate: Rate = "1"
    category_rates: dict[str, Rate] = {}
    not_qualifying: tuple[str, ...] = ()
    extra: tuple[EarningRule, ...] = ()
    max_points_per_order: Count | None = None
    pending_days: Annotated[int, msgspec.Meta(ge=0, le=365)] = 0
    activation: Literal["days", "event", "days_or_event"] | msgspec.UnsetType = msgspec.UNSET
    refund_window_days: Annotated[int, msgspec.Meta(ge=0, le=365)] = (
        14  # after so long a purchase counts for a referral
    )

    @property
    def activates(self) -> str:
        """What makes points available; unset: days."""
        return "days" if isinstance(self.activation, msgspec.UnsetType) else self.activation


class Cap(Part, frozen=True, kw_only=True):
    """At most so many points by one rule per local period of the activity. What goes beyond is clipped, or all of it is rejected."""

    points: Count
    per: Literal["day", "week", "month", "year"]  # weeks begin on Monday
    kind: Literal["clip", "reject"] = "clip"


class SignInRule(Part, frozen=True, kw_only=True):
    points: Count = 5
    streak_days: Annotated[int, msgspec.Meta(ge=1, le=366)] = 7
    streak_points: Count = 20
    caps: tuple[Cap, ...] = ()


class ReviewRule(Part, frozen=True, kw_only=True):
    points: Count = 20
    photo_points: Count = 10
    max_per_day: Count = 3
    caps: tuple[Cap, ...] = ()


class JoinRule(Part, frozen=True, kw_only=True):
    points: Count = 30
    caps: tuple[Cap, ...] = ()


class ReferralRule(Part, frozen=True, kw_only=True):
    """domain.md 3.2: paid when the new member's first purchase of which anything is left has outlived its refund window."""

    points: Count = 200  # to the referrer
    new_member_points: Count = 100
    max_per_month: Count = 10  # per local month of payment, for the referrer


class ShareRule(Part, frozen=True, kw_only=True):
    """domain.md 3.2: paid to the sharer at the first purchase above 0 by another member that carries the share."""

    points: Count = 50
    max_per_month: Count = 5  # per local month of the purchase
    waiting_days: Annotated[int, msgspec.Meta(ge=0, le=365)] = 30  # so long a purchase waits for its share


class ExpiryRule(Part, frozen=True, kw_only=True):
    """When a lot expires (domain.md 3.4), counted from the local day of its activity: `months` on, then at the end of the `ends` in which
    that day falls (rolling, sliding) or of the first of `dates` from that day on (calendar). Sliding: with each purchase that earns, all
    that lives lasts as long as what it earns. On request a lot may be extended by no more than `extension_days_max` in all."""

    policy: Literal["rolling", "calendar", "sliding"] = "rolling"
    months: Annotated[int, msgspec.Meta(ge=0, le=120)] = 12
    ends: Literal["month", "quarter", "year"] = "month"
    dates: tuple[
        Annotated[str, msgspec.Meta(pattern=r"^(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$")], ...
    ] = ()  # "12-31": the last day
    reminder_days: tuple[Annotated[int, msgspec.Meta(ge=1, le=366)], ...] = (
        30,
        7,
        1,
    )  # ahead of expiry it is said what will expire
    extension_days_max: Annotated[int, msgspec.Meta(ge=0, le=3660)] = 366


class SpendingRule(Part, frozen=True, kw_only=True):
    """domain.md 3.5. A hold lasts so long where the caller says nothing else."""

    hold_seconds: Annotated[int, msgspec.Meta(ge=1, le=7 * 86_400)] = 900


class AdjustingRule(Part, frozen=True, kw_only=True):
    """domain.md 3.5. Up to so many points are corrected by hand by one person alone; above it a second one decides."""

    alone_max: Count = 10_000


class CheckoutRule(Part, frozen=True, kw_only=True):
    """domain.md 3.5. Points as money: so many are one major unit, at most so much of an order, no fewer than so many at a time."""

    points_per_major_unit: Annotated[int, msgspec.Meta(ge=1, le=10**9)] = 100
    max_share_percent: Annotated[int, msgspec.Meta(ge=0, le=100)] = 30
    min_points: Count = 1


class StoredValueRule(Part, frozen=True, kw_only=True):
    """Money that members have paid in ahead. `spend_first`: which value pays first. Bonus value lasts `bonus_days` local days after the one
    it was given on (None: for ever) and is at most so much of what was paid. A cash-out is of paid value only; `forfeit`: the bonus that
    was given with it goes in proportion."""

    spend_first: Literal["paid", "bonus"] = "paid"
    bonus_days: Annotated[int, msgspec.Meta(ge=0, le=3660)] | None = None
    bonus_max_percent: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 100
    balance_max_minor: Count | None = None
    cash_out: bool = True
    bonus_on_cash_out: Literal["forfeit", "keep"] = "forfeit"


class PointsRules(Part, frozen=True, kw_only=True):
    """`cost_per_point`: major units of the currency, for the liability alone; no rule rates by it."""

    purchase: PurchaseRule = PurchaseRule()
    sign_in: SignInRule = SignInRule()
    review: ReviewRule = ReviewRule()
    join: JoinRule = JoinRule()
    referral: ReferralRule = ReferralRule()
    share: ShareRule = ShareRule()
    expiry: ExpiryRule = ExpiryRule()
    spending: SpendingRule = SpendingRule()
    cost_per_point: Rate = "0.01"
    adjusting: AdjustingRule = AdjustingRule()
    checkout: CheckoutRule = CheckoutRule()


class Condition(Part, frozen=True, kw_only=True):
    """A metric at least so much (`days` for the metrics over n days), or all or any of several conditions, or always."""

    metric: (
        Literal[
            "spend_total",
            "spend_in_days",
            "largest_order",
            "orders_in_days",
            "active_days_in_days",
            "growth_total",
            "growth_in_days",
            "complaints_in_days",
        ]
        | None
    ) = None
    days: Annotated[int, msgspec.Meta(ge=1, le=3660)] | None = None
    at_least: Count | None = None  # minor units for spend_* and largest_order, else a count
    at_most: Count | None = None
    all: tuple[Condition, ...] = ()
    any: tuple[Condition, ...] | msgspec.UnsetType = msgspec.UNSET
    always: bool = False


class Tier(Part, frozen=True, kw_only=True):
    """One step of the ladder, lowest first. Any of `reach` lifts, any of `keep` holds; the lowest tier needs neither."""

    id: ShortText
    name: str = ""
    reach: tuple[Condition, ...] = ()
    keep: tuple[Condition, ...] = ()
    multiplier: Rate = "1"
    discount_percent: Annotated[int, msgspec.Meta(ge=0, le=100)] = 0
    validity_months: Months | msgspec.UnsetType = msgspec.UNSET  # instead of the ladder's
    on_lapse: OnLapse | msgspec.UnsetType = msgspec.UNSET  # instead of the ladder's
    permanent: bool | msgspec.UnsetType = msgspec.UNSET  # no period ends it and no refund lowers it
    # Reaching the tier again while in it: changes nothing (once), or begins a new period where that lasts longer (repeatedly).
    requalify: Literal["once", "repeatedly"] | msgspec.UnsetType = msgspec.UNSET


class Period(Part, frozen=True, kw_only=True):
    """How long a tier lasts, counted from the local day on which the period begins: `validity_months` on, then to the end of the `ends`
    in which that falls (rolling) or to the first of `dates` from there on (calendar; "12-31": the last day); to the next day that lies
    whole `validity_months` after the day of joining (anniversary); for ever (none)."""

    kind: Literal["rolling", "calendar", "anniversary", "none"] = "rolling"
    ends: Literal["day", "month", "quarter", "year"] = "day"
    dates: tuple[MonthDay, ...] = ()


class Structure(Part, frozen=True, kw_only=True):
    """A ladder and its terms. `grace_days`, then to the end of the `grace_ends` in which that falls: how long the judgement of an end waits
    for late reports."""

    ladder: tuple[Tier, ...]
    validity_months: Months = 12
    grace_days: Annotated[int, msgspec.Meta(ge=0, le=366)] = 0
    on_lapse: OnLapse = "to_kept"
    on_refund: Literal["at_once", "at_period_end"] = "at_once"
    period: Period | msgspec.UnsetType = msgspec.UNSET
    grace_ends: Literal["day", "month", "quarter", "year"] | msgspec.UnsetType = msgspec.UNSET


class Club(Structure, frozen=True, kw_only=True):
    """A structure of its own beside the main ladder; its tiers multiply no points."""

    id: ShortText
    name: str = ""


class TierRules(Structure, frozen=True, kw_only=True):
    """The main ladder, and the clubs beside it."""

    clubs: Annotated[tuple[Club, ...], msgspec.Meta(max_length=20)] | msgspec.UnsetType = msgspec.UNSET


class Leaf(Part, frozen=True, kw_only=True):
    """A node of a condition tree: a fact compared with a value, or all / any / not of others."""

    fact: str | None = None
    op: Literal["==", "!=", ">=", ">", "<=", "<", "in", "not in"] | None = None
    value: int | str | bool | tuple[str, ...] | None = None
    all: tuple[Leaf, ...] = ()
    any: tuple[Leaf, ...] = ()
    not_: Leaf | None = msgspec.field(default=None, name="not")


class AwardRule(Part, frozen=True, kw_only=True):
    kind: Literal["points", "coupon"]
    points: Count = 0
    coupon: str | None = None


class Limits(Part, frozen=True, kw_only=True):
    """`per_member`: for ever; `per_member_and_tier`: for ever; `budget`: awards in all (None: no end)."""

    per_member: Count | None = None
    per_member_and_tier: Count | None = None
    budget: Count | None = None


class Campaign(Part, frozen=True, kw_only=True):
    """A rule of marketing (domain.md 5). `when` is what fires it: an activity type, or `standing.raised`."""

    id: ShortText
    name: str = ""
    when: ShortText
    who: Leaf = Leaf()
    what: tuple[AwardRule, ...]
    limits: Limits = Limits()
    taken_back: bool = True  # judged again after each refund of its order


class Programme(Part, frozen=True, kw_only=True):
    """One version of the whole rule set; never changed after publication."""

    programme: ShortText
    version: Annotated[int, msgspec.Meta(ge=1)]
    currency: Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")]
    exponent: Annotated[int, msgspec.Meta(ge=0, le=4)] = 2  # minor units of the currency are 10^-exponent
    zone: ShortText  # IANA name; days and months are those of this zone
    close_delay_hours: Annotated[int, msgspec.Meta(ge=0, le=48)] = 6
    points: PointsRules = PointsRules()
    tiers: TierRules
    campaigns: tuple[Campaign, ...] = ()
    # What is unset stands in no canonical form: a document without these parts keeps its hash.
    stored_value: StoredValueRule | msgspec.UnsetType = msgspec.UNSET  # unset, its defaults hold
    benefits: BenefitRules | msgspec.UnsetType = msgspec.UNSET
    tasks: tuple[Task, ...] | msgspec.UnsetType = msgspec.UNSET

    @property
    def wallet(self) -> StoredValueRule:
        """What is said about stored value, or its defaults."""
        return StoredValueRule() if self.stored_value is msgspec.UNSET else self.stored_value

    @property
    def point_validities(self) -> tuple[Benefit, ...]:
        """The benefits that say how long points last."""
        if isinstance(self.benefits, msgspec.UnsetType):
            return ()
        return tuple(each for each in self.benefits.catalogue if each.kind == "point_validity")


def parse(document: bytes | dict[str, Any]) -> Programme:
    """A programme from its JSON bytes or from plain values. Raises msgspec.ValidationError with the path of what is wrong."""
    if isinstance(document, bytes):
        programme = msgspec.json.decode(document, type=Programme)
    else:
        programme = msgspec.convert(document, type=Programme, strict=True)
    if NUL in canonical(programme):
        raise msgspec.ValidationError("text holds the character NUL, which no database keeps - at `$`")
    return programme


def canonical(programme: Programme) -> bytes:
    """The bytes whose hash all four services compare: JSON, keys sorted, every default written out."""
    return msgspec.json.encode(programme, order="sorted")


def sha256(programme: Programme) -> str:
    """Hex SHA-256 of the canonical form."""
    return hashlib.sha256(canonical(programme)).hexdigest()
