"""A channel that reports at a steady pace while something happens to the brokers, and notes every answer that a till would not like."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable

import msgspec

from tests.support.complete_journey import some_baskets
from tests.support.histories import Mix, history
from tests.support.shop import Deadline, Report, Shop

REPORTS_PER_REQUEST = 40
MIX = Mix(spend=0.0, same_id=0.03, other_source=0.02, close_every=7)  # 5 % told twice


def story(events: int, seed: int) -> list[Report]:
    """The first so many reports of a history, with the days closed between them."""
    return history(some_baskets(max(8, events // 60)), seed, MIX)[:events]


def requests_of(told: Iterable[Report]) -> list[list[Report]]:
    """Reports in requests of 40; a command is a request of its own."""
    requests: list[list[Report]] = []
    for report in told:
        alone = "command" in report
        if alone or not requests or len(requests[-1]) >= REPORTS_PER_REQUEST or "command" in requests[-1][-1]:
            requests.append([])
        requests[-1].append(report)
    return requests


class Feed:
    """Tells a story from a thread of its own, so many reports a second, until `hurry`. Nothing is asked twice: a request that is not
    answered with 2xx is a failure, and the feed ends with it."""

    def __init__(self, shop: Shop, told: list[Report], per_second: float) -> None:
        self.shop = shop
        self.told = told
        self.per_second = per_second
        self.allowed = len(told)
        self.answered = 0
        self.slowest_seconds = 0.0
        self.failed: BaseException | None = None
        self._hurrying = threading.Event()
        self._thread = threading.Thread(target=self._tell, name="feed")

    def __enter__(self) -> Feed:
        self.shop.rested = False
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._hurrying.set()
        self._thread.join()

    @property
    def running(self) -> bool:
        """Whether it still has something to tell."""
        return self._thread.is_alive()

    def allow(self, share: float) -> None:
        """Tell so much of the story and then wait: however slow the machine is, something is left for what comes later."""
        self.allowed = round(share * len(self.told))

    def hurry(self, limit_seconds: float = 1800.0) -> None:
        """Tell the rest as fast as it is taken, and wait for the end. Raises what a client would have seen."""
        self._hurrying.set()
        self._thread.join(limit_seconds)
        assert not self._thread.is_alive(), f"{self.answered} of {len(self.told)} reports are told"
        self.shop.rested = False
        if self.failed is not None:
            raise AssertionError(f"a client saw an error after {self.answered} reports") from self.failed

    def _tell(self) -> None:
        began = time.monotonic()
        try:
            for request in requests_of(self.told):
                while self.answered >= self.allowed and not self._hurrying.wait(0.05):
                    began += 0.05
                due = began + self.answered / self.per_second
                self._hurrying.wait(max(0.0, due - time.monotonic()))
                self._send(request)
                self.answered += len(request)
        except BaseException as failure:  # noqa: BLE001 - raised again in the test's own thread
            self.failed = failure

    def _send(self, request: list[Report]) -> None:
        asked = time.monotonic()
        member = self.shop.services.member
        if request[0].get("command") == "day.close":
            member.close_day(request[0]["as_of"])
        elif request[0].get("command") == "register":
            self.shop.register(request[0]["identifier"], request[0].get("time"))
        else:
            answer = member.report([msgspec.json.encode(report) for report in request])
            for outcome, count in answer.counts.items():
                self.shop.counts[outcome] = self.shop.counts.get(outcome, 0) + count
        self.slowest_seconds = max(self.slowest_seconds, time.monotonic() - asked)


def hold(seconds: float, feed: Feed) -> None:
    """Let the present state last, as long as the feed goes on."""
    until = Deadline(seconds)
    while feed.running and not until.passed():
        until.wait()
