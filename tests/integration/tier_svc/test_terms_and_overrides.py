"""The other terms of a ladder and overrides on top, through the handler and the database: however it is cut, as the judge alone says it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from sqlalchemy import text

from laurel_contracts.decisions import OverrideTakenBack, StandingOverridden, StandingSanctioned
from tests.integration.tier_svc.histories import History
from tests.integration.tier_svc.test_closing_ahead import in_pieces
from tests.integration.tier_svc.world import NewWorld
from tests.unit.tier_svc.domain.ladders import rules_of, short_document
from tests.unit.tier_svc.domain.replay import replayed
from tests.unit.tier_svc.domain.test_scratch_properties import READERS, WINE
from tier_svc.handlers.close_ahead import close_ahead

TERMS: list[dict[str, Any]] = [
    {"grace_days": 5, "on_lapse": "one_step"},
    {"period": {"kind": "anniversary"}, "grace_ends": "month", "on_refund": "at_period_end"},
    {"period": {"kind": "calendar", "dates": ["02-20", "04-30"]}, "validity_months": 0, "clubs": [WINE, READERS]},
]
OVERRIDE_CHANCE = 0.12


class Staffed(History):
    """A random log in which staff decides about standings too, and thinks better of it."""

    def __init__(self, *words: Any, **more: Any) -> None:
        self.given: list[tuple[UUID, int]] = []
        super().__init__(*words, **more)

    def _tell(self, number: int) -> None:
        chance = self.chance
        if chance.random() > OVERRIDE_CHANCE:
            super()._tell(number)
            return
        if self.given and chance.random() < 0.3:
            who, seq = chance.choice(self.given)
            from_ = self.now + timedelta(hours=chance.choice((-100, 0, 0, 50, 300)))
            self.log.tell(who, OverrideTakenBack(override_seq=seq, since=from_, reason="r", actor="b"), self.now)
            return
        since = self.now + timedelta(hours=chance.choice((-200, -1, 0, 30, 400)))
        until = since + timedelta(hours=chance.choice((3, 100, 300, 1_500)))
        data: Any = StandingSanctioned(
            act=chance.choice(("freeze", "lower")), since=since, until=until, reason="r", actor="a"
        )
        if chance.random() < 0.6:
            tier, modes = chance.choice(("silver", "gold", "diamond", "unheard-of")), ("floor", "exact")
            mode: Any = chance.choice(modes)
            data = StandingOverridden(tier=tier, since=since, until=until, mode=mode, reason="r", actor="a")
        who = chance.choice(self.members)
        self.given.append((who, self.log.tell(who, data, self.now)))


def document(terms: dict[str, Any]) -> dict[str, Any]:
    words = short_document()
    words["tiers"].update(terms)
    words["tiers"]["ladder"][3]["permanent"] = "grace_days" in terms
    return words


@pytest.mark.parametrize("terms", TERMS, ids=str)
async def test_however_it_is_cut_the_books_are_what_the_judge_says(new_world: NewWorld, terms: dict[str, Any]) -> None:
    """INVARIANT: overrides and grace are judged at their place in the stream, wherever a batch ends.

    An override kept with the member but not woken by a closed day would break it, and so would grace that forgets its day."""
    words = document(terms)
    log = Staffed(words, seed=11, members=8, events=420, days=170, partitions=3).log
    dumps, saids = [], []
    for size, pieces in ((1, None), (60, None), (1_000, 2)):
        world = await new_world(words)
        if pieces is not None:
            in_pieces(world, lambda heard, store: close_ahead(heard, store, 2))
        await world.drink(log, size)
        dumps.append(await world.dump())
        saids.append(sorted((row.event_id, row.body) for row in await world.said()))
    assert dumps[0] == dumps[1] == dumps[2]
    assert saids[0] == saids[1] == saids[2]
    judged = replayed(log.records, rules_of(words))
    expected = {
        (stream.member_id.hex, f.ordinal): (f.holds_after, f.kind, f.tier_to, f.applied_from, f.applied_to)
        for stream in judged.values()
        for f in stream.facts
    }
    found = {}
    for _, body in saids[0]:
        event = msgspec.json.decode(body)
        data = event["data"]
        found[event["subject"].replace("-", ""), data["ordinal"]] = (
            data["holds_after"], data["kind"], data["computed_to"], data["effective_from"], data["effective_to"],
        )  # fmt: skip
    assert found == expected
    clubs = {
        (stream.member_id, f.club, f.ordinal): (f.kind, f.tier_to, f.holds_after, f.metrics)
        for stream in judged.values()
        for f in stream.clubs.facts
    }
    kept = {
        (row["member_id"], row["club"], row["ordinal"]): (
            row["kind"],
            row["tier_to"],
            row["holds_after"],
            row["metrics"],
        )
        for row in dumps[0]["club_fact"]
    }
    assert kept == clubs
    assert bool(kept) == ("clubs" in terms)
    (unnumbered,) = {(row.key, row.number) for row in await world.said("laurel.club-standing.changed.v1")} or {
        (None, None)
    }
    assert unnumbered == (None, None)
    assert {"overridden", "raised", "lapsed"} <= {row["kind"] for row in dumps[0]["standing"]}
    assert len(dumps[0]["override"]) > 20
    assert len(dumps[0]["override_taken_back"]) > 5
    assert any(" taken back by " in row["cause"] for row in dumps[0]["standing"])


async def test_windows_kept_by_an_earlier_release_are_added_up_anew(new_world: NewWorld) -> None:
    """Once the windows of clubs were not carried on with the main ladder's: such a member has fewer of them than his version asks for."""
    words = document(TERMS[2])
    log = Staffed(words, seed=5, members=4, events=80, days=60, partitions=1).log
    dumps, half = [], len(log.records[0]) // 2
    for earlier in (False, True):
        world = await new_world(words)
        await world.applier.apply(log.records[0][:half])
        if earlier:
            async with world.database.transaction() as tx:
                shortened = await tx.run(text("UPDATE member SET windows = windows[1:1]"))
            assert shortened.rowcount == 4
        await world.applier.apply(log.records[0][half:])
        dumps.append(await world.dump())
    assert dumps[0] == dumps[1]
