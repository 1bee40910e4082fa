"""What a batch of activities and standing facts means for its members, in two pure passes over the records in their order. `Foresight`
goes along the streams and says which campaigns fire and which orders are to be judged again; `settle` applies limits and budgets to
that and says what is granted and taken back. The one thing not to break: both passes look only at what stands before a record in the
member's own stream (and, for budgets, before it in the batch), so the result does not depend on where a batch was cut."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from campaign_svc.domain.awards import (
    BUDGET,
    GRANTED,
    PER_MEMBER,
    PER_MEMBER_AND_TIER,
    Award,
    Cause,
    Emptied,
    Occasion,
    TakenBack,
    in_words,
)
from campaign_svc.domain.catalogue import CATALOGUE, PURCHASE, REFUND, STANDING_RAISED, Moment, facts_at
from campaign_svc.domain.conditions import Value
from campaign_svc.domain.orders import new_order
from campaign_svc.domain.programme import Campaign, Ruleset
from campaign_svc.domain.standings import Member, Standing

CauseKey = tuple[UUID, str, int]  # member, kind of cause, number
LimitKey = tuple[UUID, str, str | None]  # member, campaign, tier (None: at any tier)


class UnknownOrder(ValueError):
    """A refund of an order that this service has not seen: the door lets none through, so the record is set aside."""


class Activity(Protocol):
    """What is asked of an activity's envelope."""

    @property
    def type(self) -> str: ...
    @property
    def time(self) -> datetime: ...
    @property
    def programmeversion(self) -> int | None: ...
    @property
    def localday(self) -> date | None: ...
    @property
    def data(self) -> Any: ...


class Fired(NamedTuple):
    """These campaigns' trees hold on this occasion."""

    occasion: Occasion
    ruleset: Ruleset
    facts: dict[str, Value]
    campaigns: Sequence[Campaign]


class JudgedAgain(NamedTuple):
    """What this occasion caused is judged again, with these facts, because of a later cause."""

    occasion: Occasion
    ruleset: Ruleset
    facts: dict[str, Value]
    by_cause: Cause
    by_number: int
    at: datetime


Step = Fired | JudgedAgain


class Foresight:
    """The first pass. `orders` are the stored orders that the batch's refunds name; what the batch itself records is added to them."""

    def __init__(self, rules: Mapping[int, Ruleset], orders: dict[tuple[UUID, str], Occasion]) -> None:
        self._rules = rules
        self._orders = orders
        self.steps: list[Step] = []
        self.recorded: list[Occasion] = []
        self.refunded: dict[tuple[UUID, str], Occasion] = {}
        self.rated_again: list[Occasion] = []
        self._decided: dict[int, set[str]] = {}  # by identity of what is rated again: the campaigns decided by now

    def go_along(self, member: Member, number: int, activity: Activity) -> None:
        """Take the member's next activity, and the standing facts that it brings into force."""
        member.last_seq = number
        if activity.type == REFUND:
            self._refund(member, number, activity)
        elif activity.type in CATALOGUE and activity.data is not None:
            self._fire(member, number, activity)
        if member.ahead:
            self.rise(member)

    def rise(self, member: Member) -> None:
        """Bring into force what the member has passed. A rise fires the campaigns that wait for one; a correction fires none."""
        for standing in member.passed():
            if standing.kind == "raised":
                self._raised(member, standing)

    def rate_again(self, standing: Standing, occasions: Sequence[Occasion]) -> None:
        """A fact came that holds for what has been decided already (a dead letter in tier-svc, replayed). `occasions` are the member's
        that stand above `holds_after`: what they caused is judged again at the standing they should have had, and campaigns that
        had not matched are decided now, for the cause they would have had."""
        for occasion in occasions:
            if occasion.cause != "activity" or occasion.ordinal >= standing.ordinal:
                continue
            occasion.tier, occasion.ordinal = standing.effective_to, standing.ordinal
            self.rated_again.append(occasion)
            ruleset = self._rules[occasion.version]
            index = ruleset.fired_by(occasion.trigger)
            if index is None:
                continue
            facts = occasion.facts_now(index.facts)
            self.steps.append(JudgedAgain(occasion, ruleset, facts, "standing", standing.ordinal, standing.at))
            decided = self._decided.setdefault(id(occasion), set(occasion.outcomes))
            if fired := [campaign for campaign in index.matching(facts) if campaign.id not in decided]:
                decided.update(campaign.id for campaign in fired)
                self.steps.append(Fired(occasion, ruleset, facts, fired))

    def _fire(self, member: Member, number: int, activity: Activity) -> None:
        purchase = activity.data if activity.type == PURCHASE else None
        if purchase is not None:
            member.orders_count += 1
        if activity.programmeversion is None:
            raise ValueError(f"activity {number} bears no programme version")
        ruleset = self._rules[activity.programmeversion]
        index = ruleset.fired_by(activity.type)
        if index is None and purchase is None:
            return
        tier = member.tier or ruleset.ladder.lowest
        order = purchase and new_order(
            purchase.order_id, purchase.amount_minor, purchase.lines if ruleset.keeps_lines else None
        )
        moment = Moment(activity.data, tier, activity.localday, member.orders_count, order)
        facts = facts_at(moment, index.facts) if index is not None else {}
        occasion = Occasion(
            member.member_id, member.partition, "activity", number, number, activity.type, activity.time,
            ruleset.version, tier, member.ordinal, index.kept(facts) if index is not None else {}, order,
        )  # fmt: skip
        self.recorded.append(occasion)
        if order is not None:
            self._orders[member.member_id, order.order_id] = occasion
        if index is not None and (fired := index.matching(facts)):
            self.steps.append(Fired(occasion, ruleset, facts, fired))

    def _refund(self, member: Member, number: int, activity: Activity) -> None:
        refund = activity.data
        key = (member.member_id, refund.order_id)
        occasion = self._orders.get(key)
        if occasion is None or occasion.order is None:
            raise UnknownOrder(f"refund {refund.refund_id} names order {refund.order_id}, which is not known here")
        occasion.order.refund(refund.lines, refund.amount_minor)
        self.refunded[key] = occasion
        ruleset = self._rules[occasion.version]
        index = ruleset.fired_by(occasion.trigger)
        if index is not None:
            facts = occasion.facts_now(index.facts)
            self.steps.append(JudgedAgain(occasion, ruleset, facts, "activity", number, activity.time))

    def _raised(self, member: Member, standing: Standing) -> None:
        ruleset = self._rules[standing.version]
        index = ruleset.fired_by(STANDING_RAISED)
        if index is None:
            return
        facts = facts_at(Moment(standing, standing.computed_to, None, member.orders_count), index.facts)
        occasion = Occasion(
            member.member_id, member.partition, "standing", standing.ordinal, standing.holds_after, STANDING_RAISED,
            standing.at, ruleset.version, standing.computed_to, standing.ordinal, index.kept(facts),
        )  # fmt: skip
        self.recorded.append(occasion)
        if fired := index.matching(facts):
            self.steps.append(Fired(occasion, ruleset, facts, fired))


@dataclass(slots=True)
class Settled:
    """The second pass's result. `said` is the last number said about a member; `used` what each budget gave; `budgets_asked` the
    campaigns whose budget has to be known before anything is final."""

    granted: list[Award] = field(default_factory=list)
    taken_back: list[TakenBack] = field(default_factory=list)
    emptied: list[Emptied] = field(default_factory=list)
    outcomes: list[tuple[Occasion, dict[str, str]]] = field(default_factory=list)
    said: dict[UUID, int] = field(default_factory=dict)
    used: dict[str, int] = field(default_factory=dict)
    budgets_asked: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Settling:
    """Limits, budgets and numbers, applied to the steps in their order. `given` counts earlier grants per member and campaign, `caused`
    holds the awards that stand of the orders judged again, `budgets` what was used of each when it was locked (None: not yet known, so
    that every budget seems ample and `budgets_asked` says which must be locked). `derive` makes an id from a cause."""

    given: Mapping[LimitKey, int]
    caused: Mapping[CauseKey, Sequence[Award]]
    said: Mapping[UUID, int]
    derive: Callable[..., UUID]
    budgets: Mapping[str, int] | None = None
    result: Settled = field(default_factory=Settled)
    _counted: dict[LimitKey, int] = field(default_factory=dict)
    _standing: dict[CauseKey, list[Award]] = field(default_factory=dict)

    def settle(self, steps: Sequence[Step]) -> Settled:
        for step in steps:
            if isinstance(step, Fired):
                self._fire(step)
            else:
                self._judge_again(step)
        return self.result

    def _fire(self, step: Fired) -> None:
        outcomes: dict[str, str] = {}
        for campaign in step.campaigns:
            refusal = self._refusal(step.occasion, campaign)
            outcomes[campaign.id] = refusal or GRANTED
            if refusal is None:
                self._grant(step, campaign)
        self.result.outcomes.append((step.occasion, outcomes))

    def _refusal(self, occasion: Occasion, campaign: Campaign) -> str | None:
        """The limit that refuses, None if none does. The budget is asked last, and used only by what everything else allows."""
        limits = campaign.limits
        if (
            limits.budget is not None
            and self.budgets is None
            and (occasion.member_id, campaign.id, None) in self._counted
        ):
            # What was granted before only seemed to be, until its budget is known; then a limit may let this one pass.
            self._ask_for_budget(campaign.id, limits.budget)
        if limits.per_member is not None and self._count((occasion.member_id, campaign.id, None)) >= limits.per_member:
            return f"{PER_MEMBER}:{limits.per_member}"
        per_tier = limits.per_member_and_tier
        if per_tier is not None and self._count((occasion.member_id, campaign.id, occasion.tier)) >= per_tier:
            return f"{PER_MEMBER_AND_TIER}:{per_tier}"
        if limits.budget is not None and not self._take_from_budget(occasion, campaign.id, limits.budget):
            return f"{BUDGET}:{limits.budget}"
        return None

    def _count(self, key: LimitKey) -> int:
        return self._counted.get(key, 0) + self.given.get(key, 0)

    def _take_from_budget(self, occasion: Occasion, campaign_id: str, budget: int) -> bool:
        result = self.result
        if self.budgets is None:
            self._ask_for_budget(campaign_id, budget)
            return True
        used = self.budgets[campaign_id] + result.used.get(campaign_id, 0)
        if used >= budget:
            return False
        result.used[campaign_id] = result.used.get(campaign_id, 0) + 1
        if used + 1 == budget:
            result.emptied.append(Emptied(campaign_id, budget, occasion.partition, occasion.version, occasion.at))
        return True

    def _ask_for_budget(self, campaign_id: str, budget: int) -> None:
        asked = self.result.budgets_asked
        asked[campaign_id] = max(budget, asked.get(campaign_id, 0))

    def _grant(self, step: Fired, campaign: Campaign) -> None:
        occasion = step.occasion
        # Counted also where this version has no limit: the next occasion may stand under one that has.
        for key in ((occasion.member_id, campaign.id, None), (occasion.member_id, campaign.id, occasion.tier)):
            self._counted[key] = self._counted.get(key, 0) + 1
        why = in_words(step.ruleset.explain(campaign, step.facts), held=True)
        if occasion.cause == "standing":
            why = f"rose to {occasion.tier}; {why}"
        for item, rule in enumerate(campaign.what):
            cause = ("award", campaign.id, occasion.member_id, occasion.cause, occasion.number)
            award = Award(
                award_id=self.derive(*cause, item) if item else self.derive(*cause),
                member_id=occasion.member_id,
                partition=occasion.partition,
                campaign_id=campaign.id,
                cause=occasion.cause,
                number=occasion.number,
                item=item,
                kind=rule.kind,
                points=rule.points,
                coupon=rule.coupon,
                order_id=occasion.order_id,
                tier=occasion.tier,
                version=occasion.version,
                at=occasion.at,
                said_number=self._next_number(occasion.member_id),
                why=why,
            )
            self.result.granted.append(award)
            self._awards_of(award.cause_key).append(award)

    def _judge_again(self, step: JudgedAgain) -> None:
        """Take back what would not have been given with what is left; never give anew (domain.md 3.2, 5)."""
        occasion, ruleset = step.occasion, step.ruleset
        awards = self._awards_of((occasion.member_id, occasion.cause, occasion.number))
        for award in list(awards):
            campaign = ruleset.campaigns[award.campaign_id]
            if not campaign.taken_back or ruleset.holds(campaign.id, step.facts):
                continue
            awards.remove(award)
            why = in_words(ruleset.explain(campaign, step.facts), held=False)
            number = self._next_number(occasion.member_id)
            self.result.taken_back.append(TakenBack(award, step.by_cause, step.by_number, step.at, number, why))

    def _awards_of(self, key: CauseKey) -> list[Award]:
        if key not in self._standing:
            self._standing[key] = list(self.caused.get(key, ()))
        return self._standing[key]

    def _next_number(self, member_id: UUID) -> int:
        said = self.result.said
        number = said[member_id] = said.get(member_id, self.said[member_id]) + 1
        return number


def limited(steps: Sequence[Step]) -> set[tuple[UUID, str]]:
    """The members and campaigns whose earlier grants must be counted before limits can be applied."""
    return {
        (step.occasion.member_id, campaign.id)
        for step in steps
        if isinstance(step, Fired)
        for campaign in step.campaigns
        if campaign.limits.per_member is not None or campaign.limits.per_member_and_tier is not None
    }
