"""From a record's bytes to what is heard, one by one, before any transaction. The one thing not to break: a record that cannot be read
never stops its neighbours; it comes out as `Unreadable`, with the reason and the path."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from laurel_contracts import registry
from laurel_contracts.envelope import HEADER_NUMBER, HEADER_TYPE, Event
from laurel_kit.hearing import Heard, Record

NUMBER_DIGITS_MAX = 18  # what fits a bigint

Decode = Callable[[bytes], Event[Any]]
DecoderOf = Callable[[str], msgspec.json.Decoder[Event[Any]]]  # raises KeyError for a type nobody has declared

_any_event = msgspec.json.Decoder(Event[Any])


class _Typed(msgspec.Struct):
    """As much of a body as names its type."""

    type: str


_type_of = msgspec.json.Decoder(_Typed)


class Unreadable(NamedTuple):
    """Why a record cannot become something heard."""

    reason: str
    detail: str


def _undeclared(value: bytes) -> Event[Any]:
    """An event of a type nobody has declared: the envelope counts, the data does not."""
    return msgspec.structs.replace(_any_event.decode(value), data=None)


def headers_of(record: Record) -> tuple[str | None, int | None]:
    """Type and number from the headers. Raises ValueError where they cannot be read."""
    type_name = number = None
    for name, value in record.headers:
        if name == HEADER_NUMBER:
            if value is None or not value.isdigit() or len(value) > NUMBER_DIGITS_MAX:
                raise ValueError(f"the header `{HEADER_NUMBER}` is not a number")
            number = int(value)
        elif name == HEADER_TYPE and value is not None:
            type_name = value.decode()
    return type_name, number


def number_of(record: Record) -> int | None:
    """The number in the headers, if it can be read; for a record that is set aside."""
    try:
        return headers_of(record)[1]
    except ValueError:
        return None


class Decoding:
    """Decodes records. Keeps one decoder per type it has met. `decoder_of` says how much of an event is read: as much as decisions are
    made by, or all of it (`registry.decoder`)."""

    def __init__(self, decoder_of: DecoderOf = registry.deciding_decoder) -> None:
        self._decoder_of = decoder_of
        self._decoders: dict[str, Decode] = {}

    def heard(self, record: Record) -> Heard | Unreadable:
        """The record, decoded by the type in its header, else by the type in its body."""
        value = record.value
        if value is None:
            return Unreadable("undecodable", "the record has no value")
        try:
            type_name, number = headers_of(record)
            if type_name is None:
                type_name = _type_of.decode(value).type
            decode = self._decoders.get(type_name)
            if decode is None:
                decode = self._decoders[type_name] = self._decode_of(type_name)
            event = decode(value)
        except msgspec.ValidationError as error:
            return Unreadable("invalid", str(error))
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            return Unreadable("undecodable", str(error))
        if event.type != type_name:
            return Unreadable("invalid", f"the header says {type_name}, the body {event.type} - at `$.type`")
        if record.key is not None and event.subject is not None and record.key != event.subject.bytes:
            return Unreadable("invalid", "the key and the subject are not the same - at `$.subject`")
        if number is None:
            number = event.memberseq
        return Heard(record.topic, record.partition, record.offset, record.key, number, type_name, event, value)

    def raw(self, record: Record) -> Heard | Unreadable:
        """The record as it is, for a handler that decodes by itself."""
        if record.value is None:
            return Unreadable("undecodable", "the record has no value")
        try:
            type_name, number = headers_of(record)
        except ValueError:
            type_name = number = None
        event: Any = None
        return Heard(
            record.topic, record.partition, record.offset, record.key, number, type_name or "", event, record.value
        )

    def _decode_of(self, type_name: str) -> Decode:
        try:
            return self._decoder_of(type_name).decode
        except KeyError:
            return _undeclared
