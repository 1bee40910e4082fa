"""Kinds 32 to 70: the envelope of the report, and what travels beside it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.fault.input.malformed import (
    ACCEPTED,
    NIL,
    Answer,
    Kind,
    Sent,
    alike,
    dead,
    is_bytes,
    refused,
    sale,
    taken,
    text,
    with_data,
    without,
    without_data,
)

ANY_ID = "domain.md 2.1: an id is any text, unique for ever per source"
NO_VERSION = "the version of a shape stands in its type's name; specversion left out is 1.0"
ERASED = "7b3f6f0a-47cb-4a51-9d24-4c2b8c6f1d61"  # laid into the database by the fixture: nothing erases yet
NOBODY = "7b3f6f0a-47cb-4a51-9d24-4c2b8c6f1d62"
UUID_ID = "7b3f6f0a-47cb-4a51-9d24-4c2b8c6f1d11"


def ahead(minutes: int) -> str:
    return (datetime.now(UTC) + timedelta(minutes=minutes)).isoformat()


def ago(days: int) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).isoformat()


def doubled(word: str) -> bytes:
    """`amount_minor` twice in the data."""
    body = text(with_data(without_data(sale(word), "amount_minor"), note="TWICE"))
    return body.replace(b'"note": "TWICE"', b'"amount_minor": 999999, "amount_minor": 1000')


ENVELOPES = (
    alike(32, "missing id", lambda word: without(sale(word), "id"), "invalid"),
    taken(33, "id not a UUID", sale, ANY_ID),
    taken(34, "nil UUID", lambda word: sale(word, id=NIL), ANY_ID),
    taken(35, "uppercase UUID", lambda word: sale(word, id=UUID_ID.upper()), ANY_ID),
    taken(36, "UUID with braces", lambda word: sale(word, id=f"{{{UUID_ID}}}"), ANY_ID),
    Kind(37, "id reused with another payload", lambda word: Sent(text(sale(word, 2000)), before=[sale(word, 1000)]),
         Answer("conflict", "content_differs"), dead("content_differs")),
    alike(38, "missing type", lambda word: without(sale(word), "type"), "invalid"),
    alike(39, "unknown type", lambda word: sale(word, type="laurel.purchase.imagined.v1"), "unknown_type"),
    alike(40, "type in the wrong case", lambda word: sale(word, type="Laurel.Purchase.Recorded.V1"), "unknown_type"),
    taken(41, "missing version", lambda word: without(sale(word), "specversion"), NO_VERSION),
    alike(42, 'version "2"', lambda word: sale(word, specversion="2"), "invalid"),
    alike(43, "version 0", lambda word: sale(word, specversion=0), "invalid"),
    alike(44, "version 999", lambda word: sale(word, type="laurel.purchase.recorded.v999"), "unknown_type"),
    alike(45, "missing source", lambda word: without(sale(word), "source"), "invalid"),
    taken(46, "source is not the producer's principal", lambda word: sale(word, source=f"web/not-{word}"),
          "principals and signatures are not built yet; who may write to the topic is the broker's ACL"),
    alike(47, "missing time", lambda word: without(sale(word), "time"), "invalid"),
    alike(48, "time in epoch seconds", lambda word: sale(word, time=1714557600), "invalid"),
    alike(49, "time in epoch milliseconds", lambda word: sale(word, time=1714557600000), "invalid"),
    alike(50, "no time zone", lambda word: sale(word, time="2024-05-01T10:00:00"), "invalid"),
    alike(51, "offset +99:99", lambda word: sale(word, time="2024-05-01T10:00:00+99:99"), "invalid"),
    alike(52, "year 0001", lambda word: sale(word, time="0001-01-01T00:00:00+14:00"), "invalid"),
    alike(53, "year 9999", lambda word: sale(word, time="9999-12-31T23:59:59-14:00"), "from_the_future"),
    alike(54, "6 minutes ahead", lambda word: sale(word, time=ahead(6)), "from_the_future"),
    taken(55, "30 days old", lambda word: sale(word, time=ago(30)), "domain.md 2.3: late activities count on their own day"),
    alike(56, "the 30th of February", lambda word: sale(word, time="2024-02-30T10:00:00+00:00"), "invalid"),
    alike(57, "leap second", lambda word: sale(word, time="2016-12-31T23:59:60+00:00"), "invalid"),
    alike(58, "24:00:00", lambda word: sale(word, time="2024-05-01T24:00:00+00:00"), "invalid"),
    alike(59, "member missing", lambda word: without_data(sale(word), "identifier"), "no_member", "neither subject nor identifier"),
    alike(60, "nil member", lambda word: sale(word, subject=NIL), "unknown_member"),
    alike(61, "an erased member", lambda word: sale(word, subject=ERASED), "erased_member"),
    alike(62, "a member of another tenant", lambda word: sale(word, subject=NOBODY), "unknown_member",
          "there are no tenants: a member of another programme is nobody here"),
    Kind(63, "duplicate JSON keys", is_bytes(doubled), refused("invalid"), dead("invalid"),
         remark="two readers could take two amounts from it"),
    taken(64, "keys differing by case", lambda word: with_data(sale(word), Amount_Minor=7), "an unknown field: ignored, and never said on"),
    taken(65, "unknown extra fields", lambda word: with_data(sale(word, datacontenttype="application/json"), loyalty={"level": 9}),
          "consumers ignore unknown fields, so that producers may add"),
    taken(66, "__proto__", lambda word: with_data(sale(word), __proto__={"tier": "diamond"}), "an unknown field like any other"),
    Kind(67, "headers missing", lambda word: Sent(text(sale(word)), headers=(), http_headers=()), ACCEPTED, ACCEPTED, log=ACCEPTED,
         remark="over HTTP: no content-type, which is taken for JSON; on the log type and number stand in the body too"),
    Kind(68, "header not UTF-8",
         lambda word: Sent(text(sale(word)), headers=(("ce_type", b"\xff\xfe"), ("number", b"\xff")),
                           http_headers=((b"content-type", b"application/json"), (b"x-till", b"\xff\xfe"))),
         ACCEPTED, ACCEPTED, log=dead("undecodable"), remark="the door goes by the report; a header's name: see test_header_names.py"),
    Kind(69, "header of 1 MB",
         lambda word: Sent(text(sale(word)), headers=(("baggage", b"x" * 1_000_000),),
                           http_headers=((b"content-type", b"application/json"), (b"baggage", b"x" * 1_000_000))),
         Answer("problem", "head_too_large", 431), ACCEPTED, line=ACCEPTED, log=ACCEPTED,
         remark="a header is of the request, not of a line; on a topic it is carried and ignored, up to the broker's limit"),
    Kind(70, "two trace headers",
         lambda word: Sent(text(sale(word)), headers=(("traceparent", b"a"), ("traceparent", b"b")),
                           http_headers=((b"content-type", b"application/json"), (b"traceparent", b"a"), (b"traceparent", b"b"))),
         ACCEPTED, ACCEPTED, log=ACCEPTED, remark="nothing is decided by a trace"),
)  # fmt: skip
