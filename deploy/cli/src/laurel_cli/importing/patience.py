"""How long a lane tries: the same batch again after growing waits, as long as the door asked for, until the limit."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from laurel_cli.services import Refused, Unreachable

FIRST_WAIT_SECONDS = 0.2
LONGEST_WAIT_SECONDS = 5.0
# A service that restarts is back in some ten seconds, with its database in a minute; what lasts longer wants a person.
PATIENCE_SECONDS = 120.0
# Too busy, restarting, or something between us and it: the same request may well be answered a moment later.
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
# Said with 503, but no waiting mends it.
LASTING_KINDS = frozenset({"no_programme"})

Answered = TypeVar("Answered")


class Stopped(Exception):
    """The import was stopped while this lane waited."""


@dataclass(frozen=True, slots=True)
class Patience:
    """Limits and means of waiting. `wait` returns True when the import has been stopped meanwhile."""

    wait: Callable[[float], bool]
    limit_seconds: float = PATIENCE_SECONDS
    clock: Callable[[], float] = time.monotonic

    def until_answered(self, send: Callable[[], Answered]) -> Answered:
        """The answer to `send`, which is called again after passing failures; the failure itself when the limit has passed."""
        began = self.clock()
        pause = FIRST_WAIT_SECONDS
        while True:
            try:
                return send()
            except (Unreachable, Refused) as failure:
                asked = 0.0
                if isinstance(failure, Refused):
                    if failure.status not in PASSING or failure.kind in LASTING_KINDS:
                        raise
                    asked = failure.retry_after_seconds or 0.0
                wait = max(asked, pause)
                if self.clock() - began + wait > self.limit_seconds:
                    raise
            if self.wait(wait):
                raise Stopped
            pause = min(pause * 2, LONGEST_WAIT_SECONDS)
