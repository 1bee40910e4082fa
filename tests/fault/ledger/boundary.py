"""A member with points that expire at an instant and points that live on, and all that may come together there: a hold, a spending, a
capture, giving up, the closed day. A model that knows nothing of the service: where two things happen at once it keeps both outcomes in
mind, and what is seen must be one of them."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tests.fault.ledger.many_lots import DUE_AT, POINTS

OFFSETS = (timedelta(seconds=-1), timedelta(microseconds=-1), timedelta(0), timedelta(seconds=1))
NONE = "none"


@dataclass(frozen=True)
class Act:
    """What is asked for, when by business time, and whether the day closes at the same moment."""

    kind: str  # hold, spend, capture, void; day: nothing but the closed day
    now: datetime = DUE_AT
    points: int = 0
    seconds: int = 0
    day_closes: bool = False


@dataclass(frozen=True)
class State:
    """Points that expire at the instant, points that live on, what a hold has taken of both, how the hold stands."""

    due: int = POINTS
    later: int = POINTS
    day: bool = False
    hold: str = NONE
    held: tuple[int, int] = (0, 0)
    until: datetime = DUE_AT


def acts(chance: random.Random) -> list[Act]:
    """One round: a day that closes, and around it what a checkout may do; business time never goes back."""
    kinds = ["hold", *chance.sample(["spend", "capture", "void", "spend"], 3)]
    if chance.random() < 0.5:
        chance.shuffle(kinds)
    times = sorted(DUE_AT + chance.choice(OFFSETS) for _ in kinds)
    found = [
        Act(kind, now, chance.choice([1, POINTS, POINTS + 1, 2 * POINTS]), chance.choice([1, 2, 900]))
        for kind, now in zip(kinds, times, strict=True)
    ]
    place = chance.randint(0, len(found))
    if place < len(found) and chance.random() < 0.5:
        found[place] = replace(found[place], day_closes=True)
    else:
        found.insert(place, Act("day"))
    return found


def outcomes(state: State, act: Act) -> list[tuple[State, str]]:
    """What may come of an act: the state after it and the answer."""
    if act.kind == "day":
        return [(close(state), "")]
    plain, answer = decide(state, act)
    if not act.day_closes:
        return [(plain, answer)]
    return [(close(plain), answer), decide(close(state), act)]


def close(state: State) -> State:
    return replace(state, day=True, due=0)


def decide(state: State, act: Act) -> tuple[State, str]:
    """One act by itself."""
    if act.kind in ("capture", "void"):
        return _end(state, act)
    if state.hold == "held" and act.now >= state.until:
        state = _released(state, "expired")
    there = (state.due if act.now < DUE_AT else 0) + state.later
    if act.points > there:
        return state, "insufficient_points"
    of_due = min(act.points, state.due) if act.now < DUE_AT else 0
    state = replace(state, due=state.due - of_due, later=state.later - (act.points - of_due))
    if act.kind == "spend":
        return state, "done"
    until = act.now + timedelta(seconds=act.seconds)
    return replace(state, hold="held", held=(of_due, act.points - of_due), until=until), "done"


def _end(state: State, act: Act) -> tuple[State, str]:
    if state.hold == NONE:
        return state, NONE
    if state.hold != "held":
        return state, f"hold_{state.hold}"
    if act.now >= state.until:
        return state, "hold_expired"
    if act.kind == "void":
        return _released(state, "voided"), "done"
    return replace(state, hold="captured", held=(0, 0)), "done"


def _released(state: State, how: str) -> State:
    of_due, of_later = state.held
    due = 0 if state.day else state.due + of_due
    return replace(state, due=due, later=state.later + of_later, hold=how, held=(0, 0))


def at_rest(state: State) -> int:
    """What is left when holds have ended and every day has closed."""
    return state.later + (state.held[1] if state.hold == "held" else 0)
