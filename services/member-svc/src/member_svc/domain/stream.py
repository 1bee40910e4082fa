"""A member's stream: what is told about one member, numbered 1, 2, 3 … The one thing not to break: an entry is never changed."""

from __future__ import annotations

from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID


class Entry(NamedTuple):
    """One numbered entry, as it is kept for ever and said on `activities`. `body`: the encoded event."""

    member_id: UUID
    member_seq: int
    partition: int
    type: str
    source: str
    id: str
    time: datetime
    local_day: date
    version: int
    body: bytes


class Record(NamedTuple):
    """A record about a whole partition (`day.closed`, `programme.activated`): without key and number."""

    partition: int
    type: str
    id: str
    body: bytes
