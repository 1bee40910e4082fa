"""Kinds 1 to 31: what comes is not the bytes of a report."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable

from tests.fault.input.malformed import (
    ACCEPTED,
    MALFORMED,
    NOTHING,
    TOO_LARGE,
    TOO_LARGE_FOR_KAFKA,
    Kind,
    Sent,
    alike,
    dead,
    is_bytes,
    refused,
    sale,
    text,
    unreadable,
    with_data,
)

OUR_KEYS = "a channel may key its records as it likes: the door goes by the report"
NO_KEY_IN_HTTP = f"{OUR_KEYS}; over HTTP there is no key, so the same report without one"


def keyed(key: bytes | None) -> Callable[[str], Sent]:
    """A good report under this key."""
    return lambda word: Sent(text(sale(word)), key=key)


def latin_1(word: str) -> bytes:
    return json.dumps(with_data(sale(word), store_id="Zürich"), ensure_ascii=False).encode("latin-1")


def many_keys(word: str) -> bytes:
    """100,000 keys that Kafka still takes: just under 1 MiB."""
    keys = b",".join(b'"%x":0' % number for number in range(100_000))
    return text(with_data(sale(word), note="KEYS")).replace(b'"KEYS"', b"{" + keys + b"}")


def replaced(word: str, old: bytes, new: bytes) -> bytes:
    """A good report in which some bytes are others."""
    return text(with_data(sale(word), store_id="STORE")).replace(old, new)


BYTES = (
    Kind(1, "empty value", lambda _: Sent(b""), MALFORMED, dead("undecodable"), line=NOTHING, log=dead("undecodable"),
         remark="an empty line of NDJSON is no report and gets no outcome"),
    Kind(2, "null value (tombstone)", lambda _: Sent(None), MALFORMED, dead("undecodable"), line=NOTHING, log=dead("undecodable"),
         remark="over HTTP: a request without a body"),
    Kind(3, "null key", keyed(None), ACCEPTED, ACCEPTED, log=NOTHING,
         remark=f"{NO_KEY_IN_HTTP}. On the log a record without a key is about nobody; were it a number lost, the next one would tell"),
    Kind(4, "empty key", keyed(b""), ACCEPTED, ACCEPTED, log=dead("invalid"), remark=NO_KEY_IN_HTTP),
    Kind(5, "key not 16 bytes", keyed(b"seven b"), ACCEPTED, ACCEPTED, log=dead("invalid"), remark=NO_KEY_IN_HTTP),
    Kind(6, "key is not the body's member", keyed(b"sixteen bytes ok"), ACCEPTED, ACCEPTED, log=dead("invalid"), remark=NO_KEY_IN_HTTP),
    unreadable(7, "random bytes", lambda word: bytes(byte for byte in word.encode() * 3 + bytes(range(128, 256)) if byte != 10)),
    unreadable(8, "truncated JSON", lambda word: text(sale(word))[:-9]),
    unreadable(9, "JSON and garbage behind it", lambda word: text(sale(word)) + b" and more"),
    unreadable(10, "two JSON documents", lambda word: text(sale(word)) + text(sale(word))),
    unreadable(11, "byte order mark", lambda word: b"\xef\xbb\xbf" + text(sale(word)), "RFC 8259: JSON has none"),
    unreadable(12, "UTF-16", lambda word: text(sale(word)).decode().encode("utf-16-be")),
    unreadable(13, "Latin-1", latin_1, "told in a charset it is a 415, see test_http_input.py"),
    unreadable(14, "invalid UTF-8", lambda word: replaced(word, b"STORE", b"S\xffE")),
    unreadable(15, "overlong UTF-8", lambda word: replaced(word, b"STORE", b"S\xc0\xafE")),
    unreadable(16, "lone surrogate", lambda word: replaced(word, b"STORE", b"S\\ud800E")),
    alike(17, "NUL in a string", lambda word: with_data(sale(word), store_id="S\0E"), "invalid"),
    unreadable(18, "NUL bytes around", lambda word: b"\0" + text(sale(word)) + b"\0"),
    unreadable(19, "gzip body", lambda word: gzip.compress(text(sale(word)), mtime=0).replace(b"\n", b""),
               "not announced by a header; announced it is a 415, see test_http_input.py"),
    unreadable(20, "Avro or Protobuf body", lambda word: b"\0\0\0\0\x07" + bytes([2 * len(word)]) + word.encode(), "Confluent's framing"),
    unreadable(21, "XML", lambda word: f"<sale><id>{word}</id></sale>".encode()),
    unreadable(22, "HTML error page", lambda word: f"<!DOCTYPE html><title>502 {word}</title>".encode()),
    unreadable(23, "CSV line", lambda word: f"{word},card-1,1000,USD".encode()),
    Kind(24, "10 MB string", is_bytes(lambda word: text(with_data(sale(word), note="x" * 10_000_000))), TOO_LARGE, TOO_LARGE_FOR_KAFKA,
         line=TOO_LARGE, remark="no such record can stand in the topic"),
    Kind(25, "1 MiB + 1 record", lambda word: Sent(text(with_data(sale(word), note="x" * 2**20))), refused("too_large"),
         TOO_LARGE_FOR_KAFKA, remark="over HTTP the body may have 8 MiB, the data of one report 256 KiB"),
    unreadable(26, "depth 10,000", lambda word: text(with_data(sale(word), note="DEEP")).replace(b'"DEEP"', b"[" * 10_000 + b"]" * 10_000)),
    Kind(27, "100k keys", is_bytes(many_keys), refused("too_large"), dead("too_large")),
    Kind(28, "array at the top", is_bytes(lambda word: text([sale(word)])), ACCEPTED, dead("invalid"), line=refused("invalid"),
         remark="over HTTP an array is what a body should be; a record, like a line, is one report"),
    Kind(29, "string at the top", is_bytes(text), MALFORMED, dead("invalid"), line=refused("invalid")),
    Kind(30, "number at the top", lambda _: Sent(b"17"), MALFORMED, dead("invalid"), line=refused("invalid")),
    Kind(31, "null at the top", lambda _: Sent(b"null"), MALFORMED, dead("invalid"), line=refused("invalid")),
)  # fmt: skip
