"""Standing facts become known: orders they hold for are rated by them, also those rated before; and what growth tasks are worth in points.
The one thing not to break: the result does not depend on how far each service had got."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from laurel_contracts.tiers import ActivitiesAssessed, StandingChanged
from laurel_kit.hearing import BrokenNumbers, Heard, fresh, id_of
from points_svc import events
from points_svc.domain import ledger, standings, validity
from points_svc.domain.account import Account, Why
from points_svc.domain.rules import Activation, in_force
from points_svc.handlers.reward_tasks import TaskRewards, about_tasks
from points_svc.handlers.sweep_lots import sweep_first
from points_svc.store import PointsStore


async def rerate_orders(batch: Sequence[Heard], store: PointsStore) -> None:
    """All records of `tiers` in this transaction, per partition in their order."""
    for heard in batch:
        if isinstance(heard.event.data, ActivitiesAssessed):
            mark = heard.event.data
            store.move_mark(mark.topic, mark.partition, mark.next_offset)
    facts = [heard for heard in batch if heard.key is not None]
    done = about_tasks(batch)
    if not facts and not done:
        return
    days = await store.days({heard.partition for heard in (*facts, *done)})
    spoken_of = {id_of(h.key): h.partition for h in facts if h.key is not None}
    spoken_of.update((h.event.subject, h.partition) for h in done if h.event.subject is not None)
    accounts = await store.lock(spoken_of, days)
    by_key = {account.member_id.bytes: account for account in accounts.values()}
    await sweep_first(accounts.values(), store)
    late = _rated_before(facts, by_key)
    await store.read_orders_after(late)
    rules = await store.rules({order.version for a in by_key.values() for order in a.orders.values()})
    rules_at = await _rules_at({account.day.partition for account, _ in late}, store)
    rewards = await TaskRewards.of(done, accounts, store)
    for heard in sorted((*facts, *done), key=_place) if done else facts:
        if heard.key is None:
            rewards.take(heard)
            continue
        account = by_key[heard.key]
        if heard.number is None:
            raise BrokenNumbers("a standing fact without a number")
        if not fresh(account.standing, heard.number):
            continue
        account.standing = heard.number
        fact = heard.event.data
        if isinstance(fact, StandingChanged):
            ledger.open_page(account, f"standing {fact.ordinal}", heard.event.time)
            standings.learn(
                account,
                ordinal=fact.ordinal,
                holds_after=fact.holds_after,
                tier=fact.effective_to,
                why=_why(fact),
                rules=rules,
                rules_at=rules_at.get(account.day.partition),
            )
            ledger.close_page(account)
    await store.save(by_key.values())
    await rewards.keep(store)
    store.say(events.statements_of(by_key.values()))


async def _rules_at(partitions: Collection[int], store: PointsStore) -> dict[int, validity.RulesAt]:
    """The version that the door has stamped on what happened at an instant, by partition: what is not an order bears none here."""
    if not partitions:
        return {}
    activations = await store.activations(partitions)
    rules = await store.rules({one.version for known in activations.values() for one in known})

    def of(known: Sequence[Activation]) -> validity.RulesAt:
        return lambda at: None if (version := in_force(known, at)) is None else rules[version]

    return {partition: of(known) for partition, known in activations.items()}


def _place(heard: Heard) -> tuple[int, int]:
    return heard.partition, heard.offset


def _rated_before(facts: Sequence[Heard], by_key: Mapping[bytes, Account]) -> list[tuple[Account, int]]:
    """Whose orders, numbered above what, the facts hold for although they have been rated; mostly nobody's."""
    after: dict[UUID, tuple[Account, int]] = {}
    for heard in facts:
        fact, account = heard.event.data, by_key[heard.key or b""]
        if isinstance(fact, StandingChanged) and fact.holds_after < account.activity:
            known = after.get(account.member_id)
            lowest = fact.holds_after if known is None else min(known[1], fact.holds_after)
            after[account.member_id] = (account, lowest)
    return list(after.values())


def _why(fact: StandingChanged) -> Why:
    return {
        "rule": "rated again",
        "ordinal": fact.ordinal,
        "holds_after": fact.holds_after,
        "standing": fact.kind,
        "standing_cause": fact.cause,
    }
