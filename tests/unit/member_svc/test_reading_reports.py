"""What cannot be read is told apart one by one, with reason and path; identifiers are read apart from the data."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from member_svc.handlers.read_reports import REPORTS_MAX, TooMany, Undecodable, document_of, read_body, read_each


def report(**changes: Any) -> dict[str, Any]:
    data = {"channel": "app", "identifier": {"kind": "phone", "value": "1 2"}}
    envelope = {
        "id": "e",
        "source": "s",
        "type": "laurel.member.signed-in.v1",
        "time": "2018-01-09T00:00:00Z",
        "data": data,
    }
    return envelope | changes


def test_an_array_and_lines_read_the_same() -> None:
    bodies = [
        json.dumps([report(), report(id="f")]),
        "\n".join([json.dumps(report()), "", json.dumps(report(id="f")), ""]),
    ]
    for body in bodies:
        read = read_body(body.encode())
        assert [(one.index, one.id, one.name) for one in read.reports] == [
            (0, "e", ("phone", "12")),
            (1, "f", ("phone", "12")),
        ]


def test_the_identifier_is_not_in_the_data() -> None:
    (one,) = read_body(json.dumps([report()]).encode()).reports
    assert b"identifier" not in msgspec.json.encode(one.data)
    assert json.loads(document_of(one))["data"]["identifier"]["value"] == "1 2"  # as it was reported, if it has to wait


def test_one_that_cannot_be_read_names_itself_and_its_path() -> None:
    read = read_each([b"{", b"[]", json.dumps(report(time="never")).encode(), json.dumps(report(data=5)).encode()])
    assert [(one.index, one.id, one.reason) for one in read.refused] == [
        (0, "", "undecodable"),
        (1, "", "invalid"),
        (2, "e", "invalid"),
        (3, "e", "invalid"),
    ]
    assert "`$.time`" in (read.refused[2].detail or "")
    assert "`$.data`" in (read.refused[3].detail or "")


def test_a_text_that_spells_nul_without_being_one_is_taken() -> None:
    data = {"channel": "\\u0000", "device": "d"}
    assert read_body(json.dumps([report(data=data)]).encode()).reports
    for spoilt in ({"channel": "a\0"}, {"channel": "a", "note": ["\0"]}, {"channel": "a", "no\0te": 1}):
        assert [one.reason for one in read_body(json.dumps([report(data=spoilt)]).encode()).refused] == ["invalid"]


@pytest.mark.parametrize("body", [b"", b" \n", b"[]", b"{", b"[1", b"\xff", b'"text"\n'])
def test_a_body_without_any_report_is_undecodable(body: bytes) -> None:
    if body == b'"text"\n':
        assert [one.reason for one in read_body(body).refused] == ["invalid"]
    else:
        with pytest.raises(Undecodable):
            read_body(body)


def test_a_request_has_an_end() -> None:
    with pytest.raises(TooMany):
        read_body(b"[" + b",".join([b"{}"] * (REPORTS_MAX + 1)) + b"]")
    with pytest.raises(TooMany):
        read_body(b"{}\n" * (REPORTS_MAX + 1))
