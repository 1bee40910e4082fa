"""What is told to a shop while faults happen, at a pace, from a thread of its own; and how large a night is.

The one thing not to break: whoever gets no answer asks again, so that what the model was told is what the shop was told."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self

import httpx

from laurel_cli.services import Refused, Unreachable
from tests.fault.test_kills import MIX, send
from tests.support.complete_journey import some_baskets
from tests.support.histories import history
from tests.support.shop import Report, Shop

REPORTS_PER_REQUEST = 20
EARLY_DAYS = 14
ATTEMPTS_MAX = 4  # of a minute each


def story(reports: int, seed: int) -> list[Report]:
    """The first so many reports of a history, with the days closed between them; 5 % are told twice."""
    return history(some_baskets(max(8, reports // 60)), seed, MIX)[:reports]


def story_of_early_comers(reports: int, seed: int) -> list[Report]:
    """A story like any other, of members who all come for the first time within its first days."""
    baskets = some_baskets(max(40, reports // 20))
    begins: dict[int, datetime] = {}
    for basket in baskets:
        begins[basket.household_id] = min(basket.time, begins.get(basket.household_id, basket.time))
    limit = min(begins.values()) + timedelta(days=EARLY_DAYS)
    return history([basket for basket in baskets if begins[basket.household_id] <= limit], seed, MIX)[:reports]


def requests_of(told: Sequence[Report]) -> Iterator[list[Report]]:
    """The story in small requests; a command is one of its own."""
    request: list[Report] = []
    for report in told:
        if request and ("command" in report or "command" in request[-1] or len(request) >= REPORTS_PER_REQUEST):
            yield request
            request = []
        request.append(report)
    if request:
        yield request


class Feed:
    """Tells a story at so many reports a second, until it is told; `hurry` lets it go as fast as the door answers.

    with Feed(shop, told, pace=50) as feed:
        … faults …
    (at the end the rest is told without pause)
    """

    def __init__(self, shop: Shop, told: Sequence[Report], *, pace: float) -> None:
        self._shop = shop
        self._told = told
        self._pause = REPORTS_PER_REQUEST / pace
        self._hurry = threading.Event()
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="feed")
        self.said = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._hurry.set()
        self._thread.join()
        if self._failed is not None and error is None:
            raise self._failed

    @property
    def going_on(self) -> bool:
        """Whether there is still something to tell."""
        return self._thread.is_alive()

    def hurry(self) -> None:
        """No pauses any more."""
        self._hurry.set()

    def _run(self) -> None:
        try:
            for request in requests_of(self._told):
                self._send(request)
                self.said += len(request)
                self._shop.rested = False
                self._hurry.wait(self._pause)
        except BaseException as failure:  # noqa: BLE001 - raised again where the feed is left
            self._failed = failure

    def _send(self, request: list[Report]) -> None:
        """Again where the door was away for longer than `send` itself waits."""
        for left in reversed(range(ATTEMPTS_MAX)):
            try:
                send(self._shop, request)
            except (Unreachable, Refused, httpx.HTTPError) as failed:
                if not left or (isinstance(failed, Refused) and failed.status < 500):
                    raise
            else:
                return
