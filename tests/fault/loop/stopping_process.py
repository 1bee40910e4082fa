"""points-svc as a process that stops itself inside a transaction, with the cursors locked and compared (C4), and writes down what became of
that transaction when it was allowed to go on: python -m tests.fault.loop.stopping_process. Reads points-svc's settings, and STOP_NOTE: the
file for the note."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from laurel_kit import crash
from laurel_kit.applying import Applier
from points_svc.main import main

NOTE = "STOP_NOTE"


class Stopping:
    """Stops the process at the first C4 of a batch of activities."""

    def __init__(self, note: Path) -> None:
        self.note = note
        self.stopped = False
        self._apply_once = Applier._apply_once

    def at(self, place: str) -> None:
        if place == "C4" and not self.stopped:
            self.stopped = True
            os.kill(os.getpid(), signal.SIGSTOP)

    async def apply_once(self, applier: Applier[Any], work: Any) -> None:
        """As ever, and the outcome of the one transaction in which we stood still is written down."""
        already = self.stopped
        try:
            await self._apply_once(applier, work)
        except Exception as error:
            if self.stopped and not already:
                self.note.write_text(type(error).__name__)
            raise
        if self.stopped and not already:
            self.note.write_text("committed")


def run() -> None:
    stopping = Stopping(Path(os.environ[NOTE]))
    crash.at = stopping.at

    async def apply_once(applier: Applier[Any], work: Any) -> None:
        await stopping.apply_once(applier, work)

    Applier._apply_once = apply_once  # type: ignore[assignment, method-assign]
    main([])


if __name__ == "__main__":
    run()
