"""Finds the record that spoils a transaction: each lane alone, then by halves. The one thing not to break: the left half first, so that
what is good is applied in order, and only a single record is ever set aside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

from laurel_kit.applying import Applier, Lane
from laurel_kit.decoding import Unreadable
from laurel_kit.failures import Verdict, verdict_of
from laurel_kit.hearing import Record

FAILED = "failed"

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


async def apply_isolating(applier: Applier[Any], lanes: Mapping[Lane, tuple[int, Sequence[Record]]]) -> Outcome:
    """Apply the records of several lanes, each from its start. Together if possible; else apart, so that one lane's trouble is its own.
    Raises what is about the database or the position: then the cursors must be read anew."""
    outcome = Outcome()
    starts = {lane: start for lane, (start, _) in lanes.items()}
    try:
        await applier.apply([record for _, records in lanes.values() for record in records], starts=starts)
    except Exception as error:  # noqa: BLE001 - sorted by what must happen next
        _raise_unless_about_records(applier, error)
    else:
        outcome.reached = {lane: records[-1].offset + 1 for lane, (_, records) in lanes.items()}
        return outcome
    for lane, (start, records) in lanes.items():
        try:
            await _apply_lane(applier, lane, start, records, outcome, failed_before=len(lanes) == 1)
        except LaneStopped as stopped:
            outcome.stopped[lane] = stopped
    return outcome


async def _apply_lane(
    applier: Applier[Any],
    lane: Lane,
    start: int,
    records: Sequence[Record],
    outcome: Outcome,
    *,
    failed_before: bool = False,
) -> None:
    """One lane alone, then by halves. `failed_before`: it was tried just now, with the same records."""
    if not failed_before or len(records) == 1:
        try:
            await applier.apply(records, starts={lane: start})
        except Exception as error:  # noqa: BLE001 - sorted by what must happen next
            verdict = _raise_unless_about_records(applier, error)
            if len(records) == 1:
                await _stop_or_set_aside(applier, records[0], start, error, verdict)
                outcome.reached[lane] = records[0].offset + 1
                return
        else:
            outcome.reached[lane] = records[-1].offset + 1
            return
    middle = len(records) // 2
    await _apply_lane(applier, lane, start, records[:middle], outcome)
    await _apply_lane(applier, lane, records[middle - 1].offset + 1, records[middle:], outcome)


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
