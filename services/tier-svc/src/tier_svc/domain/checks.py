"""Whether a programme's ladder makes sense, before it is published (domain.md 4.6). The one thing not to break: what is accepted here
can be judged for ever; a published version is never changed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple
from zoneinfo import ZoneInfo

from tier_svc.domain.conditions import ConditionWords, metric_name
from tier_svc.domain.ladder import TierRulesWords, TierWords


class Fault(NamedTuple):
    """What is wrong, and where in the document."""

    path: str
    says: str


def faults_of(words: TierRulesWords, zone: str) -> list[Fault]:
    """Everything that is wrong with the ladder by itself."""
    faults = _zone_faults(zone)
    ladder = words.ladder
    if not ladder:
        return [*faults, Fault("$.tiers.ladder", "a ladder needs at least one tier")]
    names = [tier.id for tier in ladder]
    faults += [
        Fault(f"$.tiers.ladder[{place}].id", f"{name} stands twice")
        for place, name in enumerate(names)
        if name in names[:place]
    ]
    if ladder[0].reach or ladder[0].keep:
        faults.append(
            Fault("$.tiers.ladder[0]", f"{names[0]} is the lowest tier: it is reached by joining and always kept")
        )
    for place, tier in enumerate(ladder[1:], start=1):
        faults += _tier_faults(f"$.tiers.ladder[{place}]", tier)
    return faults


def faults_beside(words: TierRulesWords, zone: str, earlier: TierRulesWords, earlier_zone: str) -> list[Fault]:
    """What does not go together with a version that members may stand by already: nobody may lose the tier he holds, or his calendar."""
    names = {tier.id for tier in words.ladder}
    faults = [
        Fault("$.tiers.ladder", f"{tier.id} is missing, which an earlier version has")
        for tier in earlier.ladder
        if tier.id not in names
    ]
    if zone != earlier_zone:
        faults.append(Fault("$.zone", f"the zone cannot change from {earlier_zone}: local days are stamped for ever"))
    return faults


def _zone_faults(zone: str) -> list[Fault]:
    try:
        ZoneInfo(zone)
    except (ValueError, OSError, LookupError):
        return [Fault("$.zone", f"{zone} is no time zone")]
    return []


def _tier_faults(path: str, tier: TierWords) -> list[Fault]:
    faults = []
    for part, conditions in (("reach", tier.reach), ("keep", tier.keep)):
        for place, condition in enumerate(conditions):
            faults += _condition_faults(f"{path}.{part}[{place}]", condition)
    if not tier.reach:
        faults.append(Fault(f"{path}.reach", f"{tier.id} cannot be reached"))
    if faults:
        return faults
    asks = _least_asked(tier.reach)
    for name, kept in _most_asked(tier.keep).items():
        if name in asks and kept > asks[name]:
            faults.append(
                Fault(f"{path}.keep", f"to keep {tier.id} asks more of {name} ({kept}) than to reach it ({asks[name]})")
            )
    return faults


def _condition_faults(path: str, condition: ConditionWords) -> list[Fault]:
    ways = [condition.metric is not None, bool(condition.all), condition.always]
    if sum(ways) != 1:
        return [Fault(path, "a condition is exactly one of: a metric, `all`, `always`")]
    if condition.all:
        return [
            fault
            for place, part in enumerate(condition.all)
            for fault in _condition_faults(f"{path}.all[{place}]", part)
        ]
    if condition.always:
        return []
    try:
        name = metric_name(condition)
    except ValueError as error:
        return [Fault(path, str(error))]
    if condition.at_least is None and condition.at_most is None:
        return [Fault(path, f"{name} is compared with nothing")]
    return []


def _leaves(conditions: Iterable[ConditionWords]) -> Iterable[tuple[str, int]]:
    for condition in conditions:
        if condition.all:
            yield from _leaves(condition.all)
        elif condition.metric is not None and condition.at_least is not None:
            yield metric_name(condition), condition.at_least


def _least_asked(conditions: Sequence[ConditionWords]) -> dict[str, int]:
    asked: dict[str, int] = {}
    for name, amount in _leaves(conditions):
        asked[name] = min(amount, asked.get(name, amount))
    return asked


def _most_asked(conditions: Sequence[ConditionWords]) -> dict[str, int]:
    asked: dict[str, int] = {}
    for name, amount in _leaves(conditions):
        asked[name] = max(amount, asked.get(name, amount))
    return asked
