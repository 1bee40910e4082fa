"""What a service hears: one record, decoded, and who listens to it. The one thing not to break: a handler gets every record of its
topic, in offset order per partition, also those of types it ignores, because their numbers count."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID

import msgspec
from asyncpg.pgproto import pgproto

from laurel_contracts.envelope import Event
from laurel_kit import negative_control

S = TypeVar("S")

KEY_BYTES = 16  # an id, on our topics

Handler = Callable[[Sequence["Heard"], S], Awaitable[None]]


class Record(Protocol):
    """A record as it comes from Kafka, not decoded. aiokafka's ConsumerRecord has this shape, and so has `RawRecord`."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]: ...  # Kafka allows a header without a value


@dataclass(frozen=True, slots=True)
class RawRecord:
    """A record that does not come from a Kafka client: from a test, or from the dead letters."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]] = ()


def id_of(key: bytes) -> UUID:
    """The id that a key of ours is, as the database's driver would read it: a UUID like any other, but made, told as text and written
    in an eighth of the time, and one is made for every record. Raises ValueError where it is not 16 bytes."""
    made: UUID = pgproto.UUID(key)
    return made


class Heard(msgspec.Struct, frozen=True, gc=False):
    """One record of a topic, decoded. `key` is 16 bytes on our topics and None on records about a whole partition. `number` counts per
    key by who says it. `event` is None for a hearing that asked for raw records; for a type nobody has declared `event.data` is
    None, and the number still counts."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    number: int | None
    type: str
    event: Event[Any]
    value: bytes = b""

    @property
    def member_id(self) -> UUID | None:
        """The key as the id it is; None on a record about a whole partition."""
        return None if self.key is None else id_of(self.key)

    @property
    def speaks_of(self) -> bytes | None:
        """Whom a record is about: its key, or where it has none the subject of its event."""
        event: Event[Any] | None = self.event
        if self.key is not None or event is None or event.subject is None:
            return self.key
        return event.subject.bytes


@dataclass(frozen=True, slots=True)
class Span:
    """The piece of one partition that a transaction takes: offsets [start, next_offset)."""

    topic: str
    partition: int
    start: int
    next_offset: int


@dataclass(frozen=True, slots=True)
class Hearing(Generic[S]):
    """Who hears a topic. `types` says what the handler acts on; it still gets the rest. `raw`: the handler decodes by itself."""

    topic: str
    handler: Handler[S]
    types: tuple[type, ...]
    raw: bool = False


def hears(topic: str, handler: Handler[S], *types: type, raw: bool = False) -> Hearing[S]:
    """One line of a service's LISTENS_TO. In one transaction the handlers run in the order of LISTENS_TO."""
    return Hearing(topic, handler, types, raw)


class Hold(Exception):
    """The lane cannot go on yet, for the reason given; it is tried again each second. Never a dead letter."""


class BrokenNumbers(Exception):
    """A number is missing: something was lost on the way. The lane halts and alarms; nothing is guessed."""


def fresh(last: int, number: int) -> bool:
    """Whether `number` is the one that comes after `last`. False: seen before. Raises BrokenNumbers when one is missing between."""
    if number == last + 1 or negative_control.on():
        return True
    if number <= last:
        return False
    raise BrokenNumbers(f"number {number} follows {last}")
