"""The Applier's promises, on a real PostgreSQL."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from laurel_contracts.envelope import encode
from laurel_kit import sql
from laurel_kit.applying import BEHIND, DEAD_LETTERS_MAX
from laurel_kit.failures import Gap, Stale, Verdict
from laurel_kit.hearing import BrokenNumbers, Heard, RawRecord, Span, hears
from laurel_kit.isolating import apply_isolating
from laurel_kit.postgres import Database

from .toy import GROUP, HEARD, Toy, ToyStore, applier, headers, record, said

ANNA, BERT = UUID(int=1), UUID(int=2)


async def rows(database: Database, statement: str) -> list[tuple[Any, ...]]:
    async with database.reading() as tx:
        return [tuple(row) for row in await tx.run(text(statement))]


async def tallies(database: Database) -> dict[UUID, tuple[int, int]]:
    return {UUID(bytes=k): (n, t) for k, n, t in await rows(database, "SELECT key, last_number, times FROM tally")}


async def cursor(database: Database, partition: int = 0) -> int:
    found = await rows(database, f"SELECT next_offset FROM consumer_cursor WHERE partition = {partition}")
    return int(found[0][0])


async def dead(database: Database) -> list[tuple[Any, ...]]:
    return await rows(database, "SELECT at_offset, reason, state FROM dead_letter ORDER BY at_offset")


async def test_state_cursor_and_outbox_move_in_one_transaction(database: Database) -> None:
    await applier(database, Toy()).apply([record(ANNA, 1, 0), record(BERT, 1, 1), record(ANNA, 2, 2)])
    assert await tallies(database) == {ANNA: (2, 2), BERT: (1, 1)}
    assert await cursor(database) == 3
    told = await rows(database, "SELECT key, number FROM outbox ORDER BY id")
    assert told == [(ANNA.bytes, 1), (BERT.bytes, 1), (ANNA.bytes, 2)]  # in call order


async def test_a_batch_that_does_not_begin_at_the_cursor_is_stale_and_has_no_effect(database: Database) -> None:
    heart = applier(database, Toy())
    await heart.apply([record(ANNA, 1, 0)])
    with pytest.raises(Stale):
        await heart.apply([record(ANNA, 1, 0)])
    with pytest.raises(Stale):
        await heart.apply([record(ANNA, 3, 2)])
    assert await tallies(database) == {ANNA: (1, 1)}


async def test_of_two_who_apply_the_same_batch_at_once_one_is_stale(database: Database) -> None:
    heart = applier(database, Toy())
    await heart.begin_at(HEARD, 0, 0)
    batch = [record(ANNA, number, number - 1) for number in range(1, 51)]
    results = await asyncio.gather(*(heart.apply(batch) for _ in range(6)), return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["Stale"] * 5 + ["bool"]
    assert await tallies(database) == {ANNA: (50, 50)}


async def test_several_lanes_go_into_one_transaction_and_each_is_compared(database: Database) -> None:
    toy = Toy()
    heart = applier(database, toy)
    await heart.apply(
        [record(ANNA, 1, 0, partition=3), record(BERT, 1, 0, partition=1), record(ANNA, 2, 1, partition=3)]
    )
    assert toy.batches == [3]
    assert await cursor(database, 1) == 1
    assert await cursor(database, 3) == 2
    with pytest.raises(Stale):
        await heart.apply([record(ANNA, 3, 2, partition=3), record(BERT, 1, 0, partition=1)])
    assert await cursor(database, 3) == 2


async def test_handlers_run_in_the_order_of_listens_to_with_all_records_of_their_topic(database: Database) -> None:
    seen: list[tuple[str, list[tuple[int, int]], list[Span]]] = []

    async def note(batch: Sequence[Heard], store: ToyStore) -> None:
        seen.append((batch[0].topic, [(one.partition, one.offset) for one in batch], list(store.tx.spans)))

    heart = applier(database, Toy())
    heart.listens_to = (hears("marks", note), hears(HEARD, note))
    mark = RawRecord("marks", 0, 0, None, record(ANNA, 1, 0).value, headers("laurel.member.signed-in.v1", "m", None))
    await heart.apply([record(ANNA, 1, 0, partition=1), record(BERT, 1, 0), record(ANNA, 2, 1, partition=1), mark])
    assert [(topic, places) for topic, places, _ in seen] == [("marks", [(0, 0)]), (HEARD, [(0, 0), (1, 0), (1, 1)])]
    assert seen[0][2] == [Span("marks", 0, 0, 1), Span(HEARD, 0, 0, 1), Span(HEARD, 1, 0, 2)]


async def test_a_missing_offset_is_a_gap_and_nothing_is_applied(database: Database) -> None:
    with pytest.raises(Gap):
        await applier(database, Toy()).apply([record(ANNA, 1, 0), record(ANNA, 2, 2)])
    assert await tallies(database) == {}


async def test_a_duplicate_number_is_dropped_and_a_missing_number_is_broken(database: Database) -> None:
    heart = applier(database, Toy())
    await heart.apply([record(ANNA, 1, 0), record(ANNA, 1, 1)])
    assert await tallies(database) == {ANNA: (1, 1)}
    with pytest.raises(BrokenNumbers):
        await heart.apply([record(ANNA, 3, 2)])


async def test_a_type_nobody_has_declared_counts_by_its_number_only(database: Database) -> None:
    value = b'{"id":"1","source":"s","type":"laurel.new.v9","time":"2026-01-01T00:00:00Z","memberseq":1,"data":{"x":1}}'
    unknown = RawRecord(HEARD, 0, 0, ANNA.bytes, value, headers("laurel.new.v9", "1", 1))
    await applier(database, Toy()).apply([unknown, record(ANNA, 2, 1)])
    assert await tallies(database) == {ANNA: (2, 2)}


async def test_an_unreadable_record_is_set_aside_and_its_neighbours_are_applied(database: Database) -> None:
    await applier(database, Toy()).apply(
        [record(ANNA, 1, 0), record(BERT, 1, 1, value=b"{nonsense"), record(ANNA, 2, 2)]
    )
    assert await tallies(database) == {ANNA: (2, 2)}
    assert await dead(database) == [(1, "undecodable", "open")]
    told = await rows(database, "SELECT topic, partition, key, body FROM outbox WHERE topic LIKE '%dead-letter'")
    assert [(topic, partition, key) for topic, partition, key, _ in told] == [(f"{HEARD}.dead-letter", 0, BERT.bytes)]
    assert b"nonsense" not in told[0][3]


async def test_an_invalid_record_says_where_it_is_wrong(database: Database) -> None:
    wrong = encode(said(ANNA, 1, "good")).replace(b'"good"', b"7")
    await applier(database, Toy()).apply([record(ANNA, 1, 0, value=wrong)])
    assert "$.data.channel" in (await rows(database, "SELECT detail FROM dead_letter"))[0][0]


async def test_what_comes_behind_a_dead_letter_of_its_key_waits_in_the_same_batch_and_later(database: Database) -> None:
    heart = applier(database, Toy())
    await heart.apply([record(ANNA, 1, 0, value=b"{"), record(ANNA, 2, 1), record(BERT, 1, 2)])
    await heart.apply([record(BERT, 2, 3), record(ANNA, 3, 4)])
    assert await tallies(database) == {BERT: (2, 2)}
    assert [(o, r) for o, r, _ in await dead(database)] == [(0, "undecodable"), (1, BEHIND), (4, BEHIND)]


@pytest.mark.parametrize("poison", ["boom", "refused"])
async def test_bisection_sets_aside_the_one_record_that_cannot_be_applied(database: Database, poison: str) -> None:
    toy = Toy()
    batch = [record(uuid4(), 1, offset) for offset in range(200)]
    batch[137] = record(ANNA, 1, 137, channel=poison)
    outcome = await apply_isolating(applier(database, toy), {(HEARD, 0): (0, batch)})
    assert outcome.reached == {(HEARD, 0): 200}
    assert not outcome.stopped
    assert [(o, r) for o, r, _ in await dead(database)] == [(137, "failed")]
    assert len(await tallies(database)) == 199
    assert len(toy.batches) <= 18


async def test_the_lane_of_the_poison_does_not_delay_the_other_lanes(database: Database) -> None:
    lanes = {
        (HEARD, p): (
            0,
            [record(uuid4(), 1, o, partition=p, channel="boom" if (p, o) == (2, 3) else "good") for o in range(8)],
        )
        for p in range(4)
    }
    outcome = await apply_isolating(applier(database, Toy()), lanes)
    assert outcome.reached == dict.fromkeys(lanes, 8)
    assert len(await tallies(database)) == 31


async def test_a_hold_stops_its_lane_at_the_record_and_lets_the_others_go_on(database: Database) -> None:
    toy = Toy()
    held = [record(ANNA, n, n - 1, channel="hold" if n == 5 else "good") for n in range(1, 9)]
    lanes = {(HEARD, 0): (0, held), (HEARD, 1): (0, [record(BERT, 1, 0, partition=1)])}
    outcome = await apply_isolating(applier(database, toy), lanes)
    assert outcome.stopped[HEARD, 0].verdict is Verdict.HOLD
    assert outcome.stopped[HEARD, 0].offset == 4
    assert outcome.reached == {(HEARD, 0): 4, (HEARD, 1): 1}
    assert await tallies(database) == {ANNA: (4, 4), BERT: (1, 1)}
    assert await dead(database) == []
    toy.holds = False
    await apply_isolating(applier(database, toy), {(HEARD, 0): (4, held[4:])})
    assert await tallies(database) == {ANNA: (8, 8), BERT: (1, 1)}


async def test_broken_numbers_halt_the_lane_and_never_become_a_dead_letter(database: Database) -> None:
    batch = [record(ANNA, 1, 0), record(ANNA, 2, 1), record(ANNA, 4, 2)]
    outcome = await apply_isolating(applier(database, Toy()), {(HEARD, 0): (0, batch)})
    assert outcome.stopped[HEARD, 0].verdict is Verdict.HALT
    assert outcome.reached == {(HEARD, 0): 2}
    assert await dead(database) == []


async def test_more_dead_letters_than_poison_explains_halt_the_lane(database: Database) -> None:
    batch = [record(uuid4(), 1, offset, value=b"{") for offset in range(DEAD_LETTERS_MAX + 1)]
    outcome = await apply_isolating(applier(database, Toy()), {(HEARD, 0): (0, batch)})
    assert outcome.stopped[HEARD, 0].verdict is Verdict.HALT
    assert await cursor(database) == DEAD_LETTERS_MAX
    assert len(await dead(database)) == DEAD_LETTERS_MAX


async def test_a_record_about_the_whole_partition_is_never_set_aside(database: Database) -> None:
    broken = RawRecord(HEARD, 0, 0, None, b"{", headers("laurel.day.closed.v1", "d", None))
    outcome = await apply_isolating(applier(database, Toy()), {(HEARD, 0): (0, [broken])})
    assert outcome.stopped[HEARD, 0].verdict is Verdict.HALT


async def test_a_transaction_that_failed_leaves_nothing_of_its_batch_in_memory(database: Database) -> None:
    """What would break it: the traceback of a refused statement holds the batch in a circle, and the collector comes only after
    a quarter of a million objects more: a hundred megabytes while a database refuses."""
    of_batches: list[weakref.ref[object]] = []

    class Watched(Toy):
        async def add_up(self, batch: Sequence[Heard], store: ToyStore) -> None:
            held = set(batch)  # like everything a handler has at hand, it lives as long as its frame
            of_batches.append(weakref.ref(held))
            await super().add_up(batch, store)

    gc.disable()
    try:
        await apply_isolating(
            applier(database, Watched()), {(HEARD, 0): (0, [record(ANNA, 1, 0), record(BERT, 1, 1, channel="refused")])}
        )
        assert len(of_batches) > 1
        assert [one() for one in of_batches] == [None] * len(of_batches)
    finally:
        gc.enable()
    assert [reason for _, reason, _ in await dead(database)] == ["failed"]


async def test_marks_are_remembered_greatest_first(database: Database) -> None:
    for next_offset in (7, 5):
        async with database.transaction() as tx:
            tx.move_mark("activities", 3, next_offset)
    async with database.reading() as tx:
        assert [(r.partition, r.next_offset) for r in await tx.run(sql.MARKS_READ)] == [(3, 7)]


async def test_after_commit_is_called_only_after_a_commit(database: Database) -> None:
    called: list[str] = []
    async with database.transaction() as tx:
        tx.after_commit(lambda: called.append("yes"))
        assert called == []

    async def fail() -> None:
        async with database.transaction() as tx:
            tx.after_commit(lambda: called.append("no"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert called == ["yes"]


async def test_the_group_that_reads_owns_its_dead_letters(database: Database) -> None:
    await applier(database, Toy()).apply([record(ANNA, 1, 0, value=b"{")])
    assert await rows(database, "SELECT grp, number FROM dead_letter") == [(GROUP, 1)]
