"""The planned outcomes are a permutation that leads back, and their checker notices what is lost, doubled or wrongly counted."""

from __future__ import annotations

from random import Random

from tests.support.model_programme import reference_programme
from tests.support.model_world import World
from tests.support.planned import TELLINGS, Plan

PLAN = Plan("k", disputed_every=10, impossible_every=7)


def test_an_id_leads_back_to_its_index_and_none_stands_twice() -> None:
    ids = [PLAN.id_of(index) for index in range(50_000)]
    assert [PLAN.index_of(one) for one in ids] == list(range(50_000))
    assert len(set(ids)) == 50_000
    assert Plan("other").id_of(0) != PLAN.id_of(0)
    largest = (1 << 48) - 1
    assert PLAN.index_of(PLAN.id_of(largest)) == largest


def test_what_an_id_says_needs_nothing_but_the_id() -> None:
    told = PLAN.of(PLAN.id_of(15 * TELLINGS + 3))
    assert (told.fact, told.telling, told.disputed, told.impossible) == (15, 3, True, False)
    assert PLAN.of(PLAN.id_of(6 * TELLINGS)).impossible


def test_the_independent_model_of_the_door_says_what_is_planned_in_any_order() -> None:
    for seed in range(5):
        reports = [PLAN.report(fact, telling) for fact in range(100) for telling in range(3)]
        Random(seed).shuffle(reports)
        world = World(reference_programme("USD", "America/New_York"))
        said = [(report["id"], world.tell(report).status) for report in reports]
        ids = [event_id for event_id, _ in said]
        found: dict[str, int] = {}
        for _, status in said:
            found[status] = found.get(status, 0) + 1
        assert found == PLAN.counts(ids)
        assert set(found) == {"accepted", "duplicate", "conflict", "refused"}
        assert PLAN.problems(ids, [event_id for event_id, status in said if status == "accepted"]) == []


def test_the_checker_notices_what_is_lost_doubled_or_wrongly_counted() -> None:
    told = [PLAN.id_of(fact * TELLINGS + telling) for fact in range(20) for telling in range(2)]
    right = [PLAN.id_of(fact * TELLINGS) for fact in range(20) if not PLAN.is_impossible(fact)]
    assert PLAN.problems(told, right) == []
    assert PLAN.problems(told, right[1:]) == ["fact 0 is lost"]
    assert PLAN.problems(told, [*right, PLAN.id_of(1)]) == ["fact 0 counts 2 times"]
    assert "must not count" in PLAN.problems(told, [*right, PLAN.id_of(6 * TELLINGS)])[0]
    assert "must not count" in PLAN.problems(told, [*right, PLAN.id_of(99 * TELLINGS)])[0]
