"""What is said is numbered per member by who says it, and the topics hold every number.

INVARIANT: on each topic each member's numbers are, at their first occurrence, 1, 2, 3 …, up to the number that the sayer's own books hold.
What would break it: a number drawn in a transaction that rolls back, a relay that passes a row over, a record without a number, a dead
letter that keeps its number to itself."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from typing import Any

import asyncpg
import msgspec
import pytest

from tests.fault.report import record, seed_of
from tests.fault.test_kills import Nemesis, story, tell_under_fire
from tests.support.lives import quick_sessions
from tests.support.shop import Shop, open_shop, reference
from tests.support.topics import records_of

# Each topic, whose it is, and the query for the last number that its books hold of each member.
SAYERS = {
    "activities": ("member-svc", "SELECT member_id, last_seq FROM member WHERE last_seq > 0"),
    "tiers": ("tier-svc", "SELECT member_id, ordinal FROM member WHERE ordinal > 0"),
    "campaigns": ("campaign-svc", "SELECT member_id, said_number FROM member WHERE said_number > 0"),
    "points": ("points-svc", "SELECT member_id, said FROM account WHERE said > 0"),
}


async def last_numbers(url: str, query: str) -> dict[bytes, int]:
    """By member, what the books say was the last number said."""
    connection = await asyncpg.connect(url)
    try:
        return {member_id.bytes: number for member_id, number in await connection.fetch(query)}
    finally:
        await connection.close()


def audit(topic: str, records: list[Any], books: dict[bytes, int]) -> list[str]:
    """What is wrong with the numbers of a topic, as sentences."""
    problems: list[str] = []
    last: dict[bytes, int] = defaultdict(int)
    for one in records:
        if one.key is None:
            continue  # about a whole partition: the end of a day, a mark, a programme
        header = dict(one.headers).get("number")
        body = msgspec.json.decode(one.value).get("memberseq")
        where = f"{topic}/{one.partition}/{one.offset}"
        if header is None or int(header) != body:
            problems.append(f"{where}: number {header!r} in the header, {body} in the body")
            continue
        if body > last[one.key] + 1:
            problems.append(f"{where}: {body} follows {last[one.key]} of {one.key.hex()}")
        last[one.key] = max(last[one.key], body)
    return problems + [
        f"{topic}: the books of its sayer end at {books.get(key, 0)} for {key.hex()}, the topic at {last.get(key, 0)}"
        for key in sorted(books.keys() | last.keys())
        if books.get(key, 0) != last.get(key, 0)
    ]


def audited(shop: Shop) -> tuple[list[str], dict[str, int]]:
    """All topics: what is wrong, and how many records each holds."""
    problems: list[str] = []
    counts: dict[str, int] = {}
    for topic, (sayer, query) in SAYERS.items():
        records = records_of(shop.stack.kafka_bootstrap, topic)
        books = asyncio.run(last_numbers(shop.stack.database_url(sayer), query))
        assert books, f"{sayer} has said nothing: this proves nothing"
        counts[topic] = len(records)
        problems += audit(topic, records, books)
    return problems, counts


@pytest.mark.fault
@pytest.mark.long
def test_no_number_is_missing_on_any_topic_after_kills() -> None:
    """T-K40: a story told while every service is killed twice; then all four topics are read from end to end, and the audit is seen to
    notice a record that is left out in the middle and one that is left out at the end."""
    began = time.monotonic()
    told = story(1_200)
    with quick_sessions(), open_shop(reference(), partitions=4) as shop:
        nemesis = Nemesis(shop, kills_each=2)
        tell_under_fire(shop, told, nemesis)
        problems, counts = audited(shop)
        records = [one for one in records_of(shop.stack.kafka_bootstrap, "points") if one.key is not None]
        books = asyncio.run(last_numbers(shop.stack.database_url("points-svc"), SAYERS["points"][1]))
    said = ", ".join(f"{topic} {count}" for topic, count in counts.items())
    figure = f"{sum(nemesis.killed.values())} kills; records read: {said}; {len(problems)} gaps"
    record("T-K40", figure, "gaps 0 on the topics", not problems, seed_of("T-K05", 42), time.monotonic() - began)
    assert problems[:5] == []
    assert said_once_and_left_out(records, books)


def said_once_and_left_out(records: list[Any], books: dict[bytes, int]) -> bool:
    """The audit is not blind: without a member's middle record, and without its last, it says so."""
    key = max(books, key=lambda one: books[one])
    assert books[key] > 2
    without = [
        [one for one in records if not (one.key == key and msgspec.json.decode(one.value)["memberseq"] == number)]
        for number in (2, books[key])
    ]
    return all(audit("points", left, books) for left in without)
