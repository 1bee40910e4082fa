"""Random logs of a few members: everything that can move a standing, much of it late, days closed now and then."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from laurel_contracts.activities import (
    ActivityJoined,
    ComplaintFiled,
    MemberSignedIn,
    ProductShared,
    ReviewPosted,
    SurveyAnswered,
)
from laurel_contracts.decisions import MemberRegistered
from tests.integration.tier_svc.world import Log, purchase, refund

START = datetime(2018, 1, 1, 3, tzinfo=UTC)


def member(number: int) -> UUID:
    return UUID(int=(number * 0x9E3779B97F4A7C15) % 2**128)


class History:
    """Lays a random log: `events` numbered records over `days` days."""

    def __init__(
        self, words: dict[str, Any], *, seed: int, members: int, events: int, days: int, partitions: int = 1
    ) -> None:
        self.chance = random.Random(seed)
        self.log = Log(words["zone"], partitions)
        self.log.activate(words)
        self.members = [member(n + 1) for n in range(members)]
        self.left: dict[str, tuple[UUID, int, bool]] = {}  # order: whose, left of it, refunded by lines
        self.now = START
        step = timedelta(days=days) / events
        self.closed: date = self.log.calendar.day_of(self.now)
        for number in range(events):
            self.now += step * self.chance.uniform(0, 2)
            if self.chance.random() < 0.1:
                self._close()
            self._tell(number)
        self.now += timedelta(days=3)
        self._close()

    def _close(self) -> None:
        today = self.log.calendar.day_of(self.now)
        while self.closed < today:
            self.closed += timedelta(days=self.chance.choice((1, 1, 1, 5)))
            if self.closed <= today:
                self.log.close_day(self.log.calendar.start_of(self.closed))
        if self.chance.random() < 0.2:
            self.log.close_day(
                self.log.calendar.start_of(today - timedelta(days=4))
            )  # not later than the last: ignored

    def _tell(self, number: int) -> None:
        chance, who = self.chance, self.chance.choice(self.members)
        late = timedelta(hours=chance.choice((0, 0, 0, 0, 1, 30, 100, 167, 168, 169, 300)))
        time = self.now - late
        kind = chance.random()
        if kind < 0.55:
            amounts = [chance.choice((0, 50, 900, 2_100, 5_000, 11_000, 21_000)) for _ in range(chance.randint(1, 3))]
            categories = [chance.choice(("grocery", "grocery", "gift-card")) for _ in amounts]
            self.left[f"o{number}"] = (who, sum(amounts), len(amounts) == 1)
            self.log.tell(who, purchase(f"o{number}", *amounts, categories=categories), time)
        elif kind < 0.75:
            self._refund(number, time)
        else:
            data = chance.choice(
                (
                    MemberSignedIn(channel="app"),
                    ReviewPosted(review_id=f"r{number}", order_id="o", sku="s", rating=5),
                    ProductShared(share_id=f"s{number}", sku="s", network="n"),
                    ActivityJoined(activity_id=f"a{number}"),
                    ComplaintFiled(complaint_id=f"c{number}", kind="late"),
                    SurveyAnswered(survey_id=f"v{number}", score=3),
                    MemberRegistered(),
                )
            )
            self.log.tell(who, data, time)

    def _refund(self, number: int, time: datetime) -> None:
        open_orders = [order for order, (_, left, _) in self.left.items() if left]
        if not open_orders:
            return
        order = self.chance.choice(open_orders)
        who, left, by_line = self.left[order]
        amount = left if self.chance.random() < 0.5 else self.chance.randint(1, left)
        self.left[order] = (who, left - amount, by_line)
        self.log.tell(who, refund(order, f"f{number}", amount, line="0" if by_line else None), time)
