"""A programme version made ready for rating: exact integers, a zone, a table of multipliers. The one thing not to break: rates and
multipliers are exact decimals (domain.md 3.1), held as integers in millionths; no float ever touches a point."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Protocol
from zoneinfo import ZoneInfo

from points_svc.domain import lasting, policies, stacking
from points_svc.domain.policies import Policy

BY_DAYS, ONLY_BY_EVENT = "days", "event"  # what makes points available; else whichever is first
MILLIONTHS = 10**6  # the contract allows six decimals in a rate


class PurchaseRules(Protocol):
    """What the programme says about purchases (domain.md 3.1)."""

    @property
    def rate(self) -> str: ...
    @property
    def category_rates(self) -> Mapping[str, str]: ...
    @property
    def not_qualifying(self) -> Sequence[str]: ...
    @property
    def extra(self) -> Sequence[stacking.EarningRule]: ...
    @property
    def max_points_per_order(self) -> int | None: ...
    @property
    def pending_days(self) -> int: ...
    @property
    def activates(self) -> str: ...
    @property
    def refund_window_days(self) -> int: ...


class CapRule(Protocol):
    """At most so many points by one rule per local period; beyond it is clipped or rejected."""

    @property
    def points(self) -> int: ...
    @property
    def per(self) -> str: ...
    @property
    def kind(self) -> str: ...


class SignInRules(Protocol):
    """What the programme says about sign-ins (domain.md 3.2)."""

    @property
    def points(self) -> int: ...
    @property
    def streak_days(self) -> int: ...
    @property
    def streak_points(self) -> int: ...
    @property
    def caps(self) -> Sequence[CapRule]: ...


class ReviewRules(Protocol):
    """What the programme says about reviews (domain.md 3.2)."""

    @property
    def points(self) -> int: ...
    @property
    def photo_points(self) -> int: ...
    @property
    def max_per_day(self) -> int: ...
    @property
    def caps(self) -> Sequence[CapRule]: ...


class JoinRules(Protocol):
    """What the programme says about activities joined (domain.md 3.2)."""

    @property
    def points(self) -> int: ...
    @property
    def caps(self) -> Sequence[CapRule]: ...


class ReferralRules(Protocol):
    """What the programme says about referrals (domain.md 3.2)."""

    @property
    def points(self) -> int: ...
    @property
    def new_member_points(self) -> int: ...
    @property
    def max_per_month(self) -> int: ...


class ShareRules(Protocol):
    """What the programme says about shares (domain.md 3.2)."""

    @property
    def points(self) -> int: ...
    @property
    def max_per_month(self) -> int: ...
    @property
    def waiting_days(self) -> int: ...


class ExpiryRules(Protocol):
    """What the programme says about expiry (domain.md 3.4)."""

    @property
    def policy(self) -> str: ...
    @property
    def months(self) -> int: ...
    @property
    def ends(self) -> str: ...
    @property
    def dates(self) -> Sequence[str]: ...
    @property
    def reminder_days(self) -> Sequence[int]: ...
    @property
    def extension_days_max(self) -> int: ...


class SpendingRules(Protocol):
    """What the programme says about spending (domain.md 3.5)."""

    @property
    def hold_seconds(self) -> int: ...


class AdjustingRules(Protocol):
    """What the programme says about corrections by hand (domain.md 3.5)."""

    @property
    def alone_max(self) -> int: ...


class CheckoutRules(Protocol):
    """What the programme says about points as money (domain.md 3.5)."""

    @property
    def points_per_major_unit(self) -> int: ...
    @property
    def max_share_percent(self) -> int: ...
    @property
    def min_points(self) -> int: ...


class StoredValueRules(Protocol):
    """What the programme says about stored value (ADR 0016)."""

    @property
    def spend_first(self) -> str: ...
    @property
    def bonus_days(self) -> int | None: ...
    @property
    def bonus_max_percent(self) -> int: ...
    @property
    def balance_max_minor(self) -> int | None: ...
    @property
    def cash_out(self) -> bool: ...
    @property
    def bonus_on_cash_out(self) -> str: ...


class PointsPart(Protocol):
    """The programme's part about points."""

    @property
    def purchase(self) -> PurchaseRules: ...
    @property
    def sign_in(self) -> SignInRules: ...
    @property
    def review(self) -> ReviewRules: ...
    @property
    def join(self) -> JoinRules: ...
    @property
    def referral(self) -> ReferralRules: ...
    @property
    def share(self) -> ShareRules: ...
    @property
    def expiry(self) -> ExpiryRules: ...
    @property
    def spending(self) -> SpendingRules: ...
    @property
    def cost_per_point(self) -> str: ...
    @property
    def adjusting(self) -> AdjustingRules: ...
    @property
    def checkout(self) -> CheckoutRules: ...


class Step(Protocol):
    """One tier, as far as points need it."""

    @property
    def id(self) -> str: ...
    @property
    def multiplier(self) -> str: ...


class Tiers(Protocol):
    """The ladder of tiers, lowest first."""

    @property
    def ladder(self) -> Sequence[Step]: ...


class Programme(Protocol):
    """The document of one version, as the contracts describe it."""

    @property
    def version(self) -> int: ...
    @property
    def currency(self) -> str: ...
    @property
    def exponent(self) -> int: ...
    @property
    def zone(self) -> str: ...
    @property
    def points(self) -> PointsPart: ...
    @property
    def tiers(self) -> Tiers: ...
    @property
    def wallet(self) -> StoredValueRules: ...
    @property
    def point_validities(self) -> Sequence[lasting.Validity]: ...


@dataclass(frozen=True, slots=True)
class Rate:
    """Points per major unit, in millionths; `excluded`: the category is `not_qualifying` and earns nothing at all."""

    millionths: int
    excluded: bool = False


@dataclass(frozen=True, slots=True)
class Rules:
    """One programme version, ready for use. `special`: the categories that do not have the plain rate."""

    version: int
    zone: ZoneInfo
    minor_units: int  # in one major unit: 10 ** exponent
    plain: Rate
    special: Mapping[str, Rate]
    extra: tuple[stacking.Extra, ...]  # in order
    points_max_per_order: int | None
    pending: timedelta
    multipliers: Mapping[str, int]  # tier → millionths
    lowest_tier: str
    sign_in: SignInRules
    review: ReviewRules
    join: JoinRules
    referral: ReferralRules
    refund_window: timedelta
    share: ShareRules
    expiry: Policy
    reminder_days: tuple[int, ...]  # ascending
    extension_days_max: int
    hold_for: timedelta
    currency: str
    cost_per_point: int  # millionths of a major unit, what one point costs the shop
    alone_max: int  # points corrected by hand by one person alone
    checkout: CheckoutRules
    wallet: StoredValueRules
    lasting: Mapping[str, Policy]  # tiers at which points last longer; mostly none
    activation: str = BY_DAYS
    by_event: bool = False  # whether a confirmation makes an order's points available

    def expiry_at(self, tier: str | None) -> Policy:
        """By what points expire that are earned at a tier."""
        return self.lasting.get(tier or self.lowest_tier, self.expiry)

    def caps(self, rule: str) -> Sequence[CapRule]:
        """What bounds a rule per period; nothing bounds orders but their own maximum, because they are rated again."""
        of_rules = {"sign_in": self.sign_in.caps, "review": self.review.caps, "join": self.join.caps}
        return of_rules.get(rule, ())

    @property
    def is_capped(self) -> bool:
        """Whether any rule is bounded per period."""
        return bool(self.sign_in.caps or self.review.caps or self.join.caps)

    def multiplier(self, tier: str | None) -> int:
        """Millionths. A member without a standing, or with a tier this version does not know, is rated at the lowest tier."""
        return self.multipliers.get(tier or self.lowest_tier, self.multipliers[self.lowest_tier])


@dataclass(frozen=True, slots=True)
class Activation:
    """A version is in force from an instant on; None: from the beginning."""

    version: int
    effective_from: datetime | None


def in_force(activations: Iterable[Activation], at: datetime) -> int | None:
    """The version in force at an instant: the latest that began by then (domain.md 6). None: none that is known."""
    beginning = datetime.min.replace(tzinfo=UTC)
    begun = [(a.effective_from or beginning, a.version) for a in activations]
    return max(((since, version) for since, version in begun if since <= at), default=(at, None))[1]


def millionths(decimal: str) -> int:
    """An exact decimal such as "1.25" as an integer: 1250000."""
    return int(Decimal(decimal) * MILLIONTHS)


@cache
def decimal_of(value: int) -> str:
    """The other way round, for people: 1250000 is "1.25"."""
    whole, rest = divmod(value, MILLIONTHS)
    return f"{whole}.{rest:06d}".rstrip("0") if rest else str(whole)


def rules_of(programme: Programme) -> Rules:
    """Make a version ready. What is listed as not qualifying earns nothing, also where a category rate is given."""
    points, purchase = programme.points, programme.points.purchase
    special = {category: Rate(millionths(rate)) for category, rate in purchase.category_rates.items()}
    special |= {category: Rate(0, excluded=True) for category in purchase.not_qualifying}
    ladder, expiry = [tier.id for tier in programme.tiers.ladder], policy_of(points.expiry, ZoneInfo(programme.zone))
    return Rules(
        version=programme.version,
        zone=ZoneInfo(programme.zone),
        minor_units=10**programme.exponent,
        plain=Rate(millionths(purchase.rate)),
        special=special,
        extra=stacking.in_order([extra_of(rule) for rule in purchase.extra]),
        points_max_per_order=purchase.max_points_per_order,
        pending=timedelta(days=purchase.pending_days),
        multipliers={tier.id: millionths(tier.multiplier) for tier in programme.tiers.ladder},
        lowest_tier=ladder[0],
        sign_in=points.sign_in,
        review=points.review,
        join=points.join,
        referral=points.referral,
        refund_window=timedelta(days=purchase.refund_window_days),
        share=points.share,
        expiry=expiry,
        reminder_days=tuple(sorted(set(points.expiry.reminder_days))),
        extension_days_max=points.expiry.extension_days_max,
        hold_for=timedelta(seconds=points.spending.hold_seconds),
        currency=programme.currency,
        cost_per_point=millionths(points.cost_per_point),
        alone_max=points.adjusting.alone_max,
        checkout=points.checkout,
        wallet=programme.wallet,
        lasting=lasting.policies_of(programme.point_validities, ladder, expiry),
        activation=purchase.activates,
        by_event=purchase.activates != BY_DAYS,
    )


def extra_of(rule: stacking.EarningRule) -> stacking.Extra:
    """One earning rule, ready for use."""
    categories, channels = frozenset(rule.categories), frozenset(rule.channels)
    return stacking.Extra(rule.id, millionths(rule.rate), categories, channels, rule.priority, rule.stack_group)


def policy_of(rule: ExpiryRules, zone: ZoneInfo) -> Policy:
    """The rule about expiry, ready for use."""
    return Policy(rule.policy, rule.months, rule.ends, policies.days_of(rule.dates), zone)


def problems_of(programme: Programme) -> list[str]:
    """What points-svc has against a version, in sentences; empty: nothing (domain.md 6)."""
    found = []
    try:
        ZoneInfo(programme.zone)
    except (KeyError, ValueError, OSError):  # a ZoneInfoNotFoundError is a KeyError
        found.append(f"zone: {programme.zone!r} is no time zone")
    tiers = [tier.id for tier in programme.tiers.ladder]
    if not tiers:
        found.append("tiers.ladder: there must be at least one tier")
    if len(set(tiers)) < len(tiers):
        found.append("tiers.ladder: a tier stands there twice")
    purchase = programme.points.purchase
    found += [
        f"points.purchase: {category!r} is not qualifying and has a rate"
        for category in purchase.not_qualifying
        if category in purchase.category_rates
    ]
    found += stacking.problems(purchase.extra)
    found += policies.problems(programme.points.expiry.policy, programme.points.expiry.dates)
    found += lasting.problems(programme.point_validities, programme.points.expiry.policy)
    return found
