"""Long work as it is seen: a bar on a terminal, plain lines elsewhere. Always on stderr, so that stdout stays the result."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.status import Status

from laurel_cli.console import err, note

LINE_EVERY_SECONDS = 5.0
GUESSED_FROM = 50  # the time still to go is told from a fiftieth of the way


class Bar:
    """How many of how many, how fast, and how long still. Safe to call from the lanes' threads, one at a time."""

    def __init__(self, what: str, total: int, done: int) -> None:
        self._what = what
        self._total = total
        self._began_with = self._done = done
        self._began = self._said = time.monotonic()
        self._progress: Progress | None = None
        self._task = TaskID(0)
        if err.is_terminal:
            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]:,.0f}/s"),
                TimeRemainingColumn(),
                console=err,
                transient=True,
            )
            self._task = self._progress.add_task(what, total=total, completed=done, rate=0.0)

    def moved(self, done: int) -> None:
        self._done = done
        if self._progress is not None:
            self._progress.update(self._task, completed=done, rate=self._rate())
        elif time.monotonic() - self._said > LINE_EVERY_SECONDS:
            self._said = time.monotonic()
            note(self._line())

    def _rate(self) -> float:
        return (self._done - self._began_with) / max(time.monotonic() - self._began, 1e-9)

    def _line(self) -> str:
        rate = self._rate()
        known = (self._done - self._began_with) * GUESSED_FROM > self._total  # before that the guess is wild
        left = f", {(self._total - self._done) / rate:.0f} s to go" if known and self._done < self._total else ""
        return f"{self._what}: {self._done:,} of {self._total:,} ({rate:,.0f}/s{left})"

    def __enter__(self) -> Bar:
        if self._progress is not None:
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()


@contextmanager
def waiting_for(what: str) -> Iterator[Callable[[str], None]]:
    """A function to call with what is waited for at the moment."""
    if err.is_terminal:
        with Status(what, console=err) as status:
            yield lambda now: status.update(f"{what}: {now}")
        return
    said = time.monotonic()

    def tell(now: str) -> None:
        nonlocal said
        if time.monotonic() - said > LINE_EVERY_SECONDS:
            said = time.monotonic()
            note(f"{what}: {now}")

    yield tell
