"""The door: take the reports of one request, in one transaction (domain.md 2.2; architecture.md 2, "The door's transaction").

Read, in the order in which locks are taken: the gate, what waits for the orders in the request, identifiers, keys (one sorted
statement), members, and only then orders and the keys that take a member; decide; save; say.
The one thing not to break: that order, and that what is decided by is read in a later statement than its lock."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from laurel_contracts.registry import decoder
from member_svc import events
from member_svc.domain import keys, reports
from member_svc.domain.activities import PURCHASE, REFUND, REVIEW
from member_svc.domain.admission import Decision, Holder, Known, Member, decide
from member_svc.domain.identifiers import Name
from member_svc.domain.orders import Order
from member_svc.domain.outcomes import Outcome
from member_svc.domain.reports import WAITING_MAX, Report
from member_svc.domain.rulebook import NoProgramme, Rulebook
from member_svc.handlers.read_reports import document_of, read_each
from member_svc.store import MemberStore, Overtaken
from member_svc.store.orders import NewWaiting, StoredOrder, StoredReport

_purchase = decoder(PURCHASE)


@dataclass(slots=True)
class _Claimed:
    """Keys in the database. `wanted`: what each was inserted for; `ours`: those that this transaction inserted;
    `awaited`: locked orders that something waits for."""

    wanted: dict[bytes, Holder | None]
    ours: set[bytes]
    taken: dict[bytes, Holder]
    awaited: set[bytes]


@dataclass(slots=True)
class _Identified:
    """Whose identifiers these are; `made`: those that this transaction inserted, each with its newcomer."""

    owners: dict[Name, UUID]
    made: dict[Name, Member] = field(default_factory=dict)


async def take_reports(batch: Sequence[Report], store: MemberStore) -> list[Outcome]:
    """Take reports, in their order; one outcome for each, in the same order. Raises NoProgramme while none is in force."""
    await store.programmes.enter_gate()
    rulebook = await store.programmes.rulebook()
    if not rulebook.versions:
        raise NoProgramme
    outcomes: list[Outcome] = []
    sound: list[Report] = []
    for report in batch:
        refusal = reports.unsound(report, rulebook, store.now)
        if refusal is None:
            reports.stamp(report, rulebook)
            sound.append(report)
        else:
            outcomes.append(Outcome(report.index, report.id, "refused", refusal.reason, refusal.detail))
    if sound:
        outcomes += await _admit(sound, rulebook, store)
        outcomes.sort(key=lambda outcome: outcome.index)
    return outcomes


async def _admit(batch: list[Report], rulebook: Rulebook, store: MemberStore) -> list[Outcome]:
    purchase_keys = {report.order_key for report in batch if report.type == PURCHASE}
    stored = await store.orders.waiting_for(purchase_keys)
    waiting = _read_waiting(stored, rulebook)
    everything = [*batch, *waiting]
    identified = await _identify(batch, everything, store)
    claimed = await _claim(everything, store)
    await _refuse_unseen_waiting(claimed, purchase_keys, stored, store)
    known = await _know(everything, waiting, identified, claimed, store)
    decision = decide(batch, known)
    await _save(decision, identified, claimed, rulebook, store)
    return decision.outcomes


def _read_waiting(stored: Sequence[StoredReport], rulebook: Rulebook) -> list[Report]:
    """Reports that have waited, as they were reported. They have been found sound when they came."""
    waiting = read_each([row.report for row in stored]).reports
    for report in waiting:
        report.waiting_id = stored[report.index].id
        reports.stamp(report, rulebook)
    return waiting


async def _identify(batch: Sequence[Report], everything: Sequence[Report], store: MemberStore) -> _Identified:
    names = {report.name for report in everything if report.name is not None}
    identified = _Identified(await store.identities.owners(names))
    unknown = {r.name for r in batch if r.enrols and r.name is not None and r.name not in identified.owners}
    if unknown:
        made, found = await store.identities.enrol(unknown)
        if len(made) + len(found) < len(unknown):
            raise Overtaken
        identified.owners |= found
        for name, member_id in made.items():
            identified.owners[name] = member_id
            identified.made[name] = store.identities.newcomer(member_id)
    return identified


async def _claim(everything: Sequence[Report], store: MemberStore) -> _Claimed:
    """Insert all keys that the reports tell. An order that a refund or review is about is waited for, until it is there."""
    wanted: dict[bytes, Holder | None] = {}
    for report in everything:
        holder = Holder(report.id_key, report.content)
        wanted.setdefault(report.id_key, holder)
        if report.key is not None:
            wanted.setdefault(report.key, holder)
    for report in everything:
        if report.order_key:
            wanted.setdefault(report.order_key, None)
    ours = await store.claims.insert(wanted)
    taken, awaited = await store.claims.existing([key for key in wanted if key not in ours])
    if len(ours) + len(taken) + len(awaited) < len(wanted):
        raise Overtaken  # a key was there when we inserted and is gone now
    return _Claimed(wanted, ours, taken, awaited)


async def _refuse_unseen_waiting(
    claimed: _Claimed, purchase_keys: set[bytes], stored: Sequence[StoredReport], store: MemberStore
) -> None:
    """What waits for an order that comes now must have its keys among ours; something that began to wait a moment ago
    has not. Only a locked order can have got anything since we looked."""
    seen = {row.id for row in stored}
    for row in await store.orders.waiting_for(claimed.awaited & purchase_keys):
        if row.id not in seen:
            raise Overtaken


async def _know(
    everything: Sequence[Report],
    waiting: Sequence[Report],
    identified: _Identified,
    claimed: _Claimed,
    store: MemberStore,
) -> Known:
    """Lock the members, then read what the decision takes."""
    order_keys = {
        report.order_key
        for report in everything
        if report.order_key in claimed.taken and (report.type != PURCHASE or report.id_key not in claimed.taken)
    }
    newcomers = {member.member_id: member for member in identified.made.values()}
    ids = {report.subject for report in everything if report.subject is not None}
    ids.update(member_id for member_id in identified.owners.values() if member_id not in newcomers)
    ids.update((await store.orders.members_of(order_keys)).values())
    members = await store.identities.lock(ids)
    orders = {row.key: order_of(row) for row in await store.orders.read(order_keys)}
    taken = await store.claims.taken(_member_keys(everything, identified.owners, members, orders))
    by_order: dict[bytes, list[Report]] = {}
    for report in waiting:
        by_order.setdefault(report.order_key, []).append(report)
    return Known(claimed.taken | taken, identified.owners, members | newcomers, orders, by_order)


def order_of(row: StoredOrder) -> Order:
    """A stored order, with what it consisted of."""
    purchase = _purchase.decode(row.body).data
    return Order(row.key, row.member_id, row.member_seq, purchase, row.left_minor, row.refunded)


def _member_keys(
    everything: Iterable[Report], owners: dict[Name, UUID], members: dict[UUID, Member], orders: dict[bytes, Order]
) -> set[bytes]:
    """Keys that take a member and may have been used up: those of locked members and known orders. No other can have been."""
    found: set[bytes] = set()
    for report in everything:
        if report.type == REVIEW:
            order = orders.get(report.order_key)
            sku = order.sku_reviewed(report.data) if order is not None else None
            if order is not None and sku is not None:
                found.add(keys.review_key(order.member_id, report.data.order_id, sku))
        elif report.type not in (PURCHASE, REFUND):
            member_id = report.subject or (owners.get(report.name) if report.name is not None else None)
            if member_id is not None and member_id in members:
                key = keys.member_key(report.type, report.data, member_id, report.local_day)
                if key is not None:
                    found.add(key)
    return found


async def _save(
    decision: Decision, identified: _Identified, claimed: _Claimed, rulebook: Rulebook, store: MemberStore
) -> None:
    await _settle_claims(decision, claimed, store)
    await store.identities.forget([name for name, member in identified.made.items() if not member.numbered])
    numbered: dict[UUID, Member] = {}
    for report, member, _ in decision.accepted:
        if member.new and member.tier is None:
            member.tier = rulebook.in_force(report.time).lowest_tier
        numbered[member.member_id] = member
    await store.identities.save(list(numbered.values()))
    await store.stream.append([events.entry_of(accepted) for accepted in decision.accepted])
    await store.orders.save([*decision.new_orders, *decision.changed_orders])
    await store.orders.hint(decision.hints)
    await _settle_waiting(decision, store)


async def _settle_claims(decision: Decision, claimed: _Claimed, store: MemberStore) -> None:
    """Give back keys that nothing accepted uses, and set those that another report than the first one uses."""
    won = decision.won
    changed: dict[bytes, Holder | None] = {key: won[key] for key in claimed.awaited if key in won}
    unused: list[bytes] = []
    for key in claimed.ours:
        holder = won.get(key)
        if holder is None and key not in decision.put_aside:
            unused.append(key)
        elif holder != claimed.wanted[key]:
            changed[key] = holder
    await store.claims.set(changed)
    await store.claims.delete(unused)
    of_members = {key: holder for key, holder in won.items() if key not in claimed.wanted}
    if of_members and len(await store.claims.insert(of_members)) < len(of_members):
        raise Overtaken  # cannot happen while everybody locks the member first


async def _settle_waiting(decision: Decision, store: MemberStore) -> None:
    """Keep what waits from now on, end the waiting of what was taken, set aside what could not be taken."""
    await store.orders.let_wait(
        [
            NewWaiting(key, report.id_key, report.content, document_of(report))
            for key, waiting in decision.put_aside.items()
            for report in waiting
        ],
        store.now + WAITING_MAX,
    )
    await store.orders.end_waiting([report.waiting_id for report in decision.left if report.waiting_id is not None])
    for report, outcome in decision.dead:
        identity = keys.hashed(report.id_key.hex(), report.content.hex())
        await store.set_report_aside(identity, document_of(report), outcome.reason or "", outcome.detail or "")
