"""A whole shop under load while something happens to its PostgreSQL: reports at the door, spendings at the ledger, each asked again as
a caller would; every single answer is counted, and at the end the shop is laid beside the independent model and the spender's count."""

from __future__ import annotations

import itertools
import random
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
import msgspec

from laurel_cli.services import Refused, Unreachable
from tests.fault.test_kills import story
from tests.support.comparing import differences
from tests.support.model_programme import reference_programme, with_campaigns
from tests.support.model_world import World
from tests.support.reports import purchase_report
from tests.support.shop import Deadline, Report, Shop

REPORTS_PER_REQUEST = 20
SPENDERS = 8
SPENDER_MINOR = 5_000_000
EVENTS_PER_SECOND = 60  # made up beforehand: more than a door takes while its database is in trouble, on two cores
ASKED_AGAIN_SECONDS_MAX = 90.0
# A moment ago, so that what they have is alive by the shop's clock.
BOUGHT_AT = (datetime.now(UTC) - timedelta(hours=1)).isoformat(timespec="seconds")


def spender(n: int) -> str:
    """The card of a member who only spends."""
    return f"spender-{n}"


@dataclass
class Load:
    """What was told, what was answered, what was spent."""

    shop: Shop
    seed: int
    seconds: float
    world: World = field(default_factory=lambda: World(with_campaigns(reference_programme("USD", "America/New_York"))))
    answers: Counter[str] = field(default_factory=Counter)  # every single answer: status, or "cut"
    told: int = 0
    granted: Counter[UUID] = field(default_factory=Counter)
    spendings: int = 0
    opening: dict[UUID, int] = field(default_factory=dict)
    history: list[Report] = field(default_factory=list)
    failed: list[BaseException] = field(default_factory=list)

    def open(self) -> None:
        """The spenders and what they have."""
        self.history = story(int(self.seconds * EVENTS_PER_SECOND))
        reports: list[Report] = []
        for n in range(SPENDERS):
            self._tell({"command": "register", "identifier": {"kind": "card", "value": spender(n)}, "time": BOUGHT_AT})
            reports.append(
                purchase_report("pos/0", f"open-{n}", BOUGHT_AT, spender(n), f"opening-{n}",
                                [SPENDER_MINOR], currency="USD")
            )  # fmt: skip
        for report in reports:
            self._tell(report)
        self.shop.rested = False
        self.shop.settle()
        balances = self.shop.balances()
        names = {name: who for who, name in self.shop.members().items()}
        self.opening = {names[spender(n)]: balances[spender(n)]["posted"] for n in range(SPENDERS)}

    @contextmanager
    def running(self) -> Iterator[None]:
        """The load in threads of its own, until the block ends."""
        stop = threading.Event()
        threads = [threading.Thread(target=self._guarded, args=(work, stop)) for work in (self._feed, self._spend)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        if self.failed:
            raise self.failed[0]

    def problems(self) -> list[str]:
        """What is not as it must be, when everything has had its effect."""
        self.shop.rested = False
        self.shop.settle()
        spenders = {spender(n) for n in range(SPENDERS)}
        found = [
            problem
            for problem in differences(self.world, self.shop, awards=True)
            if problem.partition(":")[0] not in spenders
        ]
        balances = {UUID(item["member_id"]): item["posted"] for item in self.shop.services.points.balances()}
        for who, opening in self.opening.items():
            if balances[who] != opening - self.granted[who]:
                found.append(f"{who} has {balances[who]}, the answers say {opening - self.granted[who]}")
        proof = self.shop.trial_balance()
        found += [f"trial balance {proof['sum']}"] if proof["sum"] else []
        found += [f"{name}: {times}" for name, times in proof["invariants"].items() if times]
        found += [
            f"dead letter on {one['topic']}" for one in self.shop.dead_letters() if one["topic"] != "channel-activities"
        ]
        return found

    def errors(self) -> int:
        """Answers that say that we are broken."""
        return sum(count for status, count in self.answers.items() if status[:1] == "5" and status[:3] != "503")

    def _guarded(self, work: object, stop: threading.Event) -> None:
        try:
            work(stop)  # type: ignore[operator]
        except BaseException as error:  # noqa: BLE001 - raised again in the test's own thread
            self.failed.append(error)

    def feed_all(self) -> None:
        """The whole history, at once."""
        self._feed(threading.Event())

    def run_for(self, seconds: float) -> None:
        """Let it run, or stop early where it failed."""
        over = Deadline(seconds)
        while not over.passed() and not self.failed:
            over.wait()

    def _feed(self, stop: threading.Event) -> None:
        request: list[Report] = []
        for report in self.history:
            if stop.is_set():
                break
            if "command" in report:
                self._send(request)
                self._tell(report)
                request = []
                continue
            request.append(report)
            if len(request) == REPORTS_PER_REQUEST:
                self._send(request)
                request = []
        self._send(request)

    def _send(self, request: list[Report]) -> None:
        if request:
            bodies = [msgspec.json.encode(report) for report in request]
            self._again(lambda: self.shop.services.member.report(bodies))
            for report in request:
                self.world.tell(report)
            self.told += len(request)

    def _tell(self, report: Report) -> None:
        match report.get("command"):
            case "day.close":
                self._again(lambda: self.shop.services.member.close_day(report["as_of"]))
            case "register":
                self._again(lambda: self.shop.register(report["identifier"], report.get("time")))
            case _:
                self._send([report])
                return
        self.world.tell(report)

    def _again(self, work: object) -> None:
        """Until it is answered: whoever got no answer, or 503, asks again."""
        until = Deadline(ASKED_AGAIN_SECONDS_MAX)
        while True:
            try:
                work()  # type: ignore[operator]
            except (Unreachable, Refused, httpx.HTTPError) as failed:
                self._count(failed)
                if until.passed() or (isinstance(failed, Refused) and failed.status < 500):
                    raise
                until.wait()
            else:
                self.answers["ok"] += 1
                return

    def _count(self, failed: Exception) -> None:
        status = failed.status if isinstance(failed, Refused) else None
        if isinstance(failed, httpx.HTTPStatusError):
            status = failed.response.status_code
        self.answers["cut" if status is None else str(status)] += 1

    def _spend(self, stop: threading.Event) -> None:
        rng = random.Random(self.seed)
        members = sorted(self.opening)
        with httpx.Client(base_url=self.shop.url("points-svc"), timeout=30.0, trust_env=False) as client:
            for n in itertools.count():
                if stop.is_set():
                    return
                who, points = rng.choice(members), 1 + n % 3
                self._spend_once(client, f"under-trouble-{n:08d}", who, points)

    def _spend_once(self, client: httpx.Client, key: str, who: UUID, points: int) -> None:
        until = Deadline(ASKED_AGAIN_SECONDS_MAX)
        while not until.passed():
            try:
                answer = client.post(
                    f"/v1/members/{who}/spendings", json={"points": points}, headers={"Idempotency-Key": key}
                )
            except httpx.HTTPError:
                self.answers["cut"] += 1
            else:
                self.answers[_said(answer)] += 1
                if answer.status_code == 201:
                    self.granted[who] += points
                    self.spendings += 1
                    return
                assert answer.status_code >= 500 or answer.json()["type"] == "request_in_flight", answer.text
            until.wait(0.02)
        raise AssertionError(f"{key} was not answered within {ASKED_AGAIN_SECONDS_MAX} s: {dict(self.answers)}")


def _said(answer: httpx.Response) -> str:
    """The status, and for what is not served now its word."""
    return f"503 {answer.json()['type']}" if answer.status_code == 503 else str(answer.status_code)
