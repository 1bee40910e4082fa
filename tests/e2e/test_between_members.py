"""What crosses between members through the real stack: door, Kafka, points-svc's own topic and back; with points-svc killed in between."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import httpx
import pytest

from tests.support.reports import purchase_report, refund_report, share_report
from tests.support.shop import Deadline, Report, Shop, open_shop, reference

pytestmark = pytest.mark.long

REFERRERS = 4
FRIENDS = 12


def enrol(shop: Shop, card: str, by: UUID | None = None) -> UUID:
    body = {
        "identifiers": [{"kind": "card", "value": card}], "time": "2024-05-01T08:00:00+00:00",
        "referrer_id": str(by) if by else None,
    }  # fmt: skip
    answer = httpx.post(f"{shop.url('member-svc')}/v1/members", json=body, timeout=30.0)
    answer.raise_for_status()
    shop.rested = False
    return UUID(answer.json()["member_id"])


def sale(order: str, card: str, day: int, share: str | None = None) -> Report:
    time = f"2024-05-{day:02d}T10:00:00+00:00"
    report = purchase_report("web", order, time, card, order, [1000], currency="USD", channel="online")
    return report | {"data": report["data"] | {"share_id": share}} if share else report


def give(shop: Shop, sender: UUID, receiver: UUID, points: int, key: str) -> Any:
    url = f"{shop.url('points-svc')}/v1/members/{sender}/transfers"
    body = {"points": points, "to_member_id": str(receiver)}
    until = Deadline(60.0)
    while True:
        try:
            answer = httpx.post(url, json=body, headers={"Idempotency-Key": key}, timeout=10.0)
        except httpx.TransportError:
            answer = None
        if answer is not None and answer.status_code == 201:
            shop.rested = False
            return answer.json()
        assert not until.passed(), answer
        until.wait()


def test_transfers_shares_and_referrals_arrive_once_though_points_svc_is_killed() -> None:
    """Broken by a topic that nobody makes, by a partition that is not the receiver's, by a saying that is lost or told twice at a kill."""
    with open_shop(reference(campaigns=False), partitions=4, clock="2024-05-20T12:00:00+00:00") as shop:
        hosts = [enrol(shop, f"host-{n}") for n in range(REFERRERS)]
        friends = [enrol(shop, f"friend-{n}", hosts[n % REFERRERS]) for n in range(FRIENDS)]
        shop.report([
            *(share_report("app", f"e{n}", "2024-05-02T10:00:00+00:00", f"host-{n}", f"s{n}", "sku") for n in range(4)),
            *(sale(f"o{n}", f"friend-{n}", 3, f"s{n % 4}" if n < 8 else None) for n in range(FRIENDS)),
            *(sale(f"p{n}", f"host-{n}", 4) for n in range(4)),
            refund_report("web", "r0", "2024-05-05T10:00:00+00:00", "o11", "r0", 1000),
        ])  # fmt: skip
        shop.settle()
        shop.services.member.close_day("2024-05-19T04:00:00+00:00")
        shop.rested = False
        shop.stack.kill_service("points-svc")
        shop.stack.start_service("points-svc")
        shop.settle()

        def posted(member: UUID) -> int:
            return int(shop.services.points.balance(member)["posted"])

        # own purchase 10, a share followed 50, three friends at 200 (of the last host's one has given everything back)
        assert [posted(host) for host in hosts] == [660, 660, 660, 460]
        assert [posted(friend) for friend in friends] == [110] * 11 + [0]
        sent = []
        for n in range(20):
            sent.append(give(shop, hosts[n % 4], friends[(n * 5) % FRIENDS], 10, f"transfer-{n:012d}"))
            if n % 7 == 3:
                shop.stack.kill_service("points-svc")
                shop.stack.start_service("points-svc")
        shop.settle()
        url = f"{shop.url('points-svc')}/v1/transfers"
        states = [httpx.get(f"{url}/{one['transfer_id']}", timeout=10.0).json()["state"] for one in sent]
        assert states == ["arrived"] * 20
        assert sum(posted(host) for host in hosts) == 2440 - 200
        assert sum(posted(friend) for friend in friends) == 1210 + 200
        proof = shop.trial_balance()
        assert (proof["sum"], set(proof["invariants"].values())) == (0, {0})
        assert proof["by_account"].get("clearing", 0) == 0
        assert shop.dead_letters() == []
