"""Producers of other versions: what they say more, less or anew costs nobody anything.

INVARIANT: a record that keeps the schema's own rules is never set aside, and its number counts, whatever else it says; one that breaks them
is set aside alone. What would break it: a decoder that forbids unknown fields, a type that must be known, a number read from the data.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from time import monotonic
from typing import Any
from uuid import UUID

import pytest

from laurel_contracts.envelope import HEADER_ID, HEADER_NUMBER, HEADER_TYPE
from laurel_kit.hearing import Heard, RawRecord, fresh, hears
from laurel_kit.kafka import Kafka
from laurel_kit.postgres import Database
from laurel_kit.reading import Reader
from tests.fault.loop.evolution import Event, Variant, addressed, variants
from tests.fault.loop.observer import dead_letters, one, positions, rows
from tests.fault.loop.points import HEARD as ACTIVITIES
from tests.fault.loop.points import Points, Sales, member
from tests.fault.loop.toys import SESSION_SECONDS, running
from tests.fault.report import record
from tests.integration.kit.toy import GROUP, HEARD, ToyStore, skip_number
from tests.integration.kit.toy import record as good_record
from tests.integration.kit.toy_kafka import PARTITIONS, produce, until

pytestmark = pytest.mark.fault

# Whether the producer writes headers, as ours do, or leaves everything to the body, as the oldest did.
HEADERS = ("all", "none")
GOOD_BETWEEN = 1_000


async def count_numbers(batch: Sequence[Heard], store: ToyStore) -> None:
    """A service that knows none of the types: all that counts is that every number comes once and in turn."""
    tallies = await store.lock({heard.key for heard in batch if heard.key is not None})
    for heard in batch:
        if heard.key is not None and heard.number is not None and fresh(tallies[heard.key][0], heard.number):
            tallies[heard.key] = [heard.number, tallies[heard.key][1] + 1]
    await store.save(tallies)


def reader_of(database: Database, bootstrap: str) -> Reader[ToyStore]:
    return Reader(
        database, group=GROUP, listens_to=(hears(HEARD, count_numbers),), open_store=ToyStore, partitions=PARTITIONS,
        kafka=Kafka(bootstrap, client_id=GROUP, session_seconds=SESSION_SECONDS), skip_number=skip_number,
    )  # fmt: skip


def laid(event: Event, key: bytes | None, headers: str) -> RawRecord:
    """As its producer lays it; the offset is given later."""
    said: list[tuple[str, bytes]] = []
    if headers == "all":
        said = [(HEADER_TYPE, event["type"].encode()), (HEADER_ID, event["id"].encode())]
        if "memberseq" in event:
            said.append((HEADER_NUMBER, str(event["memberseq"]).encode()))
    return RawRecord(HEARD, 0, 0, key, json.dumps(event, ensure_ascii=False).encode(), said)


def spread(pairs: Sequence[tuple[int, RawRecord]]) -> list[RawRecord]:
    """Each at the next offset of its lane."""
    offsets = dict.fromkeys(range(PARTITIONS), 0)
    placed = []
    for partition, one_of_them in pairs:
        placed.append(replace(one_of_them, partition=partition, offset=offsets[partition]))
        offsets[partition] += 1
    return placed


def story(all_variants: Sequence[Variant], headers: str) -> list[RawRecord]:
    """Every variant is the first event of a member of its own, and a good one follows it. In the middle of each lane so many good ones that
    what is broken before and behind them is never taken for a broken producer (more than 50 in 1000 halt a lane)."""
    pairs = []
    for place, variant in enumerate(all_variants):
        if place == len(all_variants) // 2:
            for between in range(PARTITIONS):
                someone = UUID(int=1 << 64 | between)
                pairs += [(between, good_record(someone, number, 0)) for number in range(1, GOOD_BETWEEN + 1)]
        who, lane = UUID(int=place + 1), place % PARTITIONS
        if variant.about_a_member:
            pairs.append((lane, laid(addressed(variant.event, who, 1), who.bytes, headers)))
            pairs.append((lane, good_record(who, 2, 0)))
        else:
            pairs.append((lane, laid(variant.event, None, headers)))
    return spread(pairs)


@pytest.mark.parametrize("headers", HEADERS)
async def test_t_k33_only_what_breaks_its_schema_is_set_aside(database: Database, bootstrap: str, headers: str) -> None:
    """T-K33: every committed example, as it is, from older and newer producers, of unknown types and versions, and broken."""
    began, told = monotonic(), variants()
    records = story(told, headers)
    lanes = [sum(one_of_them.partition == p for one_of_them in records) for p in range(PARTITIONS)]
    await produce(bootstrap, records)
    async with running(reader_of(database, bootstrap)):
        await until(partial(_stand_at, database, lanes), 60)
    good = [UUID(int=place + 1).bytes for place, variant in enumerate(told) if variant.good and variant.about_a_member]
    broken = [place for place, variant in enumerate(told) if not variant.good]
    dead = {row[0] for row in await rows(database, "SELECT key FROM dead_letter WHERE reason = 'invalid'")}
    wrongly = [told[UUID(bytes=key).int - 1].name for key in dead if told[UUID(bytes=key).int - 1].good]
    missed = [told[place].name for place in broken if UUID(int=place + 1).bytes not in dead]
    full = await one(
        database, "SELECT count(*) FROM tally WHERE key = ANY(:keys) AND last_number = 2 AND times = 2", keys=good
    )
    counted = await dead_letters(database)
    record(
        "T-K33", f"headers {headers}: {len(told)} variants, {len(wrongly)} set aside wrongly, {len(broken) - len(missed)} of"
        f" {len(broken)} malformed set aside, {full} of {len(good)} members complete",
        "000; dead letters 0 except malformed", not wrongly and not missed and full == len(good), seconds=monotonic() - began,
    )  # fmt: skip
    assert wrongly == []
    assert missed == []
    assert full == len(good)
    assert counted == {"invalid": len(broken), "behind_a_dead_letter": len(broken)}


async def _stand_at(database: Database, lanes: Sequence[int]) -> bool:
    return await positions(database, HEARD) == dict(enumerate(lanes))


def said_by(version: str, purchase: RawRecord) -> list[RawRecord]:
    """A purchase as a producer of another version says it; the newer ones also say what nobody here knows, under its own number."""
    event: dict[str, Any] = json.loads(purchase.value or b"")
    who, number = UUID(event["subject"]), int(event["memberseq"])
    if version == "older":
        for name in ("store_id", "points_used", "coupon_codes", "share_id"):
            event["data"].pop(name, None)
        event["data"]["lines"] = [{k: v for k, v in line.items() if k != "category"} for line in event["data"]["lines"]]
        return [replace(purchase, value=json.dumps(event).encode(), headers=())]
    if version == "newer":
        event["data"]["paid_by"] = {"wallet": "x", "parts": [1, 2]}
        event["data"]["lines"][0]["colour"] = "red"
        event["traceparent"] = "00-1"
        return [replace(purchase, value=json.dumps(event).encode())]
    kind = "laurel.gift.wrapped.v1" if version == "unknown" else "laurel.purchase.recorded.v2"
    other = addressed(event | {"type": kind, "data": {"amount": "12.50 EUR"}}, who, number)
    return [
        replace(laid(other, who.bytes, "all"), topic=ACTIVITIES, partition=purchase.partition, offset=purchase.offset)
    ]


async def test_t_k33_points_are_the_same_whoever_says_it(points: Points) -> None:
    """T-K33: points-svc hears purchases of older and newer producers among events of types and versions it has never heard of.
    What would break it: an unknown event that swallows a number, a field it does not know that changes a sum."""
    began, sales = monotonic(), Sales(members=20)
    plain, story_told = sales.some(400), []
    for place, purchase in enumerate(plain):
        version = ("same", "older", "newer", "unknown", "major")[place % 5 if place % 20 else 0]
        told = [purchase] if version == "same" else said_by(version, purchase)
        story_told += told
        if version in ("unknown", "major"):
            event = json.loads(purchase.value or b"")
            sales.expected[UUID(event["subject"])] -= event["data"]["amount_minor"] // 100
    await produce(points.bootstrap, story_told)
    async with running(points.reader()):
        await until(lambda: points.applied(400), 60)
    problems = await points.problems(sales)
    record(
        "T-K33", f"points-svc, {len(story_told)} events of five producers: {len(problems)} differences, 0 expected dead letters",
        "000; dead letters 0", not problems, seconds=monotonic() - began,
    )  # fmt: skip
    assert problems == []
    assert member(0) in sales.expected
