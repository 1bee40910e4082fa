"""Read reports from bytes: JSON array, NDJSON, or one record of `channel-activities`. The one thing not to break: what cannot be read is
told apart one by one, with its reason and path, and never stops its neighbours."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from laurel_contracts.envelope import Identifier
from laurel_contracts.envelope import Report as Envelope
from laurel_contracts.registry import ACTIVITY_TYPES, data_decoder
from member_svc.domain import identifiers, outcomes, written
from member_svc.domain.activities import IDS
from member_svc.domain.identifiers import Name
from member_svc.domain.outcomes import Outcome
from member_svc.domain.reports import Report, report_of
from member_svc.handlers.spot_repeated_keys import (
    RepeatedKey,
    envelopes_are_plain,
    refuse_repeated_in_data,
    refuse_repeated_keys,
)

REPORTS_MAX = 1_000  # in one request: what one transaction takes without holding others up
REPORT_BYTES_MAX = 256 * 1024  # of `data`; an order of 2,000 lines has some 250 KB

ID_CHARS_SHOWN = 200  # of an id that is refused: an answer is not longer than the question
SOURCE_CHARS_MAX = 200  # as in the contract; a longer one would not go into an index

_QUOTED = re.compile(r"^Invalid enum value .*(?= - at `)", re.DOTALL)
_NUL = b"\\u0000"
_envelope = msgspec.json.Decoder(Envelope)
_envelopes = msgspec.json.Decoder(list[Envelope])
_raws = msgspec.json.Decoder(list[msgspec.Raw])
_UNREADABLE = (msgspec.DecodeError, ValueError, RecursionError)


class _Carrier(msgspec.Struct):
    """As much of `data` as says whose it is; decoded apart from the rest, so that it never travels on."""

    identifier: Identifier | None = None


class _Named(msgspec.Struct):
    """As much of a report as names it."""

    id: str = ""
    source: str = ""


_carrier = msgspec.json.Decoder(_Carrier)
_named = msgspec.json.Decoder(_Named)
_decoders = {name: data_decoder(name) for name in ACTIVITY_TYPES}


class Read(NamedTuple):
    """What could be read, and the answers to what could not."""

    reports: list[Report]
    refused: list[Outcome]


class Undecodable(Exception):
    """The whole body cannot be read."""


class TooMany(Exception):
    """More reports in one body than a request may hold; the text says how many."""


def read_body(body: bytes, *, lines: bool = True) -> Read:
    """The reports of a request: a JSON array, or NDJSON; with `lines` off an array, or one report alone. Raises Undecodable and
    TooMany."""
    text = body.lstrip()
    if not text:
        raise Undecodable("the body is empty")
    if text[:1] == b"[":
        return _read_array(text)
    return _read_lines(text) if lines else _read_alone(text)


def _read_alone(text: bytes) -> Read:
    if text[:1] != b"{":
        raise Undecodable("neither an array nor an object")
    read = read_each([text])
    if read.refused and read.refused[0].reason == outcomes.UNDECODABLE:
        raise Undecodable(read.refused[0].detail or "not JSON")
    return read


def _read_array(body: bytes) -> Read:
    try:
        envelopes = _envelopes.decode(body)
    except _UNREADABLE:
        return _read_one_by_one(body)
    _check_count(len(envelopes))
    if not envelopes_are_plain(body, envelopes):
        return _read_one_by_one(body)
    return _read_all(list(enumerate(envelopes)))


def _read_one_by_one(body: bytes) -> Read:
    """The slow way, when something in the array is wrong, or more than was expected: which of them?"""
    try:
        raws = _raws.decode(body)
    except _UNREADABLE as error:
        raise Undecodable(str(error)) from error
    _check_count(len(raws))
    return read_each([bytes(raw) for raw in raws])


def _read_lines(body: bytes) -> Read:
    lines = [line for line in body.split(b"\n") if line.strip()]
    try:
        envelopes: list[Envelope] = _envelope.decode_lines(body)
        # The decoder takes two documents on one line for two; then every later outcome would have the place of another line.
        plain = len(envelopes) == len(lines) and envelopes_are_plain(body, envelopes)
    except _UNREADABLE:
        plain = False
    if not plain:
        _check_count(len(lines))
        read = read_each(lines)
        if not read.reports and all(outcome.reason == outcomes.UNDECODABLE for outcome in read.refused):
            raise Undecodable(read.refused[0].detail or "not JSON") from None
        return read
    _check_count(len(envelopes))
    return _read_all(list(enumerate(envelopes)))


def read_each(documents: Sequence[bytes]) -> Read:
    """Reports that stand each for themselves; `index` is the place in the sequence."""
    envelopes: list[tuple[int, Envelope]] = []
    refused: list[Outcome] = []
    for index, document in enumerate(documents):
        try:
            envelope = _envelope.decode(document)
            if not envelopes_are_plain(document, [envelope]):
                refuse_repeated_keys(document)
            envelopes.append((index, envelope))
        except RepeatedKey as error:
            refused.append(Outcome(index, _id_of(document), "refused", outcomes.INVALID, f"{error} - at `$`"))
        except msgspec.ValidationError as error:
            refused.append(Outcome(index, _id_of(document), "refused", outcomes.INVALID, _unquoted(error)))
        except _UNREADABLE as error:
            refused.append(Outcome(index, "", "refused", outcomes.UNDECODABLE, str(error)))
    read = _read_all(envelopes)
    return Read(read.reports, refused + read.refused)


def document_of(report: Report) -> bytes:
    """The report as it was reported, to be kept until its order comes or as a dead letter."""
    document = report.document
    return document if isinstance(document, bytes) else msgspec.json.encode(document)


def source_of(document: bytes) -> str:
    """The channel that a report names, as far as it can be read; empty when it names none, or none that can be."""
    try:
        source = _named.decode(document).source
    except _UNREADABLE:
        return ""
    return "" if len(source) > SOURCE_CHARS_MAX or written.fault_of(source) else source


def _check_count(count: int) -> None:
    if count == 0:
        raise Undecodable("there is no report in it")
    if count > REPORTS_MAX:
        raise TooMany(f"{count} reports, at most {REPORTS_MAX} are taken at once")


def _id_of(document: bytes) -> str:
    try:
        return _named.decode(document).id[:ID_CHARS_SHOWN]
    except _UNREADABLE:
        return ""


def _read_all(envelopes: Sequence[tuple[int, Envelope]]) -> Read:
    reports: list[Report] = []
    refused: list[Outcome] = []
    for index, envelope in envelopes:
        try:
            reports.append(_read_one(index, envelope))
        except _Refused as error:
            refused.append(Outcome(index, envelope.id, "refused", error.reason, error.detail))
    return Read(reports, refused)


class _Refused(Exception):
    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail


def _read_one(index: int, envelope: Envelope) -> Report:
    raw = bytes(envelope.data)
    size = len(raw)
    if size > REPORT_BYTES_MAX:
        raise _Refused(outcomes.TOO_LARGE, f"data has {size} bytes, allowed are {REPORT_BYTES_MAX} - at `$.data`")
    decoder = _decoders.get(envelope.type)
    if decoder is None:
        raise _Refused(outcomes.UNKNOWN_TYPE, f"nobody reports {envelope.type} - at `$.type`")
    try:
        data = decoder.decode(raw)
        carried = _carrier.decode(raw).identifier
        said = refuse_repeated_in_data(raw, data, carried)
    except RepeatedKey as error:
        raise _Refused(outcomes.INVALID, f"{error} - at `$.data`") from None
    except msgspec.ValidationError as error:
        raise _Refused(outcomes.INVALID, _inside_data(_unquoted(error))) from None
    except _UNREADABLE as error:
        raise _Refused(outcomes.UNDECODABLE, f"{error} - at `$.data`") from None
    if _NUL in raw and _holds_nul(msgspec.json.decode(raw)):
        raise _Refused(outcomes.INVALID, "text holds the character NUL - at `$.data`")
    _refuse_misspelt(envelope, data)
    report = report_of(index, envelope, None if carried is None else _name_of(carried), data, envelope)
    report.said = said
    return report


def _name_of(identifier: Identifier) -> Name:
    try:
        return identifiers.normal(identifier.kind, identifier.value)
    except ValueError as error:
        raise _Refused(outcomes.INVALID, f"{error} - at `$.data.identifier.value`") from None


def _unquoted(error: msgspec.ValidationError) -> str:
    """What is wrong, without the value: a person's number may stand in the wrong place, and details are listed and kept."""
    return _QUOTED.sub("Invalid enum value", str(error))


def _inside_data(message: str) -> str:
    """The path as the channel sees it: data was decoded by itself."""
    return message.replace("`$", "`$.data", 1) if "`$" in message else f"{message} - at `$.data`"


def _refuse_misspelt(envelope: Envelope, data: Any) -> None:
    """Ids make a report one and the same: two that look alike must not be two. NUL would also part a key where it has no part."""
    for path, text in (("id", envelope.id), ("source", envelope.source)):
        if fault := written.fault_of(text):
            raise _Refused(outcomes.INVALID, f"the {path} {fault} - at `$.{path}`")
    for path in IDS[envelope.type]:
        if fault := written.fault_of(getattr(data, path)):
            raise _Refused(outcomes.INVALID, f"the {path} {fault} - at `$.data.{path}`")


def _holds_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, list):
        return any(_holds_nul(item) for item in value)
    if isinstance(value, dict):
        return any("\0" in key or _holds_nul(item) for key, item in value.items())
    return False
