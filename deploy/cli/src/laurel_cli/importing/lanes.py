"""Lanes: reports of one member always in the same one, one request in flight per lane, the next batch only after the answer."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from zlib import crc32

from laurel_cli.importing.patience import Patience, Stopped
from laurel_cli.services import MemberService
from laurel_cli.services.member import Answer

LANES = 4  # keeps one door process busy; more only queue inside it
BATCH_REPORTS = 500
BATCH_BYTES = 1_000_000  # a batch ends before it grows beyond this
BATCHES_READY = 2  # per lane: enough that no lane waits for the reader, and little memory
LOOK_SECONDS = 0.2  # how often the reader looks whether a lane has failed while it waits for room

Acknowledge = Callable[[int, int, Answer], None]


def lane_of(key: bytes, lanes: int) -> int:
    """The lane of a member's reports: always the same one for the same key and number of lanes."""
    return crc32(key) % lanes


class Lane(threading.Thread):
    """One lane with a connection of its own."""

    def __init__(
        self, number: int, door: MemberService, patience: Patience, acknowledge: Acknowledge, stop: threading.Event
    ) -> None:
        super().__init__(name=f"lane {number}", daemon=True)
        self._number = number
        self._door = door
        self._patience = patience
        self._acknowledge = acknowledge
        self._stop_event = stop
        self._ready: queue.Queue[Sequence[bytes] | None] = queue.Queue(BATCHES_READY)
        self.failure: Exception | None = None

    def give(self, batch: Sequence[bytes] | None) -> bool:
        """Hand over the next batch (None: there is no more); False when the import has been stopped instead."""
        while not self._stop_event.is_set():
            try:
                self._ready.put(batch, timeout=LOOK_SECONDS)
            except queue.Full:
                continue
            return True
        return False

    def run(self) -> None:
        try:
            while not self._stop_event.is_set():
                try:
                    batch = self._ready.get(timeout=LOOK_SECONDS)
                except queue.Empty:
                    continue
                if batch is None:
                    return
                answer = self._patience.until_answered(lambda: self._door.report(batch))  # noqa: B023 (called before the next turn)
                self._acknowledge(self._number, len(batch), answer)
        except Stopped:
            return
        except Exception as error:  # noqa: BLE001 (whatever it is, the reader raises it in the main thread)
            self.failure = error
            self._stop_event.set()
        finally:
            self._door.close()
