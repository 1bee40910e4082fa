"""Say again what has been said on `activities`, under the same ids and numbers, so that a reader can be rebuilt. The one thing not to
break: nobody gets a new number between the old ones, so the door stays shut until all has been said."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from member_svc import events
from member_svc.domain import refusals
from member_svc.domain.refusals import Refused
from member_svc.domain.stream import Record
from member_svc.handlers.publish_programme import BEGINNING
from member_svc.store import MemberStore

PIECE_ROWS = 20_000  # one statement: well below the statement timeout
LOG_END = 2**63 - 1


async def say_member_again(member_id: UUID, store: MemberStore) -> int:
    """Say one member's stream again; returns how many entries. Raises Refused for an unknown one."""
    if not await store.identities.lock([member_id]):
        raise Refused(refusals.NO_SUCH_MEMBER, "nobody has this member id")
    return await store.stream.say_member_again(member_id)


async def say_all_again(store: MemberStore) -> int:
    """Say the whole log again, with the records about partitions at their places; returns how many entries and records."""
    await store.programmes.shut_gate()
    said = after = 0
    for position, records in await _records(store):
        said += await _say_pieces(after, position, store)
        await store.stream.say_records_again(records)
        said += len(records)
        after = position
    return said + await _say_pieces(after, LOG_END, store)


async def _say_pieces(after: int, before: int, store: MemberStore) -> int:
    said = 0
    while True:
        rows, end = await store.stream.say_log_again(after, before, PIECE_ROWS)
        if end is None:
            return said
        said += rows
        after = end


async def _records(store: MemberStore) -> list[tuple[int, Sequence[Record]]]:
    """All records about partitions, with their places in the log."""
    found: list[tuple[int, Sequence[Record]]] = [
        (
            activation.position,
            events.programme_activated(
                version=activation.version,
                sha256=activation.sha256,
                effective_from=activation.effective_from,
                time=activation.effective_from or BEGINNING,
                partitions=store.partitions,
            ),
        )
        for activation in await store.programmes.activations()
    ]
    found += [
        (day.position, events.day_closed(as_of=day.as_of, version=day.version, partitions=store.partitions))
        for day in await store.days.log()
    ]
    return sorted(found, key=lambda item: item[0])
