"""Writes what a batch has made of its members: one statement per table, and only for tables that have something to take. The one thing
not to break: what is judged again is deleted before it is written anew."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

import msgspec

from laurel_kit.postgres import Transaction
from tier_svc.domain.clubs import ClubFact
from tier_svc.domain.conditions import GROWTH_TOTAL, LARGEST_ORDER, SPEND_TOTAL, TOTALS
from tier_svc.domain.facts import Fact
from tier_svc.domain.stream import Stream
from tier_svc.store import efforts
from tier_svc.store import statements as sql

NOTHING_UNALLOCATED = 0  # of a new order no refund has come without its lines

_json = msgspec.json.Encoder().encode


async def save(tx: Transaction, streams: Sequence[Stream]) -> None:
    """All tables, sorted by member."""
    ordered = sorted(streams, key=lambda stream: stream.member_id)
    if not ordered:
        return
    await _members(tx, ordered)
    await _purchases(tx, ordered)
    await _days(tx, ordered)
    await _deeds(tx, ordered)
    await _ways(tx, ordered)
    await _facts(tx, ordered)
    await efforts.save(tx, ordered)
    await _overrides(tx, ordered)
    await _taken_back(tx, ordered)
    await _club_facts(tx, ordered)


async def _members(tx: Transaction, streams: Sequence[Stream]) -> None:
    moved = [stream for stream in streams if stream.only_moved]
    if moved:
        await tx.run(sql.MEMBERS_MOVE, **_moves(moved))
    changed = [stream for stream in streams if not stream.only_moved]
    if not changed:
        return
    standings = [stream.standing for stream in changed]
    await tx.run(
        sql.MEMBERS_SAVE,
        **_moves(changed),
        partitions=[stream.partition for stream in changed],
        born_as_ofs=[stream.born_as_of for stream in changed],
        tiers=[each.tier for each in standings],
        sinces=[each.since for each in standings],
        untils=[each.until for each in standings],
        held_sinces=[each.held_since for each in standings],
        restarts=[each.restart for each in standings],
        decided_ons=[each.decided_on for each in standings],
        restarts_before=[each.restart_before for each in standings],
        last_ends=[stream.last_end for stream in changed],
        ordinals=[stream.ordinal for stream in changed],
        dues=[each.due for each in standings],
        joineds=[each.joined for each in standings],
        wakes=[stream.wakes_at for stream in changed],
        overrides=[_json(stream.overlay.entries).decode() if stream.overlay.entries else None for stream in changed],
        clubs=[_json(list(stream.clubs.kept.values())).decode() if stream.clubs.kept else None for stream in changed],
    )


def _moves(streams: Sequence[Stream]) -> dict[str, list[Any]]:
    """What moves with every activity."""
    sums = [stream.sums for stream in streams]
    values = [each.values for each in sums]
    return {
        "ids": [stream.member_id for stream in streams],
        "last_seqs": [stream.last_seq for stream in streams],
        "clocks": [stream.clock for stream in streams],
        "as_ofs": [None if each.as_of is None else date.fromordinal(each.as_of) for each in sums],
        "gauged_bys": [each.gauged_by for each in sums],
        "spend_totals": [each[SPEND_TOTAL] for each in values],
        "largest_orders": [each[LARGEST_ORDER] for each in values],
        "growth_totals": [each[GROWTH_TOTAL] for each in values],
        "windows": ["{" + ",".join(map(str, each[len(TOTALS) :])) + "}" for each in values],
    }


async def _purchases(tx: Transaction, streams: Sequence[Stream]) -> None:
    bought = [
        (
            stream.member_id, order.seq, order.order_id, order.time, date.fromordinal(order.day), order.clock, order.amount,
            order.amount, order.left_qualifying, NOTHING_UNALLOCATED,
            _json(order.not_qualifying).decode() if order.not_qualifying else None,
        )
        for stream in streams
        for order in stream.purchases
    ]  # fmt: skip
    if bought:
        await tx.copy("purchase", sql.PURCHASE_COLUMNS, bought)
    # Also those bought in this batch: what was copied in knows nothing of refunds.
    changed = [(stream.member_id, order) for stream in streams for order in stream.changed.values()]
    if changed:
        await tx.run(
            sql.PURCHASES_CHANGE,
            ids=[member_id for member_id, _ in changed],
            seqs=[order.seq for _, order in changed],
            lefts=[order.left for _, order in changed],
            left_qualifyings=[order.left_qualifying for _, order in changed],
            unallocateds=[order.unallocated for _, order in changed],
        )


async def _days(tx: Transaction, streams: Sequence[Stream]) -> None:
    added = [(stream.member_id, day, bucket) for stream in streams for day, bucket in sorted(stream.sums.added.items())]
    if not added:
        return
    spends, orders, growths, complaints, actives = map(list, zip(*(bucket for _, _, bucket in added), strict=True))
    await tx.run(
        sql.DAYS_ADD,
        ids=[member_id for member_id, _, _ in added],
        days=[date.fromordinal(day) for _, day, _ in added],
        spends=spends,
        orders=orders,
        growths=growths,
        complaints=complaints,
        actives=[bool(active) for active in actives],
    )


async def _deeds(tx: Transaction, streams: Sequence[Stream]) -> None:
    done = [(stream.member_id, deed) for stream in streams for deed in stream.deeds]
    if done:
        await tx.run(
            sql.DEEDS_ADD,
            ids=[member_id for member_id, _ in done],
            seqs=[deed.seq for _, deed in done],
            times=[deed.time for _, deed in done],
            days=[date.fromordinal(deed.day) for _, deed in done],
            clocks=[deed.clock for _, deed in done],
            kinds=[deed.kind for _, deed in done],
        )


async def _ways(tx: Transaction, streams: Sequence[Stream]) -> None:
    undone = [(stream.member_id, stream.undone_from) for stream in streams if stream.undone_from is not None]
    if undone:
        for statement in (sql.ENDS_UNDO, sql.PATH_UNDO):
            await tx.run(statement, ids=[each for each, _ in undone], instants=[instant for _, instant in undone])
    ends = [(stream.member_id, end.at, end.before) for stream in streams for end in stream.ends]
    if ends:
        await tx.run(
            sql.ENDS_ADD,
            ids=[member_id for member_id, _, _ in ends],
            instants=[at for _, at, _ in ends],
            tiers=[before.tier for _, _, before in ends],
            sinces=[before.since for _, _, before in ends],
            held_sinces=[before.held_since for _, _, before in ends],
            restarts=[before.restart for _, _, before in ends],
            decided_ons=[before.decided_on for _, _, before in ends],
            restarts_before=[before.restart_before for _, _, before in ends],
            dues=[before.due for _, _, before in ends],
        )
    path = [(stream.member_id, instant, tier) for stream in streams for instant, tier in stream.path.items()]
    if path:
        await tx.run(
            sql.PATH_ADD,
            ids=[member_id for member_id, _, _ in path],
            instants=[instant for _, instant, _ in path],
            tiers=[tier for _, _, tier in path],
        )


async def _facts(tx: Transaction, streams: Sequence[Stream]) -> None:
    said = [(stream.member_id, fact) for stream in streams for fact in stream.facts]
    if not said:
        return
    facts = [fact for _, fact in said]
    await tx.run(
        sql.FACTS_ADD,
        **_as_said(said),
        replaced_froms=[fact.replaced_from for fact in facts],
        paths=[_json(fact.path).decode() if fact.replaced_from is not None else None for fact in facts],
        effective_froms=[fact.applied_from for fact in facts],
        effective_tos=[fact.applied_to for fact in facts],
    )


async def _overrides(tx: Transaction, streams: Sequence[Stream]) -> None:
    changed = [(stream.member_id, entry) for stream in streams for entry in stream.overlay.changed.values()]
    if not changed:
        return
    entries = [entry for _, entry in changed]
    await tx.run(
        sql.OVERRIDES_KEEP,
        ids=[member_id for member_id, _ in changed],
        seqs=[entry.seq for entry in entries],
        acts=[entry.act for entry in entries],
        tiers=[entry.tier for entry in entries],
        modes=[entry.mode for entry in entries],
        sinces=[entry.since for entry in entries],
        untils=[entry.until for entry in entries],
        reasons=[entry.reason for entry in entries],
        actors=[entry.actor for entry in entries],
        steps=[entry.steps for entry in entries],
        starts=[entry.starts for entry in entries],
    )


async def _taken_back(tx: Transaction, streams: Sequence[Stream]) -> None:
    taken = [(stream.member_id, each) for stream in streams for each in stream.overlay.taken]
    if taken:
        await tx.run(
            sql.OVERRIDES_TAKEN_BACK_ADD,
            ids=[member_id for member_id, _ in taken],
            seqs=[each.seq for _, each in taken],
            ofs=[each.of for _, each in taken],
            sinces=[each.since for _, each in taken],
            ats=[each.at for _, each in taken],
            reasons=[each.reason for _, each in taken],
            actors=[each.actor for _, each in taken],
        )


async def _club_facts(tx: Transaction, streams: Sequence[Stream]) -> None:
    said = [(stream.member_id, fact) for stream in streams for fact in stream.clubs.facts]
    if not said:
        return
    await tx.run(sql.CLUB_FACTS_ADD, **_as_said(said), clubs=[fact.club for _, fact in said])


def _as_said(said: Sequence[tuple[UUID, Fact | ClubFact]]) -> dict[str, list[Any]]:
    """The columns that facts of the main ladder and of clubs have in common."""
    facts = [fact for _, fact in said]
    return {
        "ids": [member_id for member_id, _ in said],
        "ordinals": [fact.ordinal for fact in facts],
        "holds_afters": [fact.holds_after for fact in facts],
        "kinds": [fact.kind for fact in facts],
        "froms": [fact.tier_from for fact in facts],
        "tos": [fact.tier_to for fact in facts],
        "sinces": [fact.standing.since for fact in facts],
        "untils": [fact.standing.until for fact in facts],
        "held_sinces": [fact.standing.held_since for fact in facts],
        "ats": [fact.at for fact in facts],
        "causes": [fact.cause for fact in facts],
        "rules": [fact.rule for fact in facts],
        "metrics": [_json(fact.metrics).decode() for fact in facts],
        "versions": [fact.version for fact in facts],
    }
