"""A whole shop for a test: the real stack (PostgreSQL, Kafka, four services as processes), fed like channels feed it and read like
everybody reads it, over HTTP. Results are keyed by the member's identifier, so that they can be laid beside the independent model."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import msgspec
import yaml

from laurel_cli.refusal import CommandError
from laurel_cli.services import SERVICE_NAMES, Addresses, Refused, Services, open_services
from laurel_cli.settling import settle
from laurel_cli.stack import Stack
from laurel_cli.stack.logs import last_lines
from laurel_cli.stack.ports import free_port_base
from laurel_contracts import programme as documents
from tests.support.model_till import AT_A_TILL
from tests.support.shop_till import ShopTill

ROOT = Path(__file__).parents[2]
REPORTS_PER_REQUEST = 500
SETTLE_LIMIT_SECONDS = 300.0
LOG_LINES_OF_A_FAILURE = 25  # of each service: a stop says why in its last lines
READERS = 8  # requests in flight while results are read
REFERENCE = ROOT / "deploy" / "program" / "reference.yaml"

Report = dict[str, Any]


def reference(*, currency: str = "USD", zone: str = "America/New_York", campaigns: bool = True) -> dict[str, Any]:
    """The reference programme as plain values, in another currency and zone; without its campaigns where asked."""
    document = dict(yaml.safe_load(REFERENCE.read_text(encoding="utf-8")))
    document |= {"currency": currency, "zone": zone}
    if not campaigns:
        document["campaigns"] = []
    return document


def short(*, campaigns: bool = False) -> dict[str, Any]:
    """The short programme of domain.md 3.7: validity 1 month, 30-day windows, everything else as the reference."""
    document = reference(campaigns=campaigns)
    tiers = document["tiers"] = dict(document["tiers"], validity_months=1)
    ladder = tiers["ladder"] = [dict(tier) for tier in tiers["ladder"]]
    silver, gold, diamond = ladder[1:]
    silver["keep"] = [{"metric": "spend_in_days", "days": 30, "at_least": 2000}]
    for tier, total, window in ((gold, 200000, 10000), (diamond, 500000, 30000)):
        in_30_days = {"metric": "spend_in_days", "days": 30, "at_least": window}
        tier["reach"] = [{"metric": "spend_total", "at_least": total}, in_30_days]
        tier["keep"] = [in_30_days]
    return document


@dataclass
class Shop:
    """The running stack and what was counted at its door."""

    stack: Stack
    services: Services
    counts: dict[str, int] = field(default_factory=dict)
    remarks: list[Any] = field(default_factory=list)  # outcomes other than accepted and duplicate
    rested: bool = True  # nothing was told since the last settle

    def __post_init__(self) -> None:
        self.till = ShopTill(self)

    # Telling

    def apply(self, document: dict[str, Any], *, to: Collection[str] = SERVICE_NAMES) -> None:
        """Load a programme into the services and activate it at the door once all four agree."""
        programme = documents.parse(document)
        for name in to:
            self.services.named(name).put_programme(programme.version, documents.canonical(programme))
        if set(to) == set(SERVICE_NAMES):
            self.activate(programme.version)

    def activate(self, version: int, effective_from: str | None = None) -> None:
        """Activate, at once or from that instant on, when the door has heard from all; its 409 until then is retried with a deadline."""
        until = Deadline(30.0)
        while True:
            try:
                self.services.member.activate(version, effective_from)
            except Refused as refused:
                if refused.status != 409 or until.passed():
                    raise
                until.wait()
            else:
                return

    def report(self, reports: Sequence[Report]) -> None:
        """Send reports in this order, in requests of 500, one in flight."""
        for start in range(0, len(reports), REPORTS_PER_REQUEST):
            bodies = [msgspec.json.encode(report) for report in reports[start : start + REPORTS_PER_REQUEST]]
            answer = self.services.member.report(bodies)
            for outcome, count in answer.counts.items():
                self.counts[outcome] = self.counts.get(outcome, 0) + count
            self.remarks += answer.remarkable()
            self.rested = False

    def tell(self, history: Iterable[Report]) -> None:
        """A history of reports and commands in order of arrival; whoever asks at a till finds everything before it settled."""
        waiting: list[Report] = []
        for item in history:
            if "command" not in item:
                waiting.append(item)
                continue
            self._say(waiting)
            waiting = []
            self._obey(item)
        self._say(waiting)

    def _say(self, reports: list[Report]) -> None:
        if reports:
            self.till.land()
            self.report(reports)

    def _obey(self, command: Report) -> None:
        match command["command"]:
            case "day.close":
                self.till.land()
                self.services.member.close_day(command["as_of"])
                self.rested = False
            case "register":
                self.till.land()
                self.register(command["identifier"], command.get("time"), command.get("referrer"))
            case "settle":
                self.settle()
            case asked if asked in AT_A_TILL:
                self.till.ask(command)
            case other:
                raise ValueError(f"no such command: {other}")

    def register(
        self, identifier: dict[str, str], time: str | None = None, referrer: dict[str, str] | None = None
    ) -> None:
        """Register a member by an identifier, brought by another one if the door knows that one."""
        body: dict[str, Any] = {"identifiers": [identifier]} | ({"time": time} if time else {})
        if referrer is not None:
            with suppress(CommandError):
                body["referrer_id"] = str(self.services.member.find(f"{referrer['kind']}:{referrer['value']}"))
        httpx.post(f"{self.url('member-svc')}/v1/members", json=body, timeout=30.0).raise_for_status()
        self.rested = False

    def spend(
        self, member_id: UUID, points: int, key: str, *, order_id: str | None = None
    ) -> tuple[int, dict[str, Any]]:
        """Spend points at once; the status and the answer, refused or not."""
        body: dict[str, Any] = {"points": points} | ({"order_id": order_id} if order_id else {})
        url = f"{self.url('points-svc')}/v1/members/{member_id}/spendings"
        answer = httpx.post(url, json=body, headers={"Idempotency-Key": key}, timeout=30.0)
        return answer.status_code, answer.json()

    def settle(self, limit_seconds: float = SETTLE_LIMIT_SECONDS) -> None:
        """Wait until everything that was told has had its effect in every service. Fails with what is waited for."""
        if self.rested:
            return
        ended = settle(lambda: [service.progress() for service in self.services.all], limit_seconds=limit_seconds)
        assert not ended.obstacles, [str(obstacle) for obstacle in ended.obstacles]
        self.rested = True

    def settle_without(self, stopped: str, limit_seconds: float = SETTLE_LIMIT_SECONDS) -> None:
        """Wait until the door has said everything, and until the other readers have gone as far as they can without `stopped`."""
        until = Deadline(limit_seconds)
        running = [service for service in self.services.all if service.name != stopped]
        before = None
        while True:
            answers = [service.progress() for service in running]
            now = [(answer["outbox_rows"], answer["moved_total"]) for answer in answers]
            if now == before and not any(answer["outbox_rows"] for answer in answers):
                return
            assert not until.passed(), now
            before = now
            until.wait(1.0)

    # Reading

    def url(self, service: str) -> str:
        """The base address of a service."""
        return self.stack.urls()[service]

    def members(self) -> dict[UUID, str]:
        """The one identifier that a test gave each member, by member id."""
        found = {}
        for item in self.services.member.members():
            names = [one["value"] for one in item["identifiers"]]
            found[UUID(item["member_id"])] = names[0] if names else item["member_id"]
        return found

    def standings(self) -> dict[str, dict[str, Any]]:
        """Tier, since and until of every member that tier-svc knows."""
        names = self.members()
        return {names[UUID(item["member_id"])]: item for item in self.services.tier.standings()}

    def balances(self) -> dict[str, dict[str, Any]]:
        """earned_net, posted, available and debt of every account."""
        names = self.members()
        return {names[UUID(item["member_id"])]: item for item in self.services.points.balances()}

    def orders(self) -> dict[str, dict[str, int]]:
        """Net points of every order, by member."""
        return self._of_each(
            lambda services, member_id: {item["order_id"]: item["points"] for item in services.points.orders(member_id)}
        )

    def lots(self) -> dict[str, list[dict[str, Any]]]:
        """All lots of every member."""
        return self._of_each(lambda services, member_id: services.points.balance(member_id)["lots"])

    def awards(self) -> dict[str, list[dict[str, Any]]]:
        """All awards of every member."""
        return self._of_each(lambda services, member_id: services.campaign.awards(member_id, 1000))

    def of_tiers(self, what: str, **asked: str) -> dict[str, Any]:
        """Every member's clubs, tasks or benefits, as tier-svc answers them."""
        url = self.url("tier-svc")

        def read(_services: Services, member_id: UUID) -> Any:
            answer = httpx.get(f"{url}/v1/members/{member_id}/{what}", params=asked, timeout=30.0)
            answer.raise_for_status()
            return answer.json()

        return self._of_each(read)

    def statuses(self) -> dict[str, dict[str, Any]]:
        """Every member's status as member-svc keeps it."""
        return self._of_each(lambda services, member_id: services.member.status(member_id))

    def _of_each(self, read: Any) -> dict[str, Any]:
        """One answer per member, read by several threads with a connection each."""
        names = self.members()
        ids = sorted(names)

        def part(start: int) -> list[tuple[str, Any]]:
            with open_services(self.services.addresses) as services:
                return [(names[member_id], read(services, member_id)) for member_id in ids[start::READERS]]

        with ThreadPoolExecutor(READERS) as pool:
            return dict(pair for pairs in pool.map(part, range(READERS)) for pair in pairs)

    def trial_balance(self) -> dict[str, Any]:
        """The ledger's own proof."""
        return self.services.points.trial_balance()

    def dead_letters(self) -> list[dict[str, Any]]:
        """Open dead letters of all services."""
        return [letter for service in self.services.all for letter in service.dead_letters("open", 1000)]


class Deadline:
    """A limit on waiting for a condition: `wait` pauses shortly, `passed` says whether it was enough."""

    def __init__(self, limit_seconds: float) -> None:
        import threading
        import time

        self._clock = time.monotonic
        self._end = self._clock() + limit_seconds
        self._never = threading.Event()

    def passed(self) -> bool:
        return self._clock() > self._end

    def wait(self, seconds: float = 0.1) -> None:
        self._never.wait(seconds)


@contextmanager
def open_shop(
    document: dict[str, Any] | None = None,
    *,
    without: Collection[str] = (),
    clock: str | None = None,
    partitions: int = 16,
    brokers: int = 1,
) -> Iterator[Shop]:
    """A stack of its own on free ports, days closed by command, with a programme in force; stopped and wiped at the end."""
    stack = Stack(Path(tempfile.mkdtemp(prefix="laurel-shop-")), free_port_base())
    try:
        stack.up(without={"prometheus"}, days="command", clock=clock, partitions=partitions, brokers=brokers)
        addresses = Addresses.found(stack.home.root, {})
        with open_services(addresses) as services:
            shop = Shop(stack, services)
            if document is not None:
                shop.apply(document)
                shop.rested = False
                shop.settle()
            for name in without:
                stack.stop_service(name)
            yield shop
    except BaseException:
        _tell_the_ends_of_the_logs(stack)
        raise
    finally:
        stack.wipe()


def _tell_the_ends_of_the_logs(stack: Stack) -> None:
    """What the services said last: the logs go with the shop, and a failure that is seldom is not seen twice."""
    logs = {name: stack.home.log(name) for name in SERVICE_NAMES}
    for name, line in last_lines(logs, LOG_LINES_OF_A_FAILURE):
        sys.stdout.write(f"{name}: {line[:1000]}\n")
