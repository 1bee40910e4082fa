"""One import from beginning to end: the source spread over the lanes, the journal moved behind the answers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from laurel_cli.importing.journal import Journal, JournalFile, Reason
from laurel_cli.importing.lanes import BATCH_BYTES, BATCH_REPORTS, Lane, lane_of
from laurel_cli.importing.patience import PATIENCE_SECONDS, Patience
from laurel_cli.importing.reports import Source, Unreadable
from laurel_cli.services import MemberService
from laurel_cli.services.member import Answer

JOURNAL_EVERY_SECONDS = 1.0


class Watcher(Protocol):
    """Who is told how far it is."""

    def moved(self, done: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Plan:
    """What one import runs with."""

    lanes: int
    batch_reports: int = BATCH_REPORTS
    patience_seconds: float = PATIENCE_SECONDS


def run_import(
    source: Source,
    connect: Callable[[], MemberService],
    *,
    file: JournalFile,
    journal: Journal,
    plan: Plan,
    watcher: Watcher,
) -> Journal:
    """Send what the journal has not seen answered. Raises the failure of the first lane that gave up; the journal is kept either way."""
    stop = threading.Event()
    books = _Books(file, journal, watcher)
    lanes = [
        Lane(number, connect(), Patience(stop.wait, plan.patience_seconds), books.acknowledge, stop)
        for number in range(plan.lanes)
    ]
    for lane in lanes:
        lane.start()
    try:
        if _spread(source, lanes, books, plan):
            for lane in lanes:
                lane.give(None)
            for lane in lanes:
                lane.join()
        for lane in lanes:
            if lane.failure is not None:
                raise lane.failure
        journal.finished = True
    finally:
        stop.set()
        for lane in lanes:
            lane.join()
        books.keep()
    return journal


def _spread(source: Source, lanes: list[Lane], books: _Books, plan: Plan) -> bool:
    """Give every lane its batches in order; False when a lane has failed."""
    count = len(lanes)
    behind = list(books.journal.positions)  # reports of each lane that an earlier run has seen answered
    batches: list[list[bytes]] = [[] for _ in lanes]
    sizes = [0] * count
    for report in source:
        if isinstance(report, Unreadable):
            books.set_aside(report)
            continue
        number = lane_of(report.lane_key, count)
        if behind[number]:
            behind[number] -= 1
            continue
        size = len(report.body)
        if batches[number] and (len(batches[number]) >= plan.batch_reports or sizes[number] + size > BATCH_BYTES):
            if not lanes[number].give(batches[number]):
                return False
            batches[number], sizes[number] = [], 0
        batches[number].append(report.body)
        sizes[number] += size
    return all(lane.give(batch) for lane, batch in zip(lanes, batches, strict=True) if batch)


class _Books:
    """The journal as the lanes move it, one at a time."""

    def __init__(self, file: JournalFile, journal: Journal, watcher: Watcher) -> None:
        self.journal = journal
        self._file = file
        self._watcher = watcher
        self._lock = threading.Lock()
        # What cannot be read is met anew by every run, so it is counted anew.
        self.journal.reasons = [reason for reason in journal.reasons if reason.outcome != "unreadable"]
        self.journal.counts.pop("unreadable", None)
        self._reasons = {(reason.outcome, reason.reason): reason for reason in self.journal.reasons}
        self._kept_at = self._went_on_at = time.monotonic()

    def acknowledge(self, lane: int, reports: int, answer: Answer) -> None:
        remarkable = answer.remarkable()
        with self._lock:
            self.journal.positions[lane] += reports
            for outcome, count in answer.counts.items():
                self.journal.counts[outcome] = self.journal.counts.get(outcome, 0) + count
            for one in remarkable:
                reason = one.reason or one.detail or one.outcome
                self._note(one.outcome, reason, f"{one.id}: {one.detail or reason}" if one.reason else str(one.id))
            self._watcher.moved(self.journal.acknowledged)
            if time.monotonic() - self._kept_at > JOURNAL_EVERY_SECONDS:
                self._write()

    def set_aside(self, unreadable: Unreadable) -> None:
        with self._lock:
            self.journal.counts["unreadable"] = self.journal.counts.get("unreadable", 0) + 1
            self._note("unreadable", unreadable.reason, f"{unreadable.where}: {unreadable.detail}")

    def keep(self) -> None:
        with self._lock:
            self._write()

    def _note(self, outcome: str, reason: str, example: str) -> None:
        known = self._reasons.get((outcome, reason))
        if known is None:
            known = self._reasons[outcome, reason] = Reason(outcome, reason, 0, example)
            self.journal.reasons.append(known)
        known.count += 1

    def _write(self) -> None:
        now = time.monotonic()
        self.journal.seconds += now - self._went_on_at
        self._kept_at = self._went_on_at = now
        self._file.write(self.journal)
