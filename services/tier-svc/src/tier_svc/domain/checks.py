"""Whether a programme's ladder makes sense, before it is published (domain.md 4.6). The one thing not to break: what is accepted here
can be judged for ever; a published version is never changed."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable, Sequence
from typing import NamedTuple
from zoneinfo import ZoneInfo

from tier_svc.domain.conditions import ConditionWords, metric_name, parts_of, ways_of
from tier_svc.domain.ladder import MainRulesWords, TierRulesWords, TierWords
from tier_svc.domain.terms import Terms

LEAP_YEAR = 2000

WAYS_MAX = 64  # clauses that one condition may come to: each is looked at after each activity


class Fault(NamedTuple):
    """What is wrong, and where in the document."""

    path: str
    says: str


def faults_of(words: MainRulesWords, zone: str) -> list[Fault]:
    """Everything that is wrong with the ladder and the clubs by themselves."""
    faults = _zone_faults(zone) + _ladder_faults(words)
    clubs = words.clubs or ()
    for place, club in enumerate(clubs):
        if club.id in [other.id for other in clubs[:place]]:
            faults.append(Fault(f"$.tiers.clubs[{place}].id", f"{club.id} stands twice"))
        faults += [
            Fault(fault.path.replace("$.tiers", f"$.tiers.clubs[{place}]", 1), fault.says)
            for fault in _ladder_faults(club)
        ]
    return faults


def _ladder_faults(words: TierRulesWords) -> list[Fault]:
    faults: list[Fault] = []
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
    if ladder[0].requalify:
        faults.append(Fault("$.tiers.ladder[0].requalify", f"{names[0]} is the lowest tier: it has no period"))
    for place, tier in enumerate(ladder[1:], start=1):
        faults += _tier_faults(f"$.tiers.ladder[{place}]", tier) + _terms_faults(place, words, tier)
    return list(dict.fromkeys(faults))


def _terms_faults(place: int, words: TierRulesWords, tier: TierWords) -> list[Fault]:
    terms = Terms.of(words, tier)
    path = f"$.tiers.ladder[{place}]"
    if terms.months == 0 and not (
        terms.kind in ("none", "calendar") or (terms.kind == "rolling" and terms.ends != "day")
    ):
        return [Fault(f"{path}.validity_months", f"a period of {tier.id} would end where it begins")]
    if terms.kind == "calendar" and not terms.dates and terms.ends == "day":
        return [
            Fault("$.tiers.period", "a period by the calendar needs `dates` or the `ends` of a month, quarter or year")
        ]
    if terms.kind != "calendar" and terms.dates:
        return [Fault("$.tiers.period.dates", "dates end periods by the calendar alone")]
    impossible = [f"{month:02}-{day:02}" for month, day in terms.dates if day > monthrange(LEAP_YEAR, month)[1]]
    return [Fault("$.tiers.period.dates", f"{text} is no day of any year") for text in impossible]


def faults_beside(words: MainRulesWords, zone: str, earlier: MainRulesWords, earlier_zone: str) -> list[Fault]:
    """What does not go together with a version that members may stand by already: nobody may lose the tier he holds, or his calendar."""
    names = {tier.id for tier in words.ladder}
    faults = [
        Fault("$.tiers.ladder", f"{tier.id} is missing, which an earlier version has")
        for tier in earlier.ladder
        if tier.id not in names
    ]
    clubs = {club.id: {tier.id for tier in club.ladder} for club in words.clubs or ()}
    for club in earlier.clubs or ():
        missing = [club.id] if club.id not in clubs else [t.id for t in club.ladder if t.id not in clubs[club.id]]
        faults += [Fault("$.tiers.clubs", f"{name} is missing, which an earlier version has") for name in missing]
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
    ways = [condition.metric is not None, bool(condition.all), bool(condition.any), condition.always]
    if sum(ways) != 1:
        others = "`all`, `any`, `always`" if condition.any else "`all`, `always`"
        return [Fault(path, f"a condition is exactly one of: a metric, {others}")]
    if parts := parts_of(condition):
        name = "all" if condition.all else "any"
        faults = [
            fault for place, part in enumerate(parts) for fault in _condition_faults(f"{path}.{name}[{place}]", part)
        ]
        if not faults and ways_of(condition) > WAYS_MAX:
            return [Fault(path, f"comes to more than {WAYS_MAX} ways: write it with fewer `any` inside `all`")]
        return faults
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
        if parts := parts_of(condition):
            yield from _leaves(parts)
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
