"""What member-svc says on `activities`: accepted activities under the channel's own id, decisions, and records about whole partitions.
The one thing not to break: no identifier of a person is ever said, only the random member id."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec

from laurel_contracts.decisions import (
    DayClosed,
    MemberRegistered,
    OverrideTakenBack,
    ProgrammeActivated,
    StandingOverridden,
    StandingSanctioned,
)
from laurel_contracts.envelope import Event, derived_id, encode
from laurel_contracts.registry import TYPE_OF, decoder
from member_svc.domain.admission import Accepted, Member
from member_svc.domain.stream import Entry, Record

SOURCE = "member-svc"

_any_event = msgspec.json.Decoder(Event[Any])


def entry_of(accepted: Accepted) -> Entry:
    """An accepted report as an entry of its member's stream. `data` is encoded anew from its declared shape, so what a
    channel adds beside it (the identifier above all) goes no further."""
    report, member, member_seq = accepted
    event: Event[Any] = Event(
        id=report.id,
        source=report.source,
        type=report.type,
        time=report.time,
        subject=member.member_id,
        memberseq=member_seq,
        programmeversion=report.version,
        localday=report.local_day,
        data=msgspec.Raw(report.said) if report.said else report.data,
    )
    return Entry(
        member.member_id, member_seq, member.partition, report.type, report.source, report.id, report.time,
        report.local_day, report.version, encode(event),
    )  # fmt: skip


def registered(member: Member, *, time: datetime, local_day: date, version: int, referrer_id: UUID | None) -> Entry:
    """The member has enrolled by himself; `member.last_seq` is the number of this entry."""
    event = Event(
        id=str(derived_id("registered", member.member_id)),
        source=SOURCE,
        type=TYPE_OF[MemberRegistered],
        time=time,
        subject=member.member_id,
        memberseq=member.last_seq,
        programmeversion=version,
        localday=local_day,
        data=MemberRegistered(referrer_id=referrer_id),
    )
    return Entry(
        member.member_id, member.last_seq, member.partition, event.type, SOURCE, event.id, time, local_day, version,
        encode(event),
    )  # fmt: skip


def decision_id(member_id: UUID, key: str) -> str:
    """The id of what staff decides under a key: the same key is the same decision."""
    return str(derived_id("decision", member_id, key))


def decision_in(body: bytes) -> Any:
    """What was decided, of an entry as it was said."""
    return decoder(_any_event.decode(body).type).decode(body).data


def standing_decided(
    member: Member,
    id: str,
    data: StandingOverridden | StandingSanctioned | OverrideTakenBack,
    *,
    time: datetime,
    local_day: date,
    version: int,
) -> Entry:
    """Staff has decided about the standing; `member.last_seq` is the number of this entry."""
    event: Event[Any] = Event(
        id=id,
        source=SOURCE,
        type=TYPE_OF[type(data)],
        time=time,
        subject=member.member_id,
        memberseq=member.last_seq,
        programmeversion=version,
        localday=local_day,
        data=data,
    )
    return Entry(
        member.member_id,
        member.last_seq,
        member.partition,
        event.type,
        SOURCE,
        id,
        time,
        local_day,
        version,
        encode(event),
    )


def day_closed(*, as_of: datetime, version: int, partitions: int) -> list[Record]:
    """The end of a day, one record for every partition."""
    return [
        _record(partition, ("day", as_of.isoformat()), as_of, version, DayClosed(as_of=as_of))
        for partition in range(partitions)
    ]


def programme_activated(
    *, version: int, sha256: str, effective_from: datetime | None, time: datetime, partitions: int
) -> list[Record]:
    """A version is in force from an instant, one record for every partition."""
    data = ProgrammeActivated(version=version, sha256=sha256, effective_from=effective_from)
    return [_record(partition, ("programme", version), time, version, data) for partition in range(partitions)]


def _record(partition: int, cause: tuple[object, ...], time: datetime, version: int, data: Any) -> Record:
    event: Event[Any] = Event(
        id=str(derived_id(*cause, partition)),
        source=SOURCE,
        type=TYPE_OF[type(data)],
        time=time,
        programmeversion=version,
        data=data,
    )
    return Record(partition, event.type, event.id, encode(event))
