"""Settled is: two looks in a row, everything read, everything said, nothing moved, no lane waiting."""

from __future__ import annotations

from typing import Any

from laurel_cli.settling import Obstacle, Progress, obstacles, settle


def answer(service: str = "points-svc", **changes: Any) -> Progress:
    return {
        "service": service,
        "outbox_rows": 0,
        "cursors": [
            {"topic": "activities", "partition": 0, "next_offset": 100, "end_offset": 100},
            {"topic": "activities", "partition": 1, "next_offset": 50, "end_offset": 50},
            {"topic": "tiers", "partition": 0, "next_offset": 7, "end_offset": 7},
        ],
        "lanes": [{"topic": "activities", "partition": 0, "state": "open", "reason": None}],
        "moved_total": 157,
        "waiting": 0,
        **changes,
    }


def cursors(*ends: tuple[str, int, int, int | None]) -> list[dict[str, Any]]:
    return [{"topic": t, "partition": p, "next_offset": n, "end_offset": e} for t, p, n, e in ends]


class Looks:
    """Recorded answers, one after the other; the last one stays. Waiting moves the clock."""

    def __init__(self, *answers: list[Progress]) -> None:
        self._answers = list(answers)
        self.now = 0.0

    def look(self) -> list[Progress]:
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]

    def pause(self, seconds: float) -> None:
        self.now += seconds

    def settle(self, limit: float = 10.0) -> Any:
        return settle(self.look, limit_seconds=limit, pause=self.pause, clock=lambda: self.now)


def test_two_looks_at_rest_are_enough_and_one_is_not() -> None:
    result = Looks([answer()]).settle()
    assert result.obstacles == ()
    assert result.looks == 2


def test_what_moved_between_two_looks_is_looked_at_again() -> None:
    result = Looks([answer(moved_total=1)], [answer(moved_total=2)], [answer(moved_total=2)]).settle()
    assert result.obstacles == ()
    assert result.looks == 3


def test_a_cursor_that_moved_to_a_new_end_is_movement_too() -> None:
    later = cursors(("activities", 0, 101, 101))
    result = Looks(
        [answer(cursors=cursors(("activities", 0, 100, 100)))], [answer(cursors=later)], [answer(cursors=later)]
    ).settle()
    assert result.looks == 3


def test_rest_before_movement_does_not_count() -> None:
    result = Looks([answer()], [answer(outbox_rows=3)], [answer()], [answer()]).settle()
    assert result.obstacles == ()
    assert result.looks == 4


def test_it_says_what_it_waits_for() -> None:
    behind = cursors(
        ("activities", 0, 90, 100), ("activities", 1, 20, 50), ("tiers", 0, 7, 7), ("campaigns", 3, 1, None)
    )
    waiting = [{"topic": "activities", "partition": 1, "state": "waiting", "reason": "behind the mark of tier-svc"}]
    found = [str(one) for one in obstacles([answer(outbox_rows=1_200, cursors=behind, lanes=waiting)])]
    assert found == [
        "points-svc: 1,200 messages in the outbox",
        "points-svc: 40 records of activities to read (most in activities/1)",
        "points-svc: the end of campaigns/3 is not known",
        "points-svc: lane activities/1 is waiting: behind the mark of tier-svc",
    ]


def test_a_closed_day_that_has_not_come_to_everybody_and_points_under_way_are_waited_for() -> None:
    """Although everything is read and said. Broken by a settle that looks at positions alone."""
    busy = {"accounts_to_sweep": 1_200, "handovers_under_way": 1}
    found = [str(one) for one in obstacles([answer(unfinished=busy), answer("tier-svc", unfinished={})])]
    assert found == ["points-svc: 1,200 accounts to sweep", "points-svc: 1 handovers under way"]
    rest = answer(unfinished={"accounts_to_sweep": 0, "handovers_under_way": 0})
    result = Looks([answer(unfinished=busy)], [rest], [answer(unfinished=busy)], [rest], [rest]).settle()
    assert (result.obstacles, result.looks) == ((), 5)


def test_at_the_limit_it_gives_up_and_names_the_lane() -> None:
    held = answer(
        lanes=[{"topic": "activities", "partition": 4, "state": "held", "reason": "programme version 3 is not loaded"}]
    )
    result = Looks([held]).settle(limit=2.0)
    assert result.obstacles == (Obstacle("points-svc", "lane activities/4 is held: programme version 3 is not loaded"),)
    assert 2.0 <= result.seconds < 3.0


def test_a_halted_lane_is_not_waited_for() -> None:
    halted = answer(lanes=[{"topic": "tiers", "partition": 2, "state": "halted", "reason": "a gap in the numbers"}])
    result = Looks([halted]).settle()
    assert result.looks == 1
    assert result.obstacles[0].lasting


def test_at_the_limit_one_last_look_decides() -> None:
    """Rest that comes in the last moment is rest: the limit is looked at only when something is still waited for."""
    assert Looks([answer(outbox_rows=1)], [answer()], [answer()]).settle(limit=0.3).obstacles == ()
