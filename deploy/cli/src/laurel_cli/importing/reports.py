"""What leaves for the door: one report as bytes, with the key that keeps a member's reports in one lane; and what could not be read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from uuid import UUID

import msgspec

from laurel_contracts.activities import PurchaseRecorded
from laurel_contracts.envelope import Identifier


class Prepared(NamedTuple):
    """One report ready to go. Reports of one `lane_key` leave in the order in which they are given."""

    lane_key: bytes
    body: bytes


class Unreadable(NamedTuple):
    """Something of the file that is no report: counted as refused, with its reason, and never sent."""

    where: str
    reason: str
    detail: str


class Source(Protocol):
    """Reports of one or more files, the same in the same order at every reading: that is what a journal's positions rest on."""

    @property
    def total(self) -> int: ...

    def __iter__(self) -> Iterator[Prepared | Unreadable]: ...


class ReportedPurchase(PurchaseRecorded, frozen=True, kw_only=True):
    """A purchase of a channel that knows only an identifier (domain.md 2.1)."""

    identifier: Identifier


class _Who(msgspec.Struct):
    identifier: Identifier | None = None
    order_id: str | None = None


class _Head(msgspec.Struct):
    """As much of a report as decides its lane."""

    id: Any = None
    subject: UUID | None = None
    data: _Who = msgspec.field(default_factory=_Who)


class NdjsonReports:
    """Files of one CloudEvents report per line. The lines go as they are; the door judges them. A report that names no member (a refund)
    goes by its order: should it overtake its purchase, it waits at the door."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        self.total = sum(_lines_in(path) for path in paths)

    def __iter__(self) -> Iterator[Prepared | Unreadable]:
        decode = msgspec.json.Decoder(_Head).decode
        for path in self._paths:
            with path.open("rb") as lines:
                for number, line in enumerate(lines, start=1):
                    body = line.strip()
                    if not body:
                        continue
                    try:
                        head = decode(body)
                    except (msgspec.DecodeError, ValueError) as error:
                        yield Unreadable(f"{path.name} line {number}", "not_a_report", str(error))
                        continue
                    yield Prepared(_lane_key(head), body)


def _lane_key(head: _Head) -> bytes:
    if head.subject is not None:
        return head.subject.bytes
    who = head.data.identifier
    if who is not None:
        return f"{who.kind}:{who.value}".encode()
    return f"order:{head.data.order_id}".encode()


def _lines_in(path: Path) -> int:
    with path.open("rb") as lines:
        return sum(1 for line in lines if line.strip())
