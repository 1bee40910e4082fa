"""points-svc dies at every named place (laurel_kit.crash, reliability.md 2.4) between the debit and the credit of transfers, on the real
stack, while somebody looks at its books.

INVARIANT: at every instant what members have and what lies in clearing are together the same, and clearing is exactly what is under way; in
the end every transfer that was asked for has arrived once, whatever was told twice.
What would break it: a debit that commits without its message, a message that goes out without its debit, an arrival that is taken when it
is told again after C11, points that are handed back and arrive as well, a dead letter's replay that credits before it closes."""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from laurel_cli.services import Unreachable
from tests.fault.books_beside import Looks, looked_at
from tests.fault.report import record, seed_of, sized
from tests.fault.test_crash_points import BEFORE_RECORDS, REBALANCED, come_and_go, run_sql
from tests.support.lives import Lives, quick_sessions
from tests.support.reports import purchase_report
from tests.support.shop import Deadline, Shop, open_shop, reference
from tests.support.topics import SAID, numbers_of

SEED = seed_of("T-K06", 6)
CLOCK = "2024-05-20T12:00:00+00:00"
MEMBERS = 8
POINTS_EACH = 100_000
POINTS = [f"C{number}" for number in range(13)]
TRANSFERS_AT_ONCE = 4  # asked for between two looks at whether the process is dead
LOOK_SECONDS = 0.05
ANSWER_SECONDS_MAX = 60.0


@pytest.fixture
def shop() -> Iterator[Shop]:
    with quick_sessions(), open_shop(reference(campaigns=False), partitions=4, clock=CLOCK) as opened:
        yield opened


class Givers:
    """Members who give points to each other, in requests that are repeated under their keys until they are answered."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.random = random.Random(SEED)
        self.members = [self._enrol(number) for number in range(MEMBERS)]
        shop.report([self._sale(number) for number in range(MEMBERS)])
        shop.settle()
        self.has = {member: self.posted(member) for member in self.members}
        self.open: dict[str, tuple[UUID, UUID, int]] = {}  # by key, not answered yet
        self.sent: dict[str, str] = {}  # by key: which transfer it is
        self.asked = 0

    def _enrol(self, number: int) -> UUID:
        body = {"identifiers": [{"kind": "card", "value": f"giver-{number}"}], "time": "2024-05-01T08:00:00+00:00"}
        answer = httpx.post(f"{self.shop.url('member-svc')}/v1/members", json=body, timeout=30.0)
        answer.raise_for_status()
        self.shop.rested = False
        return UUID(answer.json()["member_id"])

    def _sale(self, number: int) -> dict[str, Any]:
        time_ = f"2024-05-{number + 2:02d}T10:00:00+00:00"
        lines = [100 * POINTS_EACH]
        return purchase_report("web", f"s{number}", time_, f"giver-{number}", f"s{number}", lines, currency="USD")

    def posted(self, member: UUID) -> int:
        return int(self.shop.services.points.balance(member)["posted"])

    def go_on(self) -> None:
        """Some transfers more, and all that have got no answer yet once more."""
        for _ in range(TRANSFERS_AT_ONCE):
            sender, receiver = self.random.sample(self.members, 2)
            points = self.random.randint(1, 20)
            self.open[f"handover-{SEED}-{self.asked:06d}"] = (sender, receiver, points)
            self.has[sender] -= points
            self.has[receiver] += points
            self.asked += 1
        self.ask_again()
        Deadline(LOOK_SECONDS).wait(LOOK_SECONDS)

    def ask_again(self) -> None:
        """All that have got no answer yet, in their order; the others wait while nobody answers."""
        self.shop.rested = False
        url = self.shop.url("points-svc")
        for key, (sender, receiver, points) in list(self.open.items()):
            body = {"points": points, "to_member_id": str(receiver)}
            path = f"{url}/v1/members/{sender}/transfers"
            try:
                answer = httpx.post(path, json=body, headers={"Idempotency-Key": key}, timeout=10.0)
            except httpx.TransportError:
                return
            if answer.status_code >= 500 or answer.json().get("type") == "request_in_flight":
                return  # the session of whoever was killed may live on for a moment
            assert answer.status_code == 201, answer.text
            self.sent[key] = answer.json()["transfer_id"]
            del self.open[key]

    def problems(self) -> list[str]:
        """What is not as it must be when everything has come to rest."""
        until = Deadline(ANSWER_SECONDS_MAX)
        while self.open:
            assert not until.passed(), f"{len(self.open)} transfers get no answer"
            self.ask_again()
        self.shop.settle()
        states = Counter(asyncio.run(self._states()).values())
        found = [] if states == {"arrived": self.asked} else [f"{self.asked} transfers were asked for: {dict(states)}"]
        for member, points in self.has.items():
            if (posted := self.posted(member)) != points:
                found.append(f"{member} has {posted}, it should be {points}")
        proof = self.shop.trial_balance()
        found += [f"{name} is broken {often} times" for name, often in proof["invariants"].items() if often]
        if proof["sum"] or proof["by_account"].get("clearing", 0):
            found.append(f"the books hold {proof}")
        for topic in SAID:
            found += numbers_of(self.shop.stack.kafka_bootstrap, topic).broken
        return found + [f"set aside: {one}" for one in self.shop.dead_letters() if one["state"] == "open"]

    async def _states(self) -> dict[UUID, str]:
        """By transfer, as both sides' rows have it; nothing may stand there that nobody has asked for."""
        connection = await asyncpg.connect(self.shop.stack.database_url("points-svc"))
        try:
            rows = await connection.fetch("""
SELECT h.handover_id, CASE WHEN h.state = 'under_way' AND a.because IS NULL AND a.handover_id IS NOT NULL THEN 'arrived' ELSE h.state END
FROM handover h LEFT JOIN arrival a USING (handover_id)""")
        finally:
            await connection.close()
        assert {str(transfer) for transfer, _ in rows} == set(self.sent.values())
        return dict(rows)


def dies_at(shop: Shop, lives: Lives, givers: Givers, point: str, nth: int) -> None:
    """One life that ends at the point while points are under way."""
    lives.begin(point, nth + BEFORE_RECORDS.get(point, 0))
    if point in REBALANCED:
        asyncio.run(come_and_go(shop, lives, givers))
    else:
        lives.until_over(givers.go_on)


def between_now(shop: Shop) -> int:
    """How many points are under way while nobody lives who could carry them."""
    return int(asyncio.run(_clearing(shop.stack.database_url("points-svc"))))


async def _clearing(url: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        return int(
            await connection.fetchval("""
SELECT coalesce(sum(CASE WHEN credit = 'clearing' THEN amount ELSE -amount END), 0) FROM transfer
WHERE debit = 'clearing' OR credit = 'clearing'""")
        )
    finally:
        await connection.close()


def conclude(givers: Givers, looks: Looks, deaths: int, caught: list[str], repeated: int, began: float) -> None:
    """Record, then insist."""
    problems = givers.problems() + looks.problems
    figure = (
        f"{deaths} deaths between debit and credit, {len(caught)} of them with points under way ({', '.join(caught)}); {givers.asked}"
        f" transfers, {repeated} told again; {looks.looks} looks at the books, {looks.with_points_between} while points lay in"
        f" clearing (at most {looks.most_between}); {len(problems)} problems"
    )
    sys.stdout.write(f"\nT-K06, seed {SEED}: {figure}\n")
    held = not problems and bool(caught) and looks.with_points_between > 0
    record("T-K06", figure, "000", held, SEED, time.monotonic() - began)
    assert problems[:5] == []
    assert held, figure


def die_everywhere(shop: Shop, passes: int) -> None:
    began = time.monotonic()
    givers, lives = Givers(shop), Lives(shop, "points-svc")
    caught: list[str] = []
    with looked_at(shop.stack.database_url("points-svc")) as looks:
        for life in range(passes):
            for place, point in enumerate(POINTS):
                dies_at(shop, lives, givers, point, 1 + (life + place) % 4)
                if between_now(shop):
                    caught.append(point)
        lives.live_on()
        until = Deadline(ANSWER_SECONDS_MAX)
        while givers.open and not until.passed():
            givers.ask_again()
        shop.settle()
    repeated = numbers_of(shop.stack.kafka_bootstrap, "handovers").repeated
    conclude(givers, looks, passes * len(POINTS), caught, repeated, began)


@pytest.mark.fault
@pytest.mark.long
def test_points_svc_dies_at_each_point_between_debit_and_credit(shop: Shop) -> None:
    """T-K06: once at each of C0 … C12 while members give to each other; every look at the books finds them balanced."""
    die_everywhere(shop, passes=1)


@pytest.mark.nightly
@pytest.mark.long
def test_points_svc_dies_twenty_times_at_each_point_between_debit_and_credit(shop: Shop) -> None:
    """T-K06: twenty times at each of C0 … C12."""
    die_everywhere(shop, passes=sized(20))


# C13: a transfer is set aside at the receiver, and its replay dies before the commit.

REFUSE = """
CREATE FUNCTION refuse_arrival() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'poison' USING ERRCODE = '22023'; END $$;
CREATE TRIGGER refuse_arrival BEFORE INSERT ON arrival FOR EACH ROW EXECUTE FUNCTION refuse_arrival();
"""
MEND = "DROP TRIGGER refuse_arrival ON arrival; DROP FUNCTION refuse_arrival();"


@pytest.mark.fault
@pytest.mark.long
def test_a_transfer_that_was_set_aside_dies_in_its_replay(shop: Shop) -> None:
    """T-K06: C13, three replays of handovers that die before their commit; until they are taken, their points lie in clearing."""
    began = time.monotonic()
    url = shop.stack.database_url("points-svc")
    givers, lives = Givers(shop), Lives(shop, "points-svc")
    caught: list[str] = []
    with looked_at(url) as looks:
        asyncio.run(run_sql(url, REFUSE))
        givers.go_on()
        givers.go_on()
        until = Deadline(ANSWER_SECONDS_MAX)
        while len(letters := shop.services.points.dead_letters("open", 1000)) < givers.asked:
            assert not until.passed(), letters
            until.wait()
        asyncio.run(run_sql(url, MEND))
        assert {letter["topic"] for letter in letters} == {"handovers"}
        firsts = [one for one in letters if one["reason"] != "behind_a_dead_letter"]
        for letter in firsts[:3]:
            lives.begin("C13", 1)
            with pytest.raises(Unreachable):
                shop.services.points.replay(letter["id"])
            lives.until_over(lambda: None)
            if between_now(shop):
                caught.append("C13")
        lives.live_on()
        for letter in shop.services.points.dead_letters("open", 1000):
            if shop.services.points.dead_letter(letter["id"])["state"] == "open":
                shop.services.points.replay(letter["id"])
        shop.rested = False
        shop.settle()
    conclude(
        givers, looks, len(firsts[:3]), caught, numbers_of(shop.stack.kafka_bootstrap, "handovers").repeated, began
    )
