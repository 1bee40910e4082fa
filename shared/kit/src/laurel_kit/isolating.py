"""Finds the record that spoils a transaction: each lane alone, then in parts, then by halves. The one thing not to break: the left part
first, so that what is good is applied in order, and only a single record is ever set aside."""

from __future__ import annotations

import gc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

from laurel_kit.applying import Applier, Lane
from laurel_kit.decoding import Unreadable
from laurel_kit.failures import Verdict, verdict_of
from laurel_kit.hearing import Record

FAILED = "failed"
# A large batch is cut into eighths, a small one into halves: halves of a thousand are applied in vain too often where poison is spread.
HALVED_RECORDS_MAX = 128
PARTS = 8

log = structlog.get_logger(__name__)


class LaneStopped(Exception):
    """A lane cannot go beyond `offset` now. `verdict` is HOLD or HALT."""

    def __init__(self, offset: int, verdict: Verdict, reason: str) -> None:
        super().__init__(reason)
        self.offset = offset
        self.verdict = verdict
        self.reason = reason


@dataclass(slots=True)
class Outcome:
    """How far each lane came, and which ones stopped."""

    reached: dict[Lane, int] = field(default_factory=dict)
    stopped: dict[Lane, LaneStopped] = field(default_factory=dict)
    waited_for: bool = False  # whether somebody waited for what any of the transactions had locked


async def apply_isolating(applier: Applier[Any], lanes: Mapping[Lane, tuple[int, Sequence[Record]]]) -> Outcome:
    """Apply the records of several lanes, each from its start. Together if possible; else apart, so that one lane's trouble is its own.
    Raises what is about the database or the position: then the cursors must be read anew."""
    outcome = Outcome()
    starts = {lane: start for lane, (start, _) in lanes.items()}
    try:
        together = [record for _, records in lanes.values() for record in records]
        outcome.waited_for = await applier.apply(together, starts=starts)
    except Exception as error:  # noqa: BLE001 - sorted by what must happen next
        _raise_unless_about_records(applier, error)
    else:
        outcome.reached = {lane: records[-1].offset + 1 for lane, (_, records) in lanes.items()}
        return outcome
    whole = True
    for place, (lane, (start, records)) in enumerate(lanes.items(), 1):
        try:
            whole &= await _apply_lane(applier, lane, start, records, outcome, spoiled=whole and place == len(lanes))
        except LaneStopped as stopped:
            outcome.stopped[lane] = stopped
            whole = False
    gc.collect(0)  # tracebacks hold whole batches in circles
    return outcome


async def _apply_lane(
    applier: Applier[Any], lane: Lane, start: int, records: Sequence[Record], outcome: Outcome, *, spoiled: bool
) -> bool:
    """One lane alone, then in parts; whether it was applied as a whole. `spoiled`: it is known to hold what spoils a transaction, because
    it has just been tried with others, and those are applied. Then it need not be tried again before it is cut."""
    if not spoiled or len(records) == 1:
        try:
            outcome.waited_for |= await applier.apply(records, starts={lane: start})
        except Exception as error:  # noqa: BLE001 - sorted by what must happen next
            verdict = _raise_unless_about_records(applier, error)
            if len(records) == 1:
                await _stop_or_set_aside(applier, records[0], start, error, verdict)
                outcome.reached[lane] = records[0].offset + 1
                return False
        else:
            outcome.reached[lane] = records[-1].offset + 1
            return True
    size = -(-len(records) // (PARTS if len(records) > HALVED_RECORDS_MAX else 2))
    whole = True
    for first in range(0, len(records), size):
        part = records[first : first + size]
        spoiled = whole and first + size >= len(records)  # all the others are applied
        whole &= await _apply_lane(applier, lane, start, part, outcome, spoiled=spoiled)
        start = part[-1].offset + 1
    return False


async def _stop_or_set_aside(
    applier: Applier[Any], record: Record, start: int, error: Exception, verdict: Verdict
) -> None:
    """What to do with the one record that cannot be applied."""
    if verdict is not Verdict.DATA:
        raise LaneStopped(record.offset, verdict, str(error)) from error
    log.error(
        "a record is set aside", topic=record.topic, partition=record.partition, offset=record.offset, exc_info=error
    )
    try:
        await applier.apply_dead(record, start, Unreadable(FAILED, f"{type(error).__name__}: {error}"))
    except Exception as second:
        if verdict_of(second) is not Verdict.HALT:
            raise
        raise LaneStopped(record.offset, Verdict.HALT, str(second)) from second


def _raise_unless_about_records(applier: Applier[Any], error: Exception) -> Verdict:
    verdict = verdict_of(error)
    applier.metrics.failures.labels(verdict.name.lower()).inc()
    if verdict in (Verdict.HOLD, Verdict.HALT, Verdict.DATA):
        return verdict
    raise error
