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
    def max_points_per_order(self) -> int | None: ...
    @property
    def pending_days(self) -> int: ...


class SignInRules(Protocol):
    """What the programme says about sign-ins (domain.md 3.2)."""

    @property
    def points(self) -> int: ...
    @property
    def streak_days(self) -> int: ...
    @property
    def streak_points(self) -> int: ...


class ReviewRules(Protocol):
    """What the programme says about reviews (domain.md 3.2)."""

    @property
    def points(self) -> int: ...
    @property
    def photo_points(self) -> int: ...
    @property
    def max_per_day(self) -> int: ...


class JoinRules(Protocol):
    """What the programme says about activities joined (domain.md 3.2)."""

    @property
    def points(self) -> int: ...


class ExpiryRules(Protocol):
    """What the programme says about expiry (domain.md 3.4)."""

    @property
    def months(self) -> int: ...


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
    def expiry(self) -> ExpiryRules: ...
    @property
    def spending(self) -> SpendingRules: ...
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
    def exponent(self) -> int: ...
    @property
    def zone(self) -> str: ...
    @property
    def points(self) -> PointsPart: ...
    @property
    def tiers(self) -> Tiers: ...


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
    points_max_per_order: int | None
    pending: timedelta
    multipliers: Mapping[str, int]  # tier → millionths
    lowest_tier: str
    sign_in: SignInRules
    review: ReviewRules
    join: JoinRules
    expiry_months: int
    hold_for: timedelta
    alone_max: int  # points corrected by hand by one person alone
    checkout: CheckoutRules

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
    return Rules(
        version=programme.version,
        zone=ZoneInfo(programme.zone),
        minor_units=10**programme.exponent,
        plain=Rate(millionths(purchase.rate)),
        special=special,
        points_max_per_order=purchase.max_points_per_order,
        pending=timedelta(days=purchase.pending_days),
        multipliers={tier.id: millionths(tier.multiplier) for tier in programme.tiers.ladder},
        lowest_tier=programme.tiers.ladder[0].id,
        sign_in=points.sign_in,
        review=points.review,
        join=points.join,
        expiry_months=points.expiry.months,
        hold_for=timedelta(seconds=points.spending.hold_seconds),
        alone_max=points.adjusting.alone_max,
        checkout=points.checkout,
    )


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
    return found
