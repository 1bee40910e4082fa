"""Whether the benefits and tasks of a programme make sense, before it is published. The one thing not to break: what is accepted here is
kept as promised; what cannot be kept is refused with the reason, not left out in silence."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import date

from tier_svc.domain.benefits import MEMBER_PRICE, POINT_VALIDITY, BenefitRulesWords, BenefitWords, PricedTierWords
from tier_svc.domain.checks import Fault
from tier_svc.domain.tasks import TaskWords


def faults_of_benefits(words: BenefitRulesWords | None, ladder: Sequence[PricedTierWords]) -> list[Fault]:
    """Everything that is wrong with the benefits of a version."""
    if words is None:
        return []
    faults = list(_twice("$.benefits.packs", [pack.id for pack in words.packs]))
    faults += _twice("$.benefits.catalogue", [each.id for each in words.catalogue])
    prices = {tier.id: tier.discount_percent for tier in ladder}
    packs = {pack.id for pack in words.packs}
    for place, each in enumerate(words.catalogue):
        path = f"$.benefits.catalogue[{place}]"
        faults += _of_tiers(path, each, prices.keys())
        faults += [Fault(f"{path}.packs", f"{pack} is no pack") for pack in each.packs if pack not in packs]
        faults += _of_values(path, each, any(prices.values()))
        faults += _of_limits(path, each)
    return faults


def faults_of_tasks(words: Sequence[TaskWords]) -> list[Fault]:
    """Everything that is wrong with the tasks of a version."""
    faults = list(_twice("$.tasks", [each.id for each in words]))
    for place, each in enumerate(words):
        faults += _of_task(f"$.tasks[{place}]", each)
    return faults


def faults_of_tasks_beside(words: Sequence[TaskWords], earlier: Sequence[TaskWords]) -> list[Fault]:
    """What does not go together with an earlier version: of a task done by something that no refund undoes later activities are not kept,
    and would be missed if what did it before were refunded."""
    was = {each.id: each.done_by for each in earlier}
    return [
        Fault(
            f"$.tasks[{place}].done_by",
            f"{each.id} is done by {was[each.id]} in an earlier version: it needs an id of its own",
        )
        for place, each in enumerate(words)
        if was.get(each.id, each.done_by) != each.done_by
    ]


def _twice(path: str, ids: Sequence[str]) -> Iterator[Fault]:
    for place, each in enumerate(ids):
        if each in ids[:place]:
            yield Fault(f"{path}[{place}].id", f"{each} stands twice")


def _of_tiers(path: str, each: BenefitWords, ladder: Collection[str]) -> Iterator[Fault]:
    if each.from_tier is not None and each.tiers:
        yield Fault(path, f"{each.id} is for a tier and upward or for exactly some tiers, not both")
    if each.from_tier is not None and each.from_tier not in ladder:
        yield Fault(f"{path}.from_tier", f"{each.from_tier} is no tier of the ladder")
    for tier in each.tiers:
        if tier not in ladder:
            yield Fault(f"{path}.tiers", f"{tier} is no tier of the ladder")


def _of_values(path: str, each: BenefitWords, has_prices: bool) -> Iterator[Fault]:
    if each.percent_off is not None and each.kind != MEMBER_PRICE:
        yield Fault(f"{path}.percent_off", f"only a {MEMBER_PRICE} is percent off")
    if each.kind == MEMBER_PRICE and each.percent_off is None and not has_prices:
        yield Fault(path, f"{each.id} says no percent_off, and no tier has a discount_percent")
    if (each.months is not None) != (each.kind == POINT_VALIDITY):
        yield Fault(f"{path}.months", f"months belong to a {POINT_VALIDITY}, and to nothing else")


def _of_limits(path: str, each: BenefitWords) -> Iterator[Fault]:
    limits = each.limits
    if limits.per is not None and limits.per_member is None:
        yield Fault(f"{path}.limits.per", "a period without a limit per member")
    if limits.total_per is not None and limits.total is None:
        yield Fault(f"{path}.limits.total_per", "a period without a total")
    if limits.per == "birthday" and each.around_birthday is None:
        yield Fault(f"{path}.limits.per", "per birthday: which days around it? (around_birthday)")


def _of_task(path: str, each: TaskWords) -> Iterator[Fault]:
    if not each.growth and not each.points:
        yield Fault(path, f"{each.id} rewards nothing")
    if each.which is not None and each.done_by not in ("join", "survey"):
        yield Fault(f"{path}.which", "only an activity joined or a survey has a name of its own")
    if each.least_minor and each.done_by != "purchase":
        yield Fault(f"{path}.least_minor", "only a purchase is worth an amount")
    if each.photos and each.done_by != "review":
        yield Fault(f"{path}.photos", "only a review has photos")
    days = []
    for name, text in (("from_day", each.from_day), ("to_day", each.to_day)):
        if text is not None:
            try:
                days.append(date.fromisoformat(text))
            except ValueError:
                yield Fault(f"{path}.{name}", f"{text} is no day")
    if len(days) == 2 and days[0] > days[1]:
        yield Fault(f"{path}.to_day", "ends before it begins")
