"""Replay and discard of dead letters, on a real PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from uuid import UUID

import pytest
from sqlalchemy import text

from laurel_kit.applying import Applier
from laurel_kit.dead_letters import DeadLetters, NotReplayable
from laurel_kit.hearing import Heard, RawRecord
from laurel_kit.isolating import apply_isolating
from laurel_kit.postgres import Database

from .test_applying import dead, rows, tallies
from .toy import HEARD, Toy, ToyStore, applier, record

ANNA, BERT = UUID(int=1), UUID(int=2)


async def parked(database: Database) -> list[bytes]:
    return [key for (key,) in await rows(database, "SELECT key FROM parked_key")]


async def lane(heart: Applier[ToyStore], *records: RawRecord) -> None:
    await apply_isolating(heart, {(HEARD, 0): (records[0].offset, list(records))})


class Mended(Toy):
    """A toy whose defect can be mended."""

    broken = True

    async def add_up(self, batch: Sequence[Heard], store: ToyStore) -> None:
        if self.broken and any(heard.event.data.channel == "defect" for heard in batch):
            raise ValueError("a defect")
        await super().add_up(batch, store)


async def test_a_replayed_dead_letter_takes_those_behind_it_along_in_order_and_frees_the_key(
    database: Database,
) -> None:
    toy = Mended()
    heart = applier(database, toy)
    await lane(heart, record(ANNA, 1, 0), record(ANNA, 2, 1, channel="defect"), record(ANNA, 3, 2), record(BERT, 1, 3))
    await lane(heart, record(ANNA, 4, 4))
    assert await tallies(database) == {ANNA: (1, 1), BERT: (1, 1)}
    letters = DeadLetters(heart)
    first = (await letters.find(state="open"))[0]
    again = await letters.replay(first["id"])
    assert (again.replayed, again.stopped_at) == (0, first["id"])
    assert (await letters.show(first["id"]))["attempts"] == 2
    toy.broken = False
    report = await letters.replay(first["id"])
    assert (report.replayed, report.stopped_at) == (3, None)
    assert await tallies(database) == {ANNA: (4, 4), BERT: (1, 1)}
    assert await parked(database) == []
    assert {state for _, _, state in await dead(database)} == {"replayed"}
    await lane(heart, record(ANNA, 5, 5))
    assert (await tallies(database))[ANNA] == (5, 5)


async def test_only_the_first_dead_letter_of_a_key_can_be_replayed(database: Database) -> None:
    heart = applier(database, Mended())
    await lane(heart, record(ANNA, 1, 0, channel="defect"), record(ANNA, 2, 1))
    letters = DeadLetters(heart)
    second = (await letters.find(state="open"))[1]
    with pytest.raises(NotReplayable, match="comes first"):
        await letters.replay(second["id"])


async def test_a_discarded_record_gives_up_its_number_and_lets_the_rest_pass(database: Database) -> None:
    heart = applier(database, Toy())
    await lane(heart, record(ANNA, 1, 0, value=b"{"), record(ANNA, 2, 1), record(ANNA, 3, 2))
    letters = DeadLetters(heart)
    report = await letters.discard((await letters.find())[0]["id"], "the keeper")
    assert report.replayed == 2
    assert await tallies(database) == {ANNA: (3, 2)}
    assert [state for _, _, state in await dead(database)] == ["discarded", "replayed", "replayed"]
    assert await parked(database) == []
    with pytest.raises(NotReplayable, match="was discarded by the keeper"):
        await letters.replay((await letters.find())[0]["id"])


async def test_what_bears_no_members_key_can_be_given_up_too(database: Database) -> None:
    """It has no books in which a number could be skipped; asking for them gave a 500."""
    heart = applier(database, Toy())
    good = record(ANNA, 1, 0)
    await lane(heart, RawRecord(HEARD, 0, 0, b"no id", b"{", good.headers))
    letters = DeadLetters(heart)
    (letter,) = await letters.find(state="open")
    assert letter["number"] == 1
    assert (await letters.discard(letter["id"])).replayed == 0
    assert await parked(database) == []


async def test_a_reader_that_cannot_skip_numbers_refuses_to_discard(database: Database) -> None:
    heart = applier(database, Toy())
    heart.skip_number = None
    await lane(heart, record(ANNA, 1, 0, value=b"{"))
    letters = DeadLetters(heart)
    with pytest.raises(NotReplayable, match="cannot be skipped"):
        await letters.discard((await letters.find())[0]["id"])


async def test_a_replay_that_holds_stays_open_and_says_why(database: Database) -> None:
    toy = Toy()
    heart = applier(database, toy)
    await lane(heart, record(ANNA, 1, 0, value=b"{"))
    async with database.transaction() as tx:
        await tx.run(text("UPDATE dead_letter SET value = :value"), value=record(ANNA, 1, 0, channel="hold").value)
    letters = DeadLetters(heart)
    letter_id = (await letters.find())[0]["id"]
    assert "not loaded" in (await letters.replay(letter_id)).detail
    toy.holds = False
    assert (await letters.replay(letter_id)).replayed == 1


async def test_replays_and_the_lane_may_meet_and_nothing_overtakes(database: Database) -> None:
    """The lane goes on applying records of the key while it is replayed, again and again: numbers never break."""
    toy = Mended()
    heart = applier(database, toy)
    await lane(heart, record(ANNA, 1, 0, channel="defect"))
    toy.broken = False
    letters = DeadLetters(heart)

    async def go_on() -> None:
        for number in range(2, 60):
            await lane(heart, record(ANNA, number, number - 1))

    async def replay_all() -> None:
        for _ in range(20):
            for letter in (await letters.find(state="open"))[:1]:
                await letters.replay(letter["id"])
            await asyncio.sleep(0)

    await asyncio.gather(go_on(), replay_all())
    await replay_all()
    assert await tallies(database) == {ANNA: (59, 59)}
    assert await parked(database) == []


async def test_an_unknown_id_is_not_found(database: Database) -> None:
    with pytest.raises(NotReplayable, match="no dead letter"):
        await DeadLetters(applier(database, Toy())).replay(7)


async def test_a_second_replay_is_a_duplicate_and_every_action_is_on_record(database: Database) -> None:
    toy = Mended()
    heart = applier(database, toy)
    await lane(heart, record(ANNA, 1, 0, channel="defect"))
    letters = DeadLetters(heart)
    letter_id = (await letters.find())[0]["id"]
    await letters.replay(letter_id, "anna")
    toy.broken = False
    await letters.replay(letter_id, "bert")
    again = await letters.replay(letter_id, "carl\x00")
    assert (again.replayed, again.duplicates, again.stopped_at) == (0, 1, None)
    assert await tallies(database) == {ANNA: (1, 1)}
    shown = await letters.show(letter_id)
    assert (shown["state"], shown["resolved_by"]) == ("replayed", "bert")
    assert [(one["action"], one["outcome"], one["asked_by"]) for one in shown["actions"]] == [
        ("replay", "failed", "anna"),
        ("replay", "applied", "bert"),
        ("replay", "duplicate", "carl\\0"),
    ]
