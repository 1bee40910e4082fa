"""Databases that begin again: from nothing, or from a backup.

INVARIANT: `activities` is enough to rebuild everything that tier-svc, points-svc and campaign-svc have decided, to the row and to the id of
every message; and a database that is older than what the others have heard catches up, and what it says again changes nothing. What would
break it: an id that is drawn at random, a decision that looks at the clock, a position that Kafka keeps, a door that gives a number twice.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from laurel_cli.services import SERVICE_NAMES, Refused
from laurel_contracts import programme as documents
from tests.fault.nightly import databases
from tests.fault.nightly.feeding import Feed, requests_of, story, story_of_early_comers
from tests.fault.nightly.proving import books_of, proven, settle, world_of
from tests.fault.nightly.topic_ids import ends_of, ids_between
from tests.fault.report import record, seed_of, sized
from tests.fault.test_kills import send
from tests.support.comparing import differences
from tests.support.lives import quick_sessions
from tests.support.shop import Deadline, Shop, open_shop, reference

READERS = ("tier-svc", "campaign-svc", "points-svc")
SAID_BY = {"tier-svc": "tiers", "campaign-svc": "campaigns", "points-svc": "points"}
PARTITIONS = 4
REPLAYED, RESTORED = 20_000, 12_000
PATIENCE = {"LAUREL_MARK_PATIENCE_SECONDS": "3600", "LAUREL_MARK_FRESH_SECONDS": "3600"}
Dump = dict[str, list[dict[str, Any]]]


def rows_differ(one: Dump, other: Dump) -> list[str]:
    """Where two dumps are not equal, a line per table."""
    problems = []
    for table in one:
        before, after = ({str(row) for row in dump[table]} for dump in (one, other))
        if before != after or len(one[table]) != len(other[table]):
            few = [*sorted(before - after)[:1], *sorted(after - before)[:1]]
            problems.append(f"{table}: {len(before ^ after)} of {len(one[table])} rows: {few}")
    return problems


def by_cause(dump: Dump) -> Dump:
    """points-svc's rows by what caused them, in place of the account's running number: a member's purchases and awards come on two topics,
    and which is heard first is nobody's promise."""
    if "transfer" not in dump:
        return dump
    cause = {(row["member_id"], row["seq"]): f"{row['cause']}/{row['leg']}" for row in dump["transfer"]}
    told = dict(dump)
    told["transfer"] = [{name: value for name, value in row.items() if name != "seq"} for row in dump["transfer"]]
    told["consumption"] = [row | {"seq": cause[row["member_id"], row["seq"]]} for row in dump["consumption"]]
    return told


def begin_from_nothing(shop: Shop) -> None:
    """The readers lose their databases; a person publishes the programme again, as for any new database."""
    for name in READERS:
        shop.stack.stop_service(name)
    for name in READERS:
        databases.empty(shop, name)
    for name in READERS:
        shop.stack.start_service(name)
    programme = documents.parse(reference())
    for name in READERS:
        shop.services.named(name).put_programme(programme.version, documents.canonical(programme))
    shop.rested = False


@contextmanager
def patient() -> Iterator[None]:
    """points-svc waits for tier-svc for as long as it takes. Where its patience ends first, it rates an order, and once more when the fact
    comes: the points are the same (T-K17), the entries that led to them are not."""
    os.environ |= PATIENCE
    try:
        yield
    finally:
        for name in PATIENCE:
            del os.environ[name]


@pytest.mark.nightly
@pytest.mark.long
@pytest.mark.timeout(7200)
def test_a_replay_from_the_first_record_into_empty_databases_gives_the_same_rows_and_ids() -> None:
    """T-K19: the three readers from offset 0 into empty databases: canonical dumps identical, the same outgoing ids."""
    reports, seed, began = sized(REPLAYED, 200), seed_of("T-K19", 19), time.monotonic()
    told = story(reports, seed)
    world = world_of(told)
    with patient(), open_shop(reference(), partitions=PARTITIONS) as shop:
        bootstrap, zero = shop.stack.kafka_bootstrap, dict.fromkeys(range(PARTITIONS), 0)
        shop.tell(told)
        settle(shop)
        dumps = {name: by_cause(databases.canonical_dump(shop, name)) for name in READERS}
        ends = {topic: ends_of(bootstrap, topic, PARTITIONS) for topic in SAID_BY.values()}
        first = {topic: ids_between(bootstrap, topic, zero, ends[topic]) for topic in ends}
        begin_from_nothing(shop)
        settle(shop)
        again = {name: by_cause(databases.canonical_dump(shop, name)) for name in READERS}
        later = {
            topic: ids_between(bootstrap, topic, ends[topic], ends_of(bootstrap, topic, PARTITIONS)) for topic in ends
        }
        model = differences(world, shop, awards=True)
    rows = {name: rows_differ(dumps[name], again[name]) for name in READERS}
    ids = {topic: len(first[topic].keys() ^ later[topic].keys()) for topic in first}
    said = {topic: len(first[topic]) for topic in first}
    count = sum(len(table) for dump in dumps.values() for table in dump.values())
    differing = [f"{name} {problem.partition(': [')[0]}" for name, problems in rows.items() for problem in problems]
    figure = (
        f"{reports:,} reports: of {count:,} rows in three dumps differing {differing or 0}, of outgoing ids {said} differing"
        f" {sum(ids.values())}; {len(model)} differences from the model"
    )
    holds = not (any(rows.values()) or any(ids.values()) or model)
    record("T-K19", figure, "dumps identical, outgoing ids identical", holds, seed, time.monotonic() - began)
    assert [few for found in rows.values() for few in found] == [], figure
    assert set(ids.values()) == {0}, figure
    assert model[:5] == []


@pytest.mark.nightly
@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("service", SERVICE_NAMES)
def test_a_database_restored_to_an_older_backup_under_load_catches_up(service: str) -> None:
    """T-K20: the database of one service is put back to an older state while everything goes on. What the channels told the door since the
    backup they tell again, as its runbook asks; identifiers do not travel, so every member is known before the backup is made."""
    reports, seed, began = sized(RESTORED, 400), seed_of("T-K20", 20), time.monotonic()
    first, rest = everybody_known(story_of_early_comers(reports, seed))
    world = world_of([*first, *rest])
    with quick_sessions(), open_shop(reference(), partitions=PARTITIONS) as shop:
        shop.tell(first)
        settle(shop)
        shop.stack.stop_service(service)
        databases.back_up(shop, service)
        shop.stack.start_service(service)
        if service == "member-svc":
            half = len(rest) // 2
            shop.tell(rest[:half])
            lost = put_back(shop, service)  # the readers are still at it
            tell_again(shop, rest[:half])
            shop.tell(rest[half:])
        else:
            with Feed(shop, rest, pace=len(rest) / 20):
                until_beyond_the_backup(shop, service, len(rest) // 8)
                lost = put_back(shop, service)
        books = books_of(shop, [*first, *rest], world)
    figure = f"{service} put back by {lost:,} {'entries' if service == 'member-svc' else 'records'}"
    proven("T-K20", books, figure, "lost 0 after catch-up", holds=lost > 0, seed=seed, began=began)


def everybody_known(told: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The story, cut where nobody new comes any more: registrations and first reports of everybody come first."""
    seen: set[str] = set()
    last = 0
    for place, item in enumerate(told):
        identifier = item.get("identifier") or item.get("data", {}).get("identifier")
        if identifier and identifier["value"] not in seen:
            seen.add(identifier["value"])
            last = place
    cut = max(last + 1, len(told) // 3)
    return told[:cut], told[cut:]


def tell_again(shop: Shop, told: list[dict[str, Any]]) -> None:
    """What was told since the backup, in its order; a day that the topic knows as closed stays closed."""
    for request in requests_of(told):
        try:
            send(shop, request)
        except Refused as refused:
            if refused.status != 409 or "command" not in request[0]:
                raise
    shop.rested = False


def until_beyond_the_backup(shop: Shop, service: str, records: int) -> None:
    """Wait until so much has been done that the backup does not know."""
    until, before = Deadline(600.0), far(shop, service, "_backup")
    while far(shop, service) < before + records:
        assert not until.passed(), "the service does not move"
        until.wait()


def put_back(shop: Shop, service: str) -> int:
    """Kill the service, put the backup in its database's place, start it; how far it went back."""
    shop.stack.kill_service(service)
    lost = far(shop, service) - far(shop, service, "_backup")
    databases.restore(shop, service)
    shop.stack.start_service(service)
    return lost


def far(shop: Shop, service: str, suffix: str = "") -> int:
    """How far a service has come: records read of `activities`, or the door's own entries."""
    query = FAR_DOOR if service == "member-svc" else FAR_READER
    return int(databases.as_owner(shop, service, query, suffix=suffix)[0][0])


FAR_READER = "SELECT coalesce(sum(next_offset), 0) FROM consumer_cursor WHERE topic = 'activities'"
FAR_DOOR = "SELECT count(*) FROM activity"
