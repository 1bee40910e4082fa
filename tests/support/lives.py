"""A service of a running shop that dies at a named crash point, life after life. The one thing not to break: it is known to have died there
and nowhere else, because its last words say so (laurel_kit.crash)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import msgspec

from laurel_cli.services import Refused, Unreachable
from laurel_cli.stack import StackError
from laurel_kit.crash import VARIABLE
from tests.support.shop import Deadline, Report, Shop

DEATH_SECONDS_MAX = 60.0
ANSWER_SECONDS_MAX = 60.0


@contextmanager
def quick_sessions() -> Iterator[None]:
    """A killed reader's partitions go on after two seconds in place of ten, so that more kills fit into a minute."""
    os.environ["LAUREL_KAFKA_SESSION_SECONDS"] = "2"
    try:
        yield
    finally:
        del os.environ["LAUREL_KAFKA_SESSION_SECONDS"]


class Lives:
    """One service, started with a crash point, again and again."""

    def __init__(self, shop: Shop, service: str) -> None:
        self.shop = shop
        self.service = service

    def begin(self, point: str, nth: int) -> None:
        """End the present life and begin one that ends at the nth pass of `point`; it may be over before it is ready."""
        self.shop.stack.kill_service(self.service)
        self._place = f"{VARIABLE}={point}:{nth} reached"
        self._said = self._last_words()
        os.environ[VARIABLE] = f"{point}:{nth}"
        try:
            self.shop.stack.start_service(self.service)
        except StackError:
            if not self.is_over():
                raise
        finally:
            del os.environ[VARIABLE]

    def is_over(self) -> bool:
        """Whether it has died there. Raises AssertionError when it has died elsewhere."""
        if self.shop.stack.alive(self.service):
            return False
        assert self._last_words() > self._said, f"{self.service} has died, and not at {self._place}"
        return True

    def live_on(self) -> None:
        """A life without a crash point."""
        self.shop.stack.kill_service(self.service)
        self.shop.stack.start_service(self.service)

    def until_over(self, meanwhile: Callable[[], object]) -> None:
        """Do something again and again until it has died there."""
        until = Deadline(DEATH_SECONDS_MAX)
        while not self.is_over():
            assert not until.passed(), f"{self.service} has not come to {self._place}"
            meanwhile()

    def _last_words(self) -> int:
        """How often any life of this service has reached its end at this place."""
        log = self.shop.stack.home.log(self.service)
        return log.read_text(errors="replace").count(self._place) if log.exists() else 0


class Channel:
    """Reports that are sent until they are answered; while the door is dead, the request waits for `mend`."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.unanswered: list[bytes] = []
        self.counts: dict[str, int] = {}

    def send(self, reports: list[Report]) -> None:
        """Once; what gets no answer is kept and sent first the next time, as a channel does."""
        self.unanswered += [msgspec.json.encode(report) for report in reports]
        self.shop.rested = False
        try:
            answer = self.shop.services.member.report(self.unanswered)
        except (Unreachable, Refused, httpx.HTTPError) as failed:
            if isinstance(failed, Refused) and failed.status < 500:
                raise
            return
        self.unanswered = []
        for outcome, count in answer.counts.items():
            self.counts[outcome] = self.counts.get(outcome, 0) + count

    def send_the_rest(self) -> None:
        """Until everything is answered."""
        until = Deadline(ANSWER_SECONDS_MAX)
        while self.unanswered:
            assert not until.passed(), f"{len(self.unanswered)} reports get no answer"
            self.send([])
