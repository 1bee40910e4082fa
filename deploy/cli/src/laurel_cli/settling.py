"""When everything that was said has had its effect: judged from what the services answer to /progress. The one thing not to break: two
looks in a row, between which nothing moved, because between two looks at four services something can always slip through."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Progress = dict[str, Any]

LOOK_EVERY_SECONDS = 0.25
HALTED = "halted"
OPEN = "open"


@dataclass(frozen=True, slots=True)
class Obstacle:
    """One thing that is waited for. `lasting`: it does not go away by waiting."""

    service: str
    what: str
    lasting: bool = False

    def __str__(self) -> str:
        return f"{self.service}: {self.what}"


@dataclass(frozen=True, slots=True)
class Settled:
    """How waiting ended: `obstacles` is empty when everything had come to rest."""

    seconds: float
    looks: int
    obstacles: tuple[Obstacle, ...]


def obstacles(answers: Sequence[Progress]) -> list[Obstacle]:
    """What keeps the services from being at rest, as one look at them shows it."""
    found: list[Obstacle] = []
    for answer in answers:
        service = answer["service"]
        rows = answer["outbox_rows"]
        if rows:
            found.append(Obstacle(service, f"{rows:,} messages in the outbox"))
        found += _behind(service, answer["cursors"])
        # What the service itself has begun and not ended: closed days that not everybody has been swept by, points between two members.
        found += [
            Obstacle(service, f"{count:,} {kind.replace('_', ' ')}")
            for kind, count in sorted(answer.get("unfinished", {}).items())
            if count
        ]
        found += [
            Obstacle(service, _lane_in_words(lane), lasting=lane["state"] == HALTED)
            for lane in answer["lanes"]
            if lane["state"] != OPEN
        ]
    return found


def _behind(service: str, cursors: Sequence[dict[str, Any]]) -> list[Obstacle]:
    """Per topic how many records are still to be read, and the lane that has the most of them."""
    found = []
    for topic in sorted({cursor["topic"] for cursor in cursors}):
        missing: dict[int, int] = {}
        for cursor in cursors:
            if cursor["topic"] != topic:
                continue
            end = cursor["end_offset"]
            if end is None:
                found.append(Obstacle(service, f"the end of {topic}/{cursor['partition']} is not known"))
            elif end > cursor["next_offset"]:
                missing[cursor["partition"]] = end - cursor["next_offset"]
        if missing:
            most = max(missing, key=missing.__getitem__)
            found.append(
                Obstacle(service, f"{sum(missing.values()):,} records of {topic} to read (most in {topic}/{most})")
            )
    return found


def _lane_in_words(lane: dict[str, Any]) -> str:
    reason = lane.get("reason")
    return f"lane {lane['topic']}/{lane['partition']} is {lane['state']}" + (f": {reason}" if reason else "")


def moved(before: Sequence[Progress], after: Sequence[Progress]) -> list[Obstacle]:
    """What happened between two looks."""
    earlier = {answer["service"]: answer for answer in before}
    found = []
    for answer in after:
        known = earlier.get(answer["service"])
        if known is None or known["moved_total"] != answer["moved_total"] or _ends(known) != _ends(answer):
            found.append(Obstacle(answer["service"], "it moved a moment ago; one more look"))
    return found


def _ends(answer: Progress) -> dict[tuple[str, int], tuple[int, int | None]]:
    return {(c["topic"], c["partition"]): (c["next_offset"], c["end_offset"]) for c in answer["cursors"]}


def settle(
    look: Callable[[], list[Progress]],
    *,
    limit_seconds: float,
    tell: Callable[[Sequence[Obstacle]], None] = lambda _: None,
    pause: Callable[[float], object] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Settled:
    """Look until two looks in a row show everything at rest, a lane is halted, or the limit has passed. What `look` raises, goes on up."""
    began = clock()
    looks = 0
    before: list[Progress] | None = None
    while True:
        answers = look()
        looks += 1
        found = obstacles(answers)
        if not found and before is not None:
            found = moved(before, answers)
            if not found:
                return Settled(clock() - began, looks, ())
        if any(obstacle.lasting for obstacle in found) or (found and clock() - began > limit_seconds):
            return Settled(clock() - began, looks, tuple(found))
        tell(found)
        before = None if obstacles(answers) else answers
        pause(LOOK_EVERY_SECONDS)
