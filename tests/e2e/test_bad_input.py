"""Bad input never costs good data and never gives a 5xx: on the topic a dead letter, over HTTP a 4xx or a refusal, each with its reason."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaProducer

from tests.support.reports import purchase_report
from tests.support.shop import Deadline, Report, Shop, open_shop, reference

TIME = "2024-05-01T10:00:00+00:00"


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with open_shop(reference(campaigns=False), partitions=4) as opened:
        yield opened


def sale(number: str, amount: int = 1000) -> Report:
    return purchase_report(
        "pos/1", f"sale-{number}", TIME, f"card-{number}", f"order-{number}", [amount], currency="USD"
    )


def changed(report: Report, **data: Any) -> Report:
    return report | {"data": report["data"] | data}


def post(shop: Shop, body: bytes, kind: str = "application/json") -> httpx.Response:
    return httpx.post(
        f"{shop.url('member-svc')}/v1/activities", content=body, headers={"content-type": kind}, timeout=30.0
    )


INVALID = {
    "a float amount": changed(sale("float"), amount_minor=10.5),
    "a boolean amount": changed(sale("bool"), amount_minor=True),
    "an amount below zero": changed(sale("negative"), amount_minor=-1),
    "a sum that is not the lines'": changed(sale("sum"), amount_minor=999),
    "another currency": changed(sale("currency"), currency="EUR"),
    "no lines": changed(sale("lines"), lines=[]),
    "an unknown type": sale("type") | {"type": "laurel.purchase.imagined.v1"},
    "no time zone": sale("zone") | {"time": "2024-05-01T10:00:00"},
    "the 30th of February": sale("february") | {"time": "2024-02-30T10:00:00+00:00"},
    "a time far ahead": sale("future") | {"time": "2999-01-01T00:00:00+00:00"},
    "an unknown member": sale("member") | {"subject": "7b3f6f0a-47cb-4a51-9d24-4c2b8c6f1d11"},
    "no identifier": sale("nobody") | {"data": {k: v for k, v in sale("nobody")["data"].items() if k != "identifier"}},
    "an empty id": sale("id") | {"id": ""},
    "an oversize report": changed(sale("oversize"), store_id="x" * 400_000),
}


@pytest.mark.parametrize("name", INVALID)
def test_over_http_a_bad_report_is_refused_with_its_reason_and_the_good_ones_beside_it_are_taken(
    shop: Shop, name: str
) -> None:
    good, other = sale(f"good-{name}"), sale(f"other-{name}")
    answer = post(shop, json.dumps([good, INVALID[name], other]).encode())
    assert answer.status_code == 202, answer.text
    outcomes = answer.json()["outcomes"]
    assert [outcome["outcome"] for outcome in outcomes] == ["accepted", "refused", "accepted"]
    assert outcomes[1]["reason"]
    again = post(shop, json.dumps([sale(f"next-{name}")]).encode())
    assert again.json()["outcomes"][0]["outcome"] == "accepted"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "application/json"),
        (b"{", "application/json"),
        (b"\xff\xfe\x00", "application/json"),
        (b"[]", "application/json"),
        (json.dumps([sale(f"many-{n}") for n in range(1001)]).encode(), "application/json"),
        (b"[" * 100_000, "application/json"),
    ],
    ids=["nothing", "half an object", "no text", "no reports", "1001 reports", "depth"],
)
def test_over_http_a_body_that_is_no_list_of_reports_is_a_problem(shop: Shop, body: bytes, kind: str) -> None:
    answer = post(shop, body, kind)
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert {"type", "title", "status"} <= answer.json().keys()


@pytest.mark.parametrize("line", [b"17", b'{"an": "object"}', b'"text"', b"null"])
def test_over_http_one_line_that_is_no_report_is_refused_with_its_reason(shop: Shop, line: bytes) -> None:
    outcome = post(shop, line, "application/x-ndjson").json()["outcomes"][0]
    assert outcome["outcome"] == "refused"
    assert outcome["detail"]


def test_over_http_a_conflict_is_told_and_becomes_a_dead_letter(shop: Shop) -> None:
    assert post(shop, json.dumps([sale("conflict")]).encode()).json()["counts"]["accepted"] == 1
    twin = sale("conflict", amount=2000) | {"id": "another", "source": "web"}
    outcome = post(shop, json.dumps([twin]).encode()).json()["outcomes"][0]
    assert outcome["outcome"] == "conflict"
    assert any(letter["reason"] == "content_differs" for letter in shop.dead_letters())


async def produce(bootstrap: str, values: list[bytes]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", max_request_size=4 * 1024 * 1024)
    await producer.start()
    try:
        for value in values:
            await producer.send_and_wait("channel-activities", value, key=b"till")
    finally:
        await producer.stop()


def test_on_the_topic_bad_reports_are_dead_letters_and_the_good_ones_beside_them_are_taken(shop: Shop) -> None:
    before = len(shop.dead_letters())
    first = sale("topic-1")
    bad = [
        b"\xff\xfe not json",
        json.dumps(changed(sale("topic-bad"), amount_minor=-1)).encode(),
        json.dumps(sale("topic-1", amount=7777) | {"id": "conflicting", "source": "web"}).encode(),
        json.dumps(changed(sale("topic-big"), store_id="x" * 400_000)).encode(),
    ]
    good = [json.dumps(first).encode(), json.dumps(first).encode(), json.dumps(sale("topic-2")).encode()]
    asyncio.run(produce(shop.stack.kafka_bootstrap, [good[0], bad[0], bad[1], good[1], bad[2], bad[3], good[2]]))
    until = Deadline(30.0)
    while len(shop.dead_letters()) < before + len(bad) and not until.passed():
        until.wait()
    new = shop.dead_letters()[: len(shop.dead_letters()) - before]
    assert len(shop.dead_letters()) == before + len(bad)
    assert all(letter["reason"] for letter in new)
    shop.rested = False
    shop.settle()
    balances = shop.balances()
    assert balances["card-topic-1"]["earned_net"] == 10
    assert balances["card-topic-2"]["earned_net"] == 10
