"""The programme as the independent model knows it: plain dataclasses, and the two programmes of domain.md (3.6, 3.7, 4)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

LOWEST = 0  # tiers are numbered from the lowest: 0 is what a member joins at

EXPONENTS = {"JPY": 0, "KRW": 0, "VND": 0, "BHD": 3, "JOD": 3, "KWD": 3, "OMR": 3, "TND": 3}  # every other currency: 2


@dataclass(frozen=True)
class Condition:
    """One comparison `metric >= at_least`: minor units for amounts, a count for the rest; `days` for the windows."""

    metric: str
    at_least: int
    days: int = 0


Rule = tuple[Condition, ...]  # all of them must hold; the empty rule always holds
ALWAYS: Rule = ()


@dataclass(frozen=True)
class Tier:
    """A tier (domain.md 4): any of `reach` lifts a member to it, any of `keep` renews it at the end of a period."""

    name: str
    reach: tuple[Rule, ...]
    keep: tuple[Rule, ...]
    multiplier: Fraction
    validity_months: int = 12
    grace: timedelta = timedelta(0)
    on_lapse: str = "to_kept"  # or one_step, never
    requalify: bool = False  # reaching the tier again begins its period anew (ADR 0010)


@dataclass(frozen=True)
class Programme:
    """The rules that the model applies. One version, in force from the beginning."""

    currency: str
    zone: ZoneInfo
    tiers: tuple[Tier, ...]
    rates: dict[str, Fraction] = field(default_factory=dict)  # points per major unit, by category
    default_rate: Fraction = Fraction(1)
    not_qualifying: frozenset[str] = frozenset()
    max_points_per_order: int | None = None
    pending_days: int = 0
    lot_months: int = 12
    on_refund: str = "at_once"  # or at_period_end
    judged_again_within: timedelta = timedelta(hours=168)
    sign_in_points: int = 5
    streak_days: int = 7
    streak_points: int = 20
    review_points: int = 20
    photo_points: int = 10
    reviews_a_day: int = 3
    joined_points: int = 30
    referrer_points: int = 200
    friend_points: int = 100
    referrals_a_month: int = 10
    refund_window_days: int = 14
    share_points: int = 50
    shares_a_month: int = 5
    share_waiting_days: int = 30
    first_purchase_points: int | None = None  # None: the campaign is switched off
    big_basket_points: int | None = None
    big_basket_from: int = 0  # minor units
    upgrade_gift: bool = False

    @property
    def minor_units(self) -> int:
        """How many minor units make a major one."""
        return int(10 ** EXPONENTS.get(self.currency, 2))

    def rate(self, category: str) -> Fraction:
        """Points per major unit of a category."""
        return self.rates.get(category, self.default_rate)

    def tier_number(self, name: str) -> int:
        """The number of a tier from its name."""
        return [tier.name for tier in self.tiers].index(name)


def _reference_tiers(unit: int) -> tuple[Tier, ...]:
    """The table of domain.md 4; `unit` = minor units in a major one."""
    return (
        Tier("regular", (ALWAYS,), (ALWAYS,), Fraction(1)),
        Tier(
            "silver",
            ((Condition("spend_total", 500 * unit),), (Condition("largest_order", 200 * unit),)),
            ((Condition("spend_in_days", 200 * unit, 365),),),
            Fraction(12, 10),
        ),
        Tier(
            "gold",
            ((Condition("spend_total", 2000 * unit),), (Condition("spend_in_days", 1000 * unit, 365),)),
            ((Condition("spend_in_days", 1000 * unit, 365),),),
            Fraction(15, 10),
        ),
        Tier(
            "diamond",
            ((Condition("spend_total", 5000 * unit),), (Condition("spend_in_days", 3000 * unit, 365),)),
            ((Condition("spend_in_days", 3000 * unit, 365),),),
            Fraction(2),
        ),
    )


def reference_programme(currency: str = "CNY", zone: str = "Asia/Shanghai", *, campaigns: bool = False) -> Programme:
    """The reference programme (domain.md 3 and 4), without its campaigns unless they are asked for (domain.md 5)."""
    unit = 10 ** EXPONENTS.get(currency, 2)
    programme = Programme(currency=currency, zone=ZoneInfo(zone), tiers=_reference_tiers(unit))
    return with_campaigns(programme) if campaigns else programme


def with_campaigns(programme: Programme) -> Programme:
    """The same programme with first purchase, big basket and upgrade gift switched on (domain.md 5)."""
    return replace(
        programme,
        first_purchase_points=100,
        big_basket_points=50,
        big_basket_from=100 * programme.minor_units,
        upgrade_gift=True,
    )


def short_programme(currency: str = "USD", zone: str = "America/New_York") -> Programme:
    """The *short programme* of domain.md 3.7: validity 1 month, windows of 30 days, the rest as the reference.

    "Everything else as the reference" keeps `spend_total` in the reach of gold and diamond: without it 19 more are lowered.
    """
    base = reference_programme(currency, zone)
    unit = base.minor_units
    regular, silver, gold, diamond = base.tiers

    def window(amount: int) -> tuple[Rule, ...]:
        return ((Condition("spend_in_days", amount * unit, 30),),)

    return replace(
        base,
        tiers=(
            replace(regular, validity_months=1),
            replace(silver, keep=window(20), validity_months=1),
            replace(gold, reach=(gold.reach[0], *window(100)), keep=window(100), validity_months=1),
            replace(diamond, reach=(diamond.reach[0], *window(300)), keep=window(300), validity_months=1),
        ),
    )
