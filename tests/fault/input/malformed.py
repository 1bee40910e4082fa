"""The 110 malformed kinds of the fault catalogue as data (reliability.md 4.7): how each is made from a good report, and beside it the
answer that is right, over HTTP, on `channel-activities`, and, where it speaks of records of our own, on `activities`.

The one thing not to break: no kind is left out; one that this product's schema does not have stands here with its nearest meaning and a
remark."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from uuid import UUID

from tests.support.reports import purchase_report, refund_report
from tests.support.shop import Report

TIME = "2024-05-01T10:00:00+00:00"
CURRENCY = "USD"
KEY = b"till"
NIL = "00000000-0000-0000-0000-000000000000"

Word = Literal["accepted", "duplicate", "waiting", "refused", "conflict", "problem", "dead", "broker", "nothing"]


@dataclass(frozen=True)
class Answer:
    """What comes back. `problem`: an HTTP status and a problem type; `dead`: a dead letter; `broker`: Kafka takes it from nobody;
    `nothing`: it is passed over, and neither good nor bad comes of it."""

    word: Word
    reason: str = ""
    status: int = 202


ACCEPTED = Answer("accepted")
WAITING = Answer("waiting")
NOTHING = Answer("nothing")
TOO_LARGE_FOR_KAFKA = Answer("broker", "the broker's message.max.bytes")
TOO_LARGE = Answer("problem", "too_large", 413)
MALFORMED = Answer("problem", "malformed", 400)


def refused(reason: str) -> Answer:
    """An outcome of its own within a 202."""
    return Answer("refused", reason)


def dead(reason: str) -> Answer:
    """A dead letter."""
    return Answer("dead", reason)


@dataclass(frozen=True)
class Sent:
    """What is sent. `http_headers` only over HTTP; key and headers only on a topic. `before`: good reports that must be there first."""

    value: bytes | None
    key: bytes | None = KEY
    headers: Sequence[tuple[str, bytes | None]] = ()
    http_headers: Sequence[tuple[bytes, bytes]] = ((b"content-type", b"application/json"),)
    before: Sequence[Report] = ()


@dataclass(frozen=True)
class Kind:
    """One kind. `number` tells one good report from another: `make` gets a word that nothing else uses. `line`: the answer as one line of
    NDJSON among good ones, where it is not the one over HTTP; None: it cannot stand in a line."""

    number: int
    words: str
    make: Callable[[str], Sent]
    http: Answer
    topic: Answer
    line: Answer | None = None
    log: Answer | None = None
    remark: str = ""

    def as_line(self) -> Answer:
        """The answer in NDJSON."""
        if self.line is not None:
            return self.line
        return refused("undecodable") if self.http == MALFORMED else self.http


def sale(word: str, amount: int = 1000, **envelope: Any) -> Report:
    """A good report; nothing of it is used by another word."""
    report = purchase_report(
        f"pos/{word}", f"sale-{word}", TIME, f"card-{word}", f"order-{word}", [amount], currency=CURRENCY
    )
    return report | envelope


def refund(word: str, order: str, amount: int, **envelope: Any) -> Report:
    """A refund of an order, without an identifier."""
    return refund_report(f"pos/{word}", f"refund-{word}", TIME, order, f"r-{word}", amount) | envelope


def text(report: Any) -> bytes:
    """JSON as most channels write it."""
    return json.dumps(report, ensure_ascii=False).encode()


def with_data(report: Report, **data: Any) -> Report:
    """Other data."""
    return report | {"data": report["data"] | data}


def without(report: Report, *names: str) -> Report:
    """Without some of the envelope."""
    return {name: value for name, value in report.items() if name not in names}


def without_data(report: Report, *names: str) -> Report:
    """Without some of the data."""
    return report | {"data": without(report["data"], *names)}


def is_report(make: Callable[[str], Report]) -> Callable[[str], Sent]:
    """A kind that is JSON."""
    return lambda word: Sent(text(make(word)))


def is_bytes(make: Callable[[str], bytes]) -> Callable[[str], Sent]:
    """A kind that is bytes."""
    return lambda word: Sent(make(word))


def alike(number: int, words: str, make: Callable[[str], Report], reason: str, remark: str = "") -> Kind:
    """JSON that is refused over HTTP and a dead letter on the topic, for the same reason."""
    return Kind(number, words, is_report(make), refused(reason), dead(reason), remark=remark)


def taken(number: int, words: str, make: Callable[[str], Report], remark: str) -> Kind:
    """JSON that is accepted on both ways; the remark says why."""
    return Kind(number, words, is_report(make), ACCEPTED, ACCEPTED, remark=remark)


def unreadable(number: int, words: str, make: Callable[[str], bytes], remark: str = "") -> Kind:
    """No JSON: a problem when it is the whole body, else an outcome or a dead letter of its own."""
    return Kind(number, words, is_bytes(make), MALFORMED, dead("undecodable"), remark=remark)


@dataclass(frozen=True)
class LogRecord:
    """A record on `activities` as no relay of ours says it."""

    value: bytes | None
    key: bytes | None
    headers: Sequence[tuple[str, bytes | None]] = field(default_factory=tuple)


LOG_TYPE = "laurel.member.signed-in.v1"


def log_record(member_id: UUID) -> LogRecord:
    """A good record about a member whom nobody knows, with his first number."""
    event = {
        "specversion": "1.0", "id": f"log-{member_id}", "source": "web", "type": LOG_TYPE, "time": TIME, "subject": str(member_id),
        "memberseq": 1, "programmeversion": 1, "localday": "2024-05-01", "data": {"channel": "online"},
    }  # fmt: skip
    headers = (("ce_type", LOG_TYPE.encode()), ("ce_id", event["id"].encode()), ("number", b"1"))  # type: ignore[attr-defined]
    return LogRecord(text(event), member_id.bytes, headers)


# On the log, as each of its three readers sees it; the numbers are those of the kinds.
ON_THE_LOG: dict[int, Callable[[UUID], LogRecord]] = {
    1: lambda member_id: replace(log_record(member_id), value=b""),
    2: lambda member_id: replace(log_record(member_id), value=None),
    3: lambda member_id: replace(log_record(member_id), key=None),
    4: lambda member_id: replace(log_record(member_id), key=b""),
    5: lambda member_id: replace(log_record(member_id), key=member_id.bytes[:7]),
    6: lambda member_id: replace(log_record(member_id), key=UUID(int=member_id.int ^ 1).bytes),
    67: lambda member_id: replace(log_record(member_id), headers=()),
    68: lambda member_id: replace(log_record(member_id), headers=(("ce_type", b"\xff\xfe"), ("number", b"\xff"))),
    69: lambda member_id: replace(
        log_record(member_id), headers=(*log_record(member_id).headers, ("baggage", b"x" * 900_000))
    ),
    70: lambda member_id: replace(
        log_record(member_id), headers=(*log_record(member_id).headers, ("traceparent", b"a"), ("traceparent", b"b"))
    ),
}
