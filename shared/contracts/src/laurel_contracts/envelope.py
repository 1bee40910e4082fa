"""The envelope of every event: CloudEvents 1.0, structured JSON. Channels send a `Report`; what a service says is an `Event` of one
data shape. The one thing not to break: no identifier of a person ever stands in an `Event`, only the random `member_id`."""

from __future__ import annotations

import uuid
from datetime import date, datetime
from hashlib import sha1
from typing import Annotated, Generic, Literal, TypeVar

import msgspec

# A namespace of our own: ids of what we say derive from their cause, so that a replay says the same under the same id.
LAUREL_NAMESPACE = uuid.UUID("6f1d2c52-6a0d-5a9e-9a55-2d9d4f7c1e01")
_NAMESPACE_BYTES = LAUREL_NAMESPACE.bytes
_UUID_5_ZEROS = ~(0xF000 << 64 | 0xC000 << 48)  # the bits of version and variant (RFC 9562, 5.5)
_UUID_5_ONES = 0x5000 << 64 | 0x8000 << 48

ShortText = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Instant = Annotated[datetime, msgspec.Meta(tz=True)]
AmountMinor = Annotated[int, msgspec.Meta(ge=0, le=10**12)]  # minor units of the programme's currency
Quantity = Annotated[int, msgspec.Meta(ge=0, le=10**6)]
Points = Annotated[int, msgspec.Meta(ge=0, le=10**12)]

HEADER_TYPE = "ce_type"  # the event's type, so that a router need not parse
HEADER_ID = "ce_id"
HEADER_NUMBER = "number"  # the member's number by who says it, ASCII digits; absent on records about no member


class Data(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What an event is about. Frozen, because the past is; unknown fields are ignored, so that producers may add."""


D = TypeVar("D")


class Event(msgspec.Struct, Generic[D], frozen=True, kw_only=True, omit_defaults=True):
    """One event as a service says it. `subject` is the member; None on records about a whole partition (`day.closed`, marks).
    `memberseq` is the number within what this topic's owner says about the member (on `activities`: `member_seq`)."""

    specversion: Literal["1.0"] = msgspec.field(default="1.0")
    id: ShortText
    source: ShortText
    type: ShortText
    time: Instant
    subject: uuid.UUID | None = None
    memberseq: int | None = None
    programmeversion: int | None = None
    localday: date | None = None  # programme-local day of `time`, stamped by the door
    data: D


class Identifier(Data, frozen=True, kw_only=True):
    """What a channel knows a member by. Personal: never leaves member-svc and `channel-activities`."""

    kind: Literal["phone", "email", "card", "open_id", "external_id"]
    value: ShortText


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One activity as a channel reports it (over HTTP or on `channel-activities`); `data` is decoded by `type` in a second step."""

    specversion: Literal["1.0"] = "1.0"
    id: ShortText
    source: ShortText
    type: ShortText
    time: Instant
    subject: uuid.UUID | None = None
    data: msgspec.Raw


def derived_id(*parts: object) -> uuid.UUID:
    """The id of something we say, from its cause: the same parts give the same id, on every replay."""
    return uuid.UUID(derived_id_text(*parts))


def derived_id_text(*parts: object) -> str:
    """The same as text. It is uuid5 by hand, because one is made for every event that is said: two thirds of its price."""
    name = "|".join([str(part) for part in parts])
    digest = sha1(_NAMESPACE_BYTES + name.encode(), usedforsecurity=False).digest()
    text = (int.from_bytes(digest[:16]) & _UUID_5_ZEROS | _UUID_5_ONES).to_bytes(16).hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def encode(event: Event[D]) -> bytes:
    """The event's bytes on Kafka. `specversion` is written although it is a default, as CloudEvents demands."""
    body = msgspec.json.encode(event)
    return b'{"specversion":"1.0",' + body[1:]
