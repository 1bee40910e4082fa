"""Benefits bound to tiers: who has which one on a local day, how much of it is left, and why (or why not). Pure. The one thing not to
break: whether a benefit applies and what is said about it come from the same list of reasons, so an answer cannot contradict itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import NamedTuple, Protocol

from tier_svc.domain.spans import EVER, Span, birthday_near, span_of

MEMBER_PRICE, POINT_VALIDITY = "member_price", "point_validity"
IMPLIED = "member-price"  # the id of the price that the ladder's `discount_percent` promises where no benefit of that kind is written


class LimitWords(Protocol):
    @property
    def per_member(self) -> int | None: ...
    @property
    def per(self) -> str | None: ...
    @property
    def total(self) -> int | None: ...
    @property
    def total_per(self) -> str | None: ...


class AroundWords(Protocol):
    @property
    def days_before(self) -> int: ...
    @property
    def days_after(self) -> int: ...


class BenefitWords(Protocol):
    """A benefit as the programme document writes it."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def from_tier(self) -> str | None: ...
    @property
    def tiers(self) -> Sequence[str]: ...
    @property
    def packs(self) -> Sequence[str]: ...
    @property
    def percent_off(self) -> int | None: ...
    @property
    def months(self) -> int | None: ...
    @property
    def gives(self) -> str | None: ...
    @property
    def around_birthday(self) -> AroundWords | None: ...
    @property
    def limits(self) -> LimitWords: ...


class PackWords(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...


class BenefitRulesWords(Protocol):
    """The part `benefits` of the programme document."""

    @property
    def packs(self) -> Sequence[PackWords]: ...
    @property
    def catalogue(self) -> Sequence[BenefitWords]: ...


class PricedTierWords(Protocol):
    """A tier with the member price that it promises."""

    @property
    def id(self) -> str: ...
    @property
    def discount_percent(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Benefit:
    """One benefit of a programme version. `tiers`: who has it, lowest first. `values`: by tier, percent off or months (one value is enough:
    the best one applies). `around`: local days before and after a birthday."""

    id: str
    name: str
    kind: str
    text: str
    tiers: tuple[str, ...]
    packs: tuple[str, ...] = ()
    values: Mapping[str, int] | None = None
    gives: str | None = None
    around: tuple[int, int] | None = None
    per_member: int | None = None
    per: str | None = None
    total: int | None = None
    total_per: str | None = None


class Catalogue:
    """The benefits of one programme version, in the order in which they are written."""

    def __init__(self, words: BenefitRulesWords | None, ladder: Sequence[PricedTierWords]) -> None:
        self.ladder = tuple(tier.id for tier in ladder)
        prices = {tier.id: tier.discount_percent for tier in ladder if tier.discount_percent}
        self.packs = {pack.id: pack.name for pack in words.packs} if words is not None else {}
        written = [self._benefit(each, prices) for each in words.catalogue] if words is not None else []
        self.benefits = {benefit.id: benefit for benefit in written}
        if prices and IMPLIED not in self.benefits and all(each.kind != MEMBER_PRICE for each in written):
            self.benefits[IMPLIED] = Benefit(IMPLIED, "", MEMBER_PRICE, "", tuple(prices), values=prices)

    def _benefit(self, words: BenefitWords, prices: Mapping[str, int]) -> Benefit:
        tiers = tuple(tier for tier in self.ladder if not words.tiers or tier in words.tiers)
        if words.from_tier is not None:
            tiers = self.ladder[self.ladder.index(words.from_tier) :]
        values: Mapping[str, int] | None = None
        if words.kind == MEMBER_PRICE:
            values = dict.fromkeys(tiers, words.percent_off) if words.percent_off is not None else prices
            tiers = tuple(tier for tier in tiers if tier in values)
        elif words.months is not None:
            values = dict.fromkeys(tiers, words.months)
        around, limits = words.around_birthday, words.limits
        return Benefit(
            words.id, words.name, words.kind, words.text, tiers, tuple(words.packs), values, words.gives,
            None if around is None else (around.days_before, around.days_after),
            limits.per_member, limits.per, limits.total, limits.total_per,
        )  # fmt: skip


class Holder(NamedTuple):
    """What is asked about a member: the effective tier, the pack chosen, and month and day of birth."""

    tier: str
    pack: str | None = None
    birthday: tuple[int, int] | None = None


class Reason(NamedTuple):
    """One thing that a benefit asks for, whether it is so, and in words. `needs`: what would have to be."""

    asks: str  # tier, pack, birthday, limit, quantity, better
    holds: bool
    says: str
    needs: str | None = None


class Spans(NamedTuple):
    """The local days over which the uses of a member, and those of all, are counted."""

    member: Span
    all: Span


@dataclass(frozen=True, slots=True)
class Verdict:
    """What comes of a benefit for a member on a day. `used`: his live uses within the span, `taken`: those of all, where a total asks."""

    benefit: Benefit
    reasons: tuple[Reason, ...]
    spans: Spans
    used: int
    taken: int | None
    value: int | None

    @property
    def applies(self) -> bool:
        return all(reason.holds for reason in self.reasons)

    @property
    def left(self) -> int | None:
        """How often the member may still use it in this span; None: as often as he likes."""
        allowed = self.benefit.per_member
        return None if allowed is None else max(0, allowed - self.used)

    @property
    def left_of_all(self) -> int | None:
        """What is left for all in this span; None: no end, or not counted."""
        total = self.benefit.total
        return None if total is None or self.taken is None else max(0, total - self.taken)


def spans_of(benefit: Benefit, holder: Holder, day: date) -> Spans:
    """Over which days the uses are to be counted."""
    member = span_of(benefit.per, day)
    if benefit.per == "birthday":
        near = _birthday(benefit, holder, day)
        member = near if near is not None else Span(EVER, None)
    return Spans(member, span_of(benefit.total_per, day))


def verdict(
    benefit: Benefit, holder: Holder, ladder: Sequence[str], day: date, *, used: int = 0, taken: int | None = None
) -> Verdict:
    """Whether the benefit applies to the member on a local day. `used`, `taken`: counted over `spans_of`."""
    reasons = [_of_tier(benefit, holder.tier, ladder)]
    if benefit.packs:
        reasons.append(_of_pack(benefit, holder.pack))
    if benefit.around is not None:
        reasons.append(_of_birthday(benefit, holder, day))
    spans = spans_of(benefit, holder, day)
    if benefit.per_member is not None:
        says = f"{used} of {benefit.per_member} used {_per(benefit.per, spans.member)}"
        reasons.append(Reason("limit", used < benefit.per_member, says, _again(spans.member)))
    if benefit.total is not None and taken is not None:
        says = f"{taken} of {benefit.total} taken {_per(benefit.total_per, spans.all)}"
        reasons.append(Reason("quantity", taken < benefit.total, says, _again(spans.all)))
    value = None if benefit.values is None else benefit.values.get(holder.tier)
    return Verdict(benefit, tuple(reasons), spans, used, taken, value)


def best_of_each(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """Of benefits that are one value (a price, how long points last) only the best applies; the others say which one is better."""
    found = list(verdicts)
    best: dict[str, Verdict] = {}
    for each in found:
        if each.benefit.kind in (MEMBER_PRICE, POINT_VALIDITY) and each.applies and each.value is not None:
            before = best.get(each.benefit.kind)
            if before is None or each.value > (before.value or 0):
                best[each.benefit.kind] = each
    return [_unless_better(each, best.get(each.benefit.kind)) for each in found]


def _unless_better(each: Verdict, best: Verdict | None) -> Verdict:
    if best is None or best is each or not each.applies:
        return each
    better = Reason("better", False, f"{best.benefit.id} gives as much or more ({best.value})")
    return replace(each, reasons=(*each.reasons, better))


def _of_tier(benefit: Benefit, tier: str, ladder: Sequence[str]) -> Reason:
    if tier in benefit.tiers:
        return Reason("tier", True, f"{tier} has it")
    above = [each for each in ladder[ladder.index(tier) + 1 :] if each in benefit.tiers] if tier in ladder else []
    says = f"it is for {', '.join(benefit.tiers) or 'no tier'}; the member stands at {tier}"
    return Reason("tier", False, says, above[0] if above else None)


def _of_pack(benefit: Benefit, pack: str | None) -> Reason:
    if pack in benefit.packs:
        return Reason("pack", True, f"the member has chosen the pack {pack}")
    chosen = "no pack" if pack is None else f"the pack {pack}"
    return Reason(
        "pack", False, f"it is in {', '.join(benefit.packs)}; the member has chosen {chosen}", benefit.packs[0]
    )


def _of_birthday(benefit: Benefit, holder: Holder, day: date) -> Reason:
    near = _birthday(benefit, holder, day)
    if near is None or near.until is None:
        return Reason("birthday", False, "the birthday of the member is not known here", "birthday")
    last = near.until - timedelta(days=1)
    says = f"the days around the birthday are {near.since.isoformat()} to {last.isoformat()}"
    return Reason("birthday", near.since <= day, says, None if near.since <= day else near.since.isoformat())


def _birthday(benefit: Benefit, holder: Holder, day: date) -> Span | None:
    if holder.birthday is None:
        return None
    before, after = benefit.around or (0, 0)
    return birthday_near(holder.birthday, before, after, day)


def _per(per: str | None, span: Span) -> str:
    return "in all" if per is None else f"in the {per} that begins on {span.since.isoformat()}"


def _again(span: Span) -> str | None:
    return None if span.until is None else span.until.isoformat()
