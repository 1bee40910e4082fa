"""Adopt what our own topic knows and the database lacks, after a restore from a backup: numbers, keys, orders, activities, days. The one
thing not to break: a number is never given twice, so this ends before the door opens.

Identifiers never travel, so they cannot be adopted: a member enrolled after the backup has his stream, but his identifier enrols
somebody new until it is registered for him (runbook "restore")."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import structlog

from laurel_contracts import programme as document
from laurel_contracts.decisions import DayClosed, MemberErased, MemberRegistered, ProgrammeActivated
from laurel_contracts.registry import ACTIVITY_TYPES
from laurel_kit.hearing import BrokenNumbers, Heard, fresh
from member_svc.domain import calendar, keys, reports
from member_svc.domain.activities import PURCHASE, REFUND, REVIEW
from member_svc.domain.admission import Holder, Member
from member_svc.domain.orders import Order
from member_svc.domain.reports import Report
from member_svc.domain.stream import Entry
from member_svc.handlers.publish_programme import version_of
from member_svc.handlers.take_reports import order_of
from member_svc.store import MemberStore

log = structlog.get_logger(__name__)


async def adopt_log(batch: Sequence[Heard], store: MemberStore) -> int:
    """Adopt what is lacking of these records of `activities`; returns how many entries. Raises BrokenNumbers on a gap."""
    await _adopt_records([heard for heard in batch if heard.key is None], store)
    lacking, members = await _lacking([heard for heard in batch if heard.key is not None], store)
    if not lacking:
        return 0
    activities = [_report(index, heard) for index, heard in enumerate(lacking) if heard.type in ACTIVITY_TYPES]
    orders = await _orders(activities, members, lacking, store)
    await _claim(activities, orders, lacking, store)
    await _save_members(members, lacking, store)
    await store.stream.keep([_entry(heard, members) for heard in lacking])
    await store.orders.save(orders.values())
    await store.orders.end_waiting_of([report.id_key for report in activities])
    return len(lacking)


async def _adopt_records(records: Sequence[Heard], store: MemberStore) -> None:
    for heard in records:
        data = heard.event.data
        if isinstance(data, ProgrammeActivated):
            stored = await store.programmes.get(data.version)
            if stored is None:
                log.warning(
                    "a version is in force that is not stored here; publish and activate it", version=data.version
                )
                continue
            programme = document.parse(stored.document.encode())
            await store.programmes.activate(version_of(programme, data.effective_from), data.sha256)
        elif isinstance(data, DayClosed):
            rulebook = await store.programmes.rulebook()
            if rulebook.versions:
                day = calendar.local_day(data.as_of, rulebook.in_force(data.as_of).zone)
                await store.days.add(data.as_of, day, heard.event.programmeversion or 0, store.now)


async def _lacking(batch: Sequence[Heard], store: MemberStore) -> tuple[list[Heard], dict[UUID, Member]]:
    """What is numbered above the last number of its member; members move on to what they have been given."""
    members = await store.identities.lock({member_id for heard in batch if (member_id := heard.member_id) is not None})
    lacking: list[Heard] = []
    for heard in batch:
        member_id, number = heard.member_id, heard.number
        if member_id is None or number is None:
            continue
        member = members.get(member_id)
        if member is None:
            member = members[member_id] = store.identities.newcomer(member_id)
            member.enrolled_at = heard.event.time
        try:
            if not fresh(member.last_seq, number):
                continue
        except BrokenNumbers as error:
            raise BrokenNumbers(f"member {member_id}, partition {heard.partition}: {error}") from None
        member.last_seq = number
        member.numbered = True
        if isinstance(heard.event.data, MemberRegistered):
            member.state = "active"
        elif isinstance(heard.event.data, MemberErased):
            member.state = "erased"
        lacking.append(heard)
    return lacking, {member_id: member for member_id, member in members.items() if member.numbered}


async def _save_members(members: dict[UUID, Member], lacking: Sequence[Heard], store: MemberStore) -> None:
    """Members, and what their status shows of them: where a newcomer begins, and that one has registered since."""
    rulebook = await store.programmes.rulebook()
    for member in members.values():
        if member.enrolled_at is not None and rulebook.versions:
            member.tier = rulebook.in_force(member.enrolled_at).lowest_tier
    await store.identities.save(list(members.values()))
    moved = {heard.member_id for heard in lacking if isinstance(heard.event.data, MemberRegistered | MemberErased)}
    for member_id, member in members.items():
        if member_id in moved and not member.new:
            await store.identities.show_state(member)


def _report(index: int, heard: Heard) -> Report:
    report = reports.report_of(index, heard.event, None, heard.event.data, heard.value)
    report.version = heard.event.programmeversion or 0
    report.local_day = heard.event.localday or heard.event.time.date()
    return report


def _entry(heard: Heard, members: dict[UUID, Member]) -> Entry:
    event = heard.event
    member_id = heard.member_id
    if member_id is None or heard.number is None:
        raise ValueError("an entry without member or number")
    return Entry(
        member_id, heard.number, members[member_id].partition, heard.type, event.source, event.id, event.time,
        event.localday or event.time.date(), event.programmeversion or 0, heard.value,
    )  # fmt: skip


async def _orders(
    activities: Sequence[Report], members: dict[UUID, Member], lacking: Sequence[Heard], store: MemberStore
) -> dict[bytes, Order]:
    """The orders of these activities as they stand after them."""
    about = {report.order_key for report in activities if report.type in (REFUND, REVIEW)}
    orders = {row.key: order_of(row) for row in await store.orders.read(about)}
    for report in activities:
        heard = lacking[report.index]
        if report.type == PURCHASE and heard.member_id is not None:
            member_id, number = members[heard.member_id].member_id, heard.number or 0
            amount = report.data.amount_minor
            orders[report.order_key] = Order(report.order_key, member_id, number, report.data, amount, new=True)
        elif report.type == REFUND and report.order_key in orders:
            orders[report.order_key].take_off(report.data)
    return orders


async def _claim(
    activities: Sequence[Report], orders: dict[bytes, Order], lacking: Sequence[Heard], store: MemberStore
) -> None:
    """Use up the keys of what is adopted, also where one of its orders was only waited for."""
    wanted: dict[bytes, Holder | None] = {}
    for report in activities:
        for key in (report.id_key, report.key, _member_key(report, lacking[report.index], orders)):
            if key is not None:
                wanted[key] = Holder(report.id_key, report.content)
    ours = await store.claims.insert(wanted)
    _, awaited = await store.claims.existing([key for key in wanted if key not in ours])
    await store.claims.set({key: wanted[key] for key in awaited})


def _member_key(report: Report, heard: Heard, orders: dict[bytes, Order]) -> bytes | None:
    member_id: Any = heard.member_id
    if report.type == REVIEW:
        order = orders.get(report.order_key)
        sku = order.sku_reviewed(report.data) if order is not None else None
        return None if sku is None else keys.review_key(member_id, report.data.order_id, sku)
    return keys.member_key(report.type, report.data, member_id, report.local_day)
