"""What points-svc says: the balance after each cause that moved it, what expires soon, and which programme versions it has loaded. The one
thing not to break: ids derive from the cause, so that a replay says the same under the same id."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from laurel_contracts.envelope import Event, derived_id_text, encode
from laurel_contracts.handovers import HandedLot, PointsHandedBack, PointsHandedOver
from laurel_contracts.points import PointsExpiring, PointsPosted
from laurel_contracts.points import Posting as SaidPosting
from laurel_contracts.programmes import ProgrammeLoaded
from laurel_contracts.registry import TYPE_OF
from points_svc.domain.account import Account, Lot, Statement
from points_svc.domain.between import Arrival, Handover
from points_svc.domain.reminders import Reminder

SOURCE = "points-svc"
TOPIC = "points"
BETWEEN_MEMBERS = "handovers"
POSTED = TYPE_OF[PointsPosted]
EXPIRING = TYPE_OF[PointsExpiring]
LOADED = TYPE_OF[ProgrammeLoaded]


class Message(NamedTuple):
    """One message for the outbox."""

    topic: str
    partition: int
    key: bytes | None
    type: str
    id: str
    number: int | None
    body: bytes


def statements_of(accounts: Iterable[Account]) -> list[Message]:
    """What the accounts have to say of what has just been written, per member in order. Stored value is said nowhere (ADR 0016)."""
    return [
        posted(account.member_id, account.day.partition, statement)
        for account in accounts
        if not account.is_wallet
        for statement in account.statements
    ]


def posted(member_id: UUID, partition: int, statement: Statement) -> Message:
    """A cause moved the account."""
    event_id = derived_id_text("points", member_id, statement.cause)
    data = PointsPosted(
        cause=statement.cause,
        postings=tuple(
            [
                SaidPosting(kind=posting.kind, points=posting.points, order_id=posting.order_id)
                for posting in statement.postings
            ]
        ),
        posted=statement.posted,
        held=statement.held,
        debt=statement.debt,
        ladder=statement.ladder,
        pending=statement.pending,
        earned_net=statement.earned_net,
    )
    event: Event[Any] = Event(
        id=event_id,
        source=SOURCE,
        type=POSTED,
        time=statement.at,
        subject=member_id,
        memberseq=statement.number,
        data=data,
    )
    return Message(TOPIC, partition, member_id.bytes, POSTED, event_id, statement.number, encode(event))


def handed_over(sender_id: UUID, lots: Mapping[int, Lot], handover: Handover, partition: int) -> Message:
    """Points are on their way; keyed by who is to have them. The reason is not said: it is the members' own, and may name people."""
    data = PointsHandedOver(
        handover_id=handover.handover_id,
        sender_id=sender_id,
        points=handover.points,
        parts=tuple(
            HandedLot(points=points, earned_at=lots[lot].earned_at, expires_at=lots[lot].expires_at)
            for lot, points in handover.parts
        ),
    )
    return between(handover.receiver_id, partition, data, handover.made_at, "handover", handover.handover_id)


def handed_back(sender_id: UUID, partition: int, receiver_id: UUID, arrival: Arrival) -> Message:
    """The receiver could not take them; keyed by who had sent them."""
    data = PointsHandedBack(
        handover_id=arrival.handover_id,
        receiver_id=receiver_id,
        points=arrival.points,
        because=arrival.because or "",
    )
    return between(sender_id, partition, data, arrival.at, "handback", arrival.handover_id)


def between(member_id: UUID, partition: int, data: Any, at: datetime, *cause: object, **stamps: Any) -> Message:
    """Something that crosses from one member to another, in the receiver's partition."""
    event_id, type_name = derived_id_text(*cause), TYPE_OF[type(data)]
    event: Event[Any] = Event(
        id=event_id, source=SOURCE, type=type_name, time=at, subject=member_id, data=data, **stamps
    )
    return Message(BETWEEN_MEMBERS, partition, member_id.bytes, type_name, event_id, None, encode(event))


def expiring(reminder: Reminder) -> Message:
    """Points expire soon. Without a key and a number, because it is none of the statements that a reader adds up (ADR 0014)."""
    event_id = derived_id_text(
        "points.expiring", reminder.member_id, reminder.expires_at.isoformat(), reminder.days_ahead
    )
    data = PointsExpiring(
        expires_at=reminder.expires_at, days_ahead=reminder.days_ahead, points=reminder.points, as_of=reminder.as_of
    )
    event = Event(id=event_id, source=SOURCE, type=EXPIRING, time=reminder.as_of, subject=reminder.member_id, data=data)
    return Message(TOPIC, reminder.partition, None, EXPIRING, event_id, None, encode(event))


def programme_loaded(version: int, sha256: str, at: datetime) -> Message:
    """A version is stored here; the door activates it when all four have it."""
    event_id = derived_id_text("programme.loaded", SOURCE, version, sha256)
    event = Event(
        id=event_id,
        source=SOURCE,
        type=LOADED,
        time=at,
        data=ProgrammeLoaded(service=SOURCE, version=version, sha256=sha256),
    )
    return Message(TOPIC, 0, None, LOADED, event_id, None, encode(event))
