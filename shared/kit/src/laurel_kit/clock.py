"""The clocks. Business time may run ahead of the machine's (a demonstration of a past or coming year); pauses and deadlines go by the
machine. The one thing not to break: a rule never asks a clock, it is handed an instant."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta


class BusinessClock:
    """What time the business says it is: the machine's time plus a fixed offset, in UTC."""

    def __init__(self, offset_seconds: float = 0) -> None:
        self._offset = timedelta(seconds=offset_seconds)

    def now(self) -> datetime:
        return datetime.now(UTC) + self._offset


class MachineClock:
    """The machine's own time: `now` for people, `seconds` (monotonic) for pauses and deadlines."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def seconds(self) -> float:
        return time.monotonic()
