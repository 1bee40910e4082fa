"""What is heard: numbers, keys, and the decoding of one record."""

from __future__ import annotations

from uuid import UUID

import pytest

from laurel_contracts.activities import MemberSignedIn
from laurel_kit import negative_control
from laurel_kit.decoding import Decoding, Unreadable
from laurel_kit.hearing import BrokenNumbers, Heard, RawRecord, fresh, hears

SIGNED_IN = "laurel.member.signed-in.v1"
BODY = (
    b'{"specversion":"1.0","id":"1","source":"pos","type":"laurel.member.signed-in.v1","time":"2026-01-01T00:00:00Z",'
    b'"memberseq":4,"data":{"channel":"app"}}'
)
KEY = UUID(int=7).bytes


def raw(value: bytes | None = BODY, **headers: bytes) -> RawRecord:
    return RawRecord("activities", 3, 17, KEY, value, list(headers.items()))


@pytest.fixture(autouse=True)
def _no_switch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(negative_control.SWITCH, raising=False)
    negative_control.on.cache_clear()


def test_the_next_number_is_fresh_and_one_that_was_seen_is_not() -> None:
    assert fresh(4, 5)
    assert not fresh(4, 4)
    assert not fresh(4, 1)


def test_a_number_that_skips_one_is_never_guessed_about() -> None:
    with pytest.raises(BrokenNumbers, match="number 6 follows 4"):
        fresh(4, 6)


def test_the_negative_control_lets_every_number_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(negative_control.SWITCH, "1")
    negative_control.on.cache_clear()
    assert fresh(4, 4)
    assert fresh(4, 9)
    negative_control.on.cache_clear()


def test_type_and_number_come_from_the_headers() -> None:
    heard = Decoding().heard(raw(ce_type=SIGNED_IN.encode(), number=b"4"))
    assert isinstance(heard, Heard)
    assert (heard.type, heard.number, heard.member_id, heard.offset) == (SIGNED_IN, 4, UUID(int=7), 17)
    assert heard.event.data == MemberSignedIn(channel="app")


def test_without_headers_type_and_number_come_from_the_body() -> None:
    heard = Decoding().heard(raw())
    assert isinstance(heard, Heard)
    assert (heard.type, heard.number) == (SIGNED_IN, 4)


def test_a_type_nobody_has_declared_has_no_data_but_a_number() -> None:
    heard = Decoding().heard(raw(BODY.replace(b"signed-in.v1", b"signed-in.v9"), number=b"4"))
    assert isinstance(heard, Heard)
    assert (heard.event.data, heard.number) == (None, 4)


@pytest.mark.parametrize(
    ("value", "headers", "reason", "detail"),
    [
        (None, {}, "undecodable", "no value"),
        (b"", {}, "undecodable", ""),
        (b"\xff\xfe", {"ce_type": SIGNED_IN.encode()}, "undecodable", ""),
        (b"[" * 100_000, {}, "invalid", ""),
        (b'{"data":' + b"[" * 100_000, {"ce_type": b"laurel.new.v1"}, "undecodable", ""),
        (BODY, {"number": b"-1"}, "undecodable", "`number`"),
        (BODY, {"number": b"9" * 19}, "undecodable", "`number`"),
        (BODY, {"ce_type": b"\xff"}, "undecodable", ""),
        (BODY, {"ce_type": b"laurel.review.posted.v1"}, "invalid", "review_id"),
        (BODY.replace(b'"app"', b"7"), {}, "invalid", "$.data.channel"),
        (BODY.replace(b'"2026-01-01T00:00:00Z"', b'"2026-01-01"'), {}, "invalid", "$.time"),
        (BODY.replace(b'"id":"1"', b'"id":""'), {}, "invalid", "$.id"),
    ],
)
def test_a_record_that_cannot_be_read_says_why(
    value: bytes | None, headers: dict[str, bytes], reason: str, detail: str
) -> None:
    result = Decoding().heard(raw(value, **headers))
    assert isinstance(result, Unreadable)
    assert result.reason == reason
    assert detail in result.detail


def test_a_header_that_contradicts_the_body_is_invalid() -> None:
    body = BODY.replace(b'{"channel":"app"}', b'{"share_id":"s","sku":"1","network":"n","channel":"app"}')
    result = Decoding().heard(raw(body, ce_type=b"laurel.product.shared.v1"))
    assert isinstance(result, Unreadable)
    assert "the header says laurel.product.shared.v1" in result.detail


def test_a_raw_hearing_gets_the_bytes_as_they_are() -> None:
    heard = Decoding().raw(raw(b"{nonsense", number=b"x"))
    assert isinstance(heard, Heard)
    nothing: object = None
    assert [heard.value, heard.event, heard.number] == [b"{nonsense", nothing, nothing]


def test_a_line_of_listens_to_names_topic_handler_and_types() -> None:
    async def handler(batch: object, store: object) -> None: ...

    hearing = hears("activities", handler, MemberSignedIn, raw=True)
    assert (hearing.topic, hearing.handler, hearing.types, hearing.raw) == (
        "activities",
        handler,
        (MemberSignedIn,),
        True,
    )
