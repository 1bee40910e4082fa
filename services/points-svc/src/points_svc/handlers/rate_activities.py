"""Activities become points: load many, decide one by one in stream order, save many, say many. The one thing not to break: every record of
a member counts, also one that earns nothing, because its number does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

from laurel_contracts.activities import (
    ActivityJoined,
    MemberSignedIn,
    OrderConfirmed,
    ProductShared,
    PurchaseRecorded,
    PurchaseRefunded,
    ReviewPosted,
)
from laurel_contracts.decisions import DayClosed, MemberFrozen, MemberRegistered, ProgrammeActivated
from laurel_contracts.envelope import Event
from laurel_kit.hearing import BrokenNumbers, Heard, fresh, id_of
from points_svc import events
from points_svc.domain import (
    calendar,
    caps,
    confirming,
    earning,
    expiry,
    ledger,
    rating,
    referrals,
    refunds,
    spending,
    standings,
)
from points_svc.domain.account import Account, Dated, Day
from points_svc.domain.rules import Rules
from points_svc.handlers.reward_others import Crossings, reward_others
from points_svc.handlers.sweep_lots import sweep_first
from points_svc.store import PointsStore

RulesByVersion = Mapping[int, Rules]

EXPIRED_AT_ONCE = (
    1_000  # accounts swept in the transaction that closes the day; the others are swept in chunks right after it
)


async def rate_activities(batch: Sequence[Heard], store: PointsStore) -> None:
    """All records of `activities` in this transaction, per partition in their order."""
    days = await store.days({heard.partition for heard in batch})
    accounts = await _open(batch, store, days)
    by_key = {account.member_id.bytes: account for account in accounts.values()}
    needs = _needs_of(batch, by_key)
    rules = await store.rules(needs.versions)
    if any(rules[version].expiry.slides for version in needs.versions):
        await store.read_live_lots(
            [by_key[heard.key] for heard in batch if type(heard.event.data) is PurchaseRecorded and heard.key]
        )
    await store.read_orders(list(needs.orders.values()))
    if needs.referred:
        await store.read_orders_after([(account, 0) for account in needs.referred.values()])
    rules = await store.rules({order.version for account in by_key.values() for order in account.orders.values()})
    await store.read_sign_ins(list(needs.sign_ins.values()))
    await store.read_reviews(list(needs.reviews.values()))
    if any(rules[version].is_capped for version in needs.versions):
        await store.read_earned_in(_capped(batch, by_key, rules))
    await sweep_first(accounts.values(), store)
    crossings = Crossings()
    for heard in batch:
        if heard.key is None:
            if type(heard.event.data) is DayClosed:
                _close_day(heard.event, days[heard.partition], by_key.values(), rules)
        elif heard.number is None:
            raise BrokenNumbers("an activity without a number")
        elif fresh(by_key[heard.key].activity, heard.number):
            _step(by_key[heard.key], heard.event, heard.number, rules)
            crossings.note(by_key[heard.key], heard.event, rules)
    await store.activate(needs.activations)
    await store.save(by_key.values(), days.values())
    store.say(events.statements_of(by_key.values()))
    await reward_others(crossings, by_key.values(), store)


async def _open(batch: Sequence[Heard], store: PointsStore, days: Mapping[int, Day]) -> dict[UUID, Account]:
    """Lock whoever is spoken of, and the first of those of whom something expires when a day closes in this batch; the others are swept
    afterwards (sweep_lots)."""
    spoken_of = {heard.key: heard.partition for heard in batch}
    partition_of = {id_of(key): partition for key, partition in spoken_of.items() if key}
    closes: dict[int, datetime] = {}
    for heard in batch:
        if heard.key is None and type(heard.event.data) is DayClosed:
            as_of = heard.event.data.as_of
            closes[heard.partition] = max(as_of, closes.get(heard.partition, as_of))
    for partition, as_of in closes.items():
        found = await store.due(partition, as_of, EXPIRED_AT_ONCE // len(closes))
        found += await store.referrals_due(partition, as_of)
        partition_of.update(dict.fromkeys(found, partition))
    accounts = await store.lock(partition_of, days)
    if closes:
        closing = [a for a in accounts.values() if a.day.partition in closes and a.ladder]
        await store.read_live_lots([a for a in closing if min(a.ladder) <= closes[a.day.partition]])
    return accounts


@dataclass(slots=True)
class Needs:
    """What the records of a batch need beyond the accounts' rows; a purchase needs nothing."""

    versions: set[int] = field(default_factory=set)
    orders: dict[tuple[UUID, str], tuple[Account, str]] = field(default_factory=dict)
    sign_ins: dict[UUID, Account] = field(default_factory=dict)
    reviews: dict[tuple[UUID, date], tuple[Account, date]] = field(default_factory=dict)
    referred: dict[UUID, Account] = field(default_factory=dict)
    activations: list[tuple[int, int, datetime | None]] = field(default_factory=list)


def _needs_of(batch: Sequence[Heard], by_key: Mapping[bytes, Account]) -> Needs:
    needs = Needs()
    for account in by_key.values():
        if account.referral is not None:
            needs.versions.update(version for _, _, version in account.referral.ripening)
    for heard in batch:
        event = heard.event
        data: Any = event.data
        kind = type(data)  # compared, because asking whether a struct is of a class costs more than rating it
        if event.programmeversion is not None and (kind in RATED or kind in STAMPED):
            needs.versions.add(event.programmeversion)
        if kind is PurchaseRecorded:
            continue
        if heard.key is None:
            if kind is ProgrammeActivated:
                needs.activations.append((heard.partition, data.version, data.effective_from))
        elif kind is PurchaseRefunded or kind is OrderConfirmed:
            account = by_key[heard.key]
            needs.orders[account.member_id, data.order_id] = (account, data.order_id)
        elif kind is MemberRegistered and data.referrer_id is not None:
            account = by_key[heard.key]
            needs.referred[account.member_id] = account
        elif kind is MemberSignedIn:
            account = by_key[heard.key]
            needs.sign_ins[account.member_id] = account
        elif kind is ReviewPosted and event.localday is not None:
            account = by_key[heard.key]
            needs.reviews[account.member_id, event.localday] = (account, event.localday)
    return needs


def _capped(
    batch: Sequence[Heard], by_key: Mapping[bytes, Account], rules: RulesByVersion
) -> list[tuple[Account, caps.Period]]:
    """The periods that bound what these records earn."""
    found: set[tuple[bytes, caps.Period]] = set()
    for heard in batch:
        event, rule = heard.event, CAPPED.get(type(heard.event.data))
        if (
            rule is not None
            and heard.key is not None
            and event.programmeversion is not None
            and event.localday is not None
        ):
            bounds = rules[event.programmeversion].caps(rule)
            found.update((heard.key, caps.period_of(rule, cap.per, event.localday)) for cap in bounds)
    return [(by_key[key], period) for key, period in sorted(found)]


def _step(account: Account, event: Event[Any], number: int, rules: RulesByVersion) -> None:
    """One activity: the standing of its number, then the clock, then what it is worth."""
    if not account.activity:
        account.began_after = account.day.as_of
    account.activity = number
    standings.reach(account, number)
    time = event.time
    if account.reached is None or time > account.reached:
        account.reached = time
    if account.referral is not None and referrals.is_due(account):
        referrals.pay(account, rules)
    rate = RATED.get(type(event.data))
    if rate is not None:
        if event.programmeversion is None or event.localday is None:
            raise ValueError("the door has stamped this activity with no programme version or no day")
        ledger.open_page(account, f"activity {number}", time)
        rate(account, event.data, Dated(number, time, event.localday), rules, rules[event.programmeversion])
        ledger.close_page(account)
    elif isinstance(event.data, MemberRegistered):
        spending.register(account)
        if event.data.referrer_id is not None:
            referrals.begin(account, event.data.referrer_id, rules)
    elif isinstance(event.data, MemberFrozen):
        spending.freeze(account, event.data.frozen)
    if account.referral is not None and referrals.is_due(account):  # a late purchase is old when it comes
        referrals.pay(account, rules)
    standings.reach(account, number + 1)  # so that the row does not tell when a fact became known


def rate_one(account: Account, event: Event[Any], rules: RulesByVersion) -> None:
    """The next activity of an account, rated as if it had come: for a dry run on a copy that nobody saves."""
    _step(account, event, account.activity + 1, rules)


def _close_day(event: Event[Any], day: Day, accounts: Sequence[Account] | Any, rules: RulesByVersion) -> None:
    """The partition's day moves on; whatever has expired by then goes, of those members who are at hand."""
    as_of = event.data.as_of
    if not expiry.advance(day, as_of):
        return
    if event.programmeversion is None:
        raise ValueError("the door has stamped this day record with no programme version")
    local_day = calendar.local_day(as_of, rules[event.programmeversion].zone)
    expiry.open_round(day, local_day, event.programmeversion)
    for account in accounts:
        if account.day is day:
            expiry.sweep(account, day.rounds[-1:])
        if account.day is day and account.referral is not None and referrals.is_due(account):
            referrals.pay(account, rules)


def _purchase(account: Account, data: PurchaseRecorded, dated: Dated, _versions: RulesByVersion, rules: Rules) -> None:
    rating.rate_purchase(account, data, dated, rules)
    if account.referral is not None:
        referrals.bought(account, account.orders[data.order_id], rules)


def _refund(account: Account, data: PurchaseRefunded, dated: Dated, versions: RulesByVersion, rules: Rules) -> None:
    order = account.orders.get(data.order_id)
    refunds.refund(account, data, dated, rules, versions[order.version] if order else rules)
    if account.referral is not None and order is not None:
        referrals.refunded(account, order)


def _confirmed(account: Account, data: OrderConfirmed, dated: Dated, versions: RulesByVersion, rules: Rules) -> None:
    order = account.orders.get(data.order_id)
    confirming.confirm(account, data.order_id, dated, versions[order.version] if order else rules)


def _sign_in(account: Account, _data: MemberSignedIn, dated: Dated, _versions: RulesByVersion, rules: Rules) -> None:
    earning.rate_sign_in(account, dated, rules)


def _review(account: Account, data: ReviewPosted, dated: Dated, _versions: RulesByVersion, rules: Rules) -> None:
    earning.rate_review(account, data.photos, dated, rules)


def _joined(account: Account, data: ActivityJoined, dated: Dated, _versions: RulesByVersion, rules: Rules) -> None:
    earning.rate_joined(account, data.activity_id, dated, rules)


STAMPED = frozenset({DayClosed, ProductShared})  # not rated, but their version says something
CAPPED: dict[type, str] = {MemberSignedIn: "sign_in", ReviewPosted: "review", ActivityJoined: "join"}
RATED: dict[type, Callable[[Account, Any, Dated, RulesByVersion, Rules], None]] = {
    PurchaseRecorded: _purchase,
    PurchaseRefunded: _refund,
    OrderConfirmed: _confirmed,
    MemberSignedIn: _sign_in,
    ReviewPosted: _review,
    ActivityJoined: _joined,
}
