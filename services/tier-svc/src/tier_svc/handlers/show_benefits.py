"""Which benefits a member has and why, or why not; and how much they are used. The one thing not to break: asking changes nothing, and
what is shown is what a use would be decided by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from tier_svc.domain.benefits import Benefit, Catalogue, Holder, Verdict, best_of_each, spans_of, verdict
from tier_svc.domain.ladder import Rules
from tier_svc.domain.needs import Need
from tier_svc.domain.spans import Span
from tier_svc.handlers.show_standing import NoProgramme, show_standing, show_tier_at
from tier_svc.store import TierStore
from tier_svc.store.benefits import HolderRow
from tier_svc.store.rows import effective

PER_TEN_THOUSAND = 10_000


@dataclass(frozen=True, slots=True)
class Held:
    """All benefits of the programme in force for one member. `clock`: how far the stream behind the standing has got; `next`: ways to the
    next tier, where they were asked for."""

    member_id: UUID
    at: datetime
    day: date
    clock: datetime
    holder: Holder
    version: int
    verdicts: list[Verdict]
    next: tuple[Need, ...] = ()


@dataclass(frozen=True, slots=True)
class Usage:
    """How a benefit is used at one tier: members who have it now, those of them who used it, live uses and those given back."""

    benefit: Benefit
    tier: str
    entitled: int
    users: int
    uses: int
    given_back: int

    @property
    def rate(self) -> int | None:
        """Users per ten thousand of those entitled."""
        return self.users * PER_TEN_THOUSAND // self.entitled if self.entitled else None


class InForce(NamedTuple):
    """The programme in force for a member at an instant."""

    rules: Rules
    benefits: Catalogue
    day: date


async def show_benefits(member_id: UUID, now: datetime, at: datetime | None, store: TierStore) -> Held | None:
    """As of now, or of another instant (then without what is taken by all). None for an unknown member. Raises NoProgramme."""
    row = await store.benefits.holder(member_id)
    if row is None or row.clock is None:
        return None
    instant = at or now
    there = await in_force(row.partition, instant, store)
    if at is None:
        held = holder_of(row, effective(row, there.rules))
    else:
        held = holder_of(row, (await show_tier_at(member_id, at, None, there.rules, store)).effective)
    verdicts = await judged(member_id, held, there, store, at)
    needed: tuple[Need, ...] = ()
    if at is None:
        shown = await show_standing(member_id, store)
        needed = shown.needs.next if shown is not None else ()
    return Held(member_id, instant, there.day, row.clock, held, there.rules.version, verdicts, needed)


async def in_force(partition: int, instant: datetime, store: TierStore) -> InForce:
    """Raises NoProgramme."""
    lane = (await store.programmes.lanes([partition]))[partition]
    timeline = await store.programmes.timeline(lane.activations)
    try:
        rules = timeline.at(instant)
    except LookupError as missing:
        raise NoProgramme(str(missing)) from missing
    shelved = (await store.programmes.load([rules.version]))[rules.version]
    return InForce(rules, shelved.benefits, rules.calendar.day_of(instant))


def holder_of(row: HolderRow, tier: str) -> Holder:
    """A stored member as the rules see him."""
    birthday = None
    if row.birthday is not None:
        month, day = row.birthday.split("-")
        birthday = (int(month), int(day))
    return Holder(tier, row.pack, birthday)


async def judged(
    member_id: UUID, holder: Holder, there: InForce, store: TierStore, at: datetime | None = None
) -> list[Verdict]:
    """Every benefit of the version: does it apply, and what is left of it? Counted with two statements, whatever their number."""
    benefits = list(there.benefits.benefits.values())
    spans = {each.id: spans_of(each, holder, there.day) for each in benefits}
    limited: dict[str, Span] = {each.id: spans[each.id].member for each in benefits if each.per_member is not None}
    scarce = {each.id: (each.total_per, spans[each.id].all) for each in benefits if each.total is not None}
    used = await store.benefits.used(member_id, limited, at)
    taken = await store.benefits.taken(scarce) if at is None else {}
    ladder = there.benefits.ladder
    return best_of_each(
        verdict(each, holder, ladder, there.day, used=used.get(each.id, 0), taken=taken.get(each.id))
        for each in benefits
    )


async def show_rules(store: TierStore) -> Rules | None:
    """The newest version in force; None before the first."""
    return await store.programmes.newest_in_force()


async def show_catalogue(store: TierStore) -> tuple[int, Catalogue] | None:
    """The benefits of the newest version in force, with its number; None before the first."""
    rules = await show_rules(store)
    if rules is None:
        return None
    return rules.version, (await store.programmes.load([rules.version]))[rules.version].benefits


async def show_usage(since: date, until: date, store: TierStore) -> Sequence[Usage] | None:
    """The benefit usage rate (权益使用率) over local days [since, until), per benefit and tier; None before the first version."""
    rules = await show_rules(store)
    if rules is None:
        return None
    catalogue = (await store.programmes.load([rules.version]))[rules.version].benefits
    rows = await store.benefits.usage(since, until, rules)
    usages = []
    for benefit in catalogue.benefits.values():
        for tier in benefit.tiers:
            entitled = sum(n for (held, pack), n in rows.entitled.items() if held == tier and _has(benefit, pack))
            users = sum(
                n
                for (used, held, pack), n in rows.users.items()
                if used == benefit.id and held == tier and _has(benefit, pack)
            )
            uses, given_back = rows.uses.get((benefit.id, tier), (0, 0))
            usages.append(Usage(benefit, tier, entitled, users, uses, given_back))
    return usages


def _has(benefit: Benefit, pack: str | None) -> bool:
    return not benefit.packs or pack in benefit.packs
