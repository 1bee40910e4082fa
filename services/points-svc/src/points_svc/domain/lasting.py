"""How long points last at which tier: the benefits of kind `point_validity` of the programme, which tier-svc tells and points-svc keeps.
The one thing not to break: what is told to a member and what his points expire by are one rule, so what cannot be kept is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

from points_svc.domain.policies import Policy


class Bounds(Protocol):
    """How often a benefit may be had."""

    @property
    def per_member(self) -> int | None: ...
    @property
    def total(self) -> int | None: ...


class Validity(Protocol):
    """A benefit that says how long points last: from a tier upward, or at exactly some tiers; neither: at every tier."""

    @property
    def id(self) -> str: ...
    @property
    def from_tier(self) -> str | None: ...
    @property
    def tiers(self) -> Sequence[str]: ...
    @property
    def packs(self) -> Sequence[str]: ...
    @property
    def months(self) -> int | None: ...
    @property
    def around_birthday(self) -> Any: ...
    @property
    def limits(self) -> Bounds: ...


def policies_of(validities: Sequence[Validity], ladder: Sequence[str], plain: Policy) -> dict[str, Policy]:
    """The tiers at which points last longer than they do anyway, each with the best of its benefits."""
    found = {}
    for rank, tier in enumerate(ladder):
        months = [v.months for v in validities if v.months is not None and _applies(v, tier, rank, ladder)]
        if max(months, default=0) > plain.months:
            found[tier] = replace(plain, months=max(months))
    return found


def problems(validities: Sequence[Validity], policy: str) -> list[str]:
    """What cannot be kept, in sentences. Packs and birthdays are told to tier-svc alone, and stand in no numbered stream."""
    found = [
        f"benefits: {v.id}: points last longer by tier alone, not by pack, birthday or limit"
        for v in validities
        if v.packs or v.around_birthday is not None or v.limits.per_member is not None or v.limits.total is not None
    ]
    if validities and policy == "sliding":
        found.append(
            "benefits: points that last longer by tier do not go with the policy sliding, which prolongs by purchases"
        )
    return found


def _applies(validity: Validity, tier: str, rank: int, ladder: Sequence[str]) -> bool:
    if validity.from_tier is not None:
        return validity.from_tier in ladder and rank >= ladder.index(validity.from_tier)
    return not validity.tiers or tier in validity.tiers
