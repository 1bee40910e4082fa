"""A member's life in memory, through the same two passes as the service: what is told, in order, and what is granted and taken back."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from campaign_svc.domain.awards import Award, Occasion, TakenBack
from campaign_svc.domain.deciding import CauseKey, Foresight, LimitKey, Settling
from campaign_svc.domain.programme import Ruleset
from campaign_svc.domain.standings import Member, Standing
from laurel_contracts.activities import OrderLine, PurchaseRecorded, PurchaseRefunded, RefundLine
from laurel_contracts.envelope import Event, derived_id
from laurel_contracts.programme import Programme
from tests.unit.campaign_svc.programmes import reference

START = datetime(2018, 1, 1, 12, tzinfo=UTC)
ALICE = UUID(int=1)


def purchase(order_id: str, *amounts: int, **more: Any) -> PurchaseRecorded:
    """An order with a line per amount (minor units), in the categories c0, c1, …"""
    lines = tuple(
        OrderLine(line_id=str(place), sku=f"s{place}", category=f"c{place}", quantity=1, amount_minor=amount)
        for place, amount in enumerate(amounts)
    )
    return PurchaseRecorded(
        order_id=order_id, channel=more.pop("channel", "store"), currency="CNY", lines=lines, amount_minor=sum(amounts), **more
    )  # fmt: skip


@dataclass
class Life:
    """One member's stream and what campaigns made of it. Every activity is settled by itself, as in a batch of one."""

    programme: Programme = field(default_factory=reference)
    member: Member = field(default_factory=lambda: Member(ALICE, 0))
    orders: dict[tuple[UUID, str], Occasion] = field(default_factory=dict)
    granted: list[Award] = field(default_factory=list)
    taken_back: list[TakenBack] = field(default_factory=list)
    given: dict[LimitKey, int] = field(default_factory=dict)
    refunds: int = 0

    def __post_init__(self) -> None:
        self.rules = {self.programme.version: Ruleset(self.programme)}

    def tell(self, type_name: str, data: Any, *, number: int | None = None, at: datetime | None = None) -> None:
        number = number or self.member.last_seq + 1
        event = Event(
            id=f"e{number}", source="test", type=type_name, time=at or START + timedelta(hours=number),
            subject=self.member.member_id, memberseq=number, programmeversion=self.programme.version,
            localday=date(2018, 1, 1), data=data,
        )  # fmt: skip
        foresight = Foresight(self.rules, self.orders)
        foresight.go_along(self.member, number, event)
        self._settle(foresight)

    def buy(self, order_id: str, *amounts: int, **more: Any) -> None:
        self.tell("laurel.purchase.recorded.v1", purchase(order_id, *amounts, **more))

    def refund(self, order_id: str, amount_minor: int | None = None, lines: dict[str, int] | None = None) -> None:
        self.refunds += 1
        data = PurchaseRefunded(
            refund_id=f"r{self.refunds}",
            order_id=order_id,
            amount_minor=amount_minor,
            lines=tuple(
                RefundLine(line_id=line_id, quantity=1, amount_minor=amount)
                for line_id, amount in (lines or {}).items()
            ),
        )
        self.tell("laurel.purchase.refunded.v1", data)

    def stand(self, ordinal: int, tier: str, *, after: int, kind: str = "raised", before: str = "regular") -> None:
        """A standing fact arrives."""
        self.member.remember(
            Standing(ordinal, after, kind, before, tier, tier, self.programme.version, START + timedelta(hours=after))
        )
        foresight = Foresight(self.rules, self.orders)
        foresight.rise(self.member)
        self._settle(foresight)

    def rate_again(self, standing: Standing) -> None:
        foresight = Foresight(self.rules, self.orders)
        occasions = [o for o in self.orders.values() if o.number > standing.holds_after]
        foresight.rate_again(standing, sorted(occasions, key=lambda o: o.number))
        self._settle(foresight)

    def _settle(self, foresight: Foresight) -> None:
        standing: dict[CauseKey, list[Award]] = {}
        back = {taken.award.award_id for taken in self.taken_back}
        for award in self.granted:
            if award.award_id not in back:
                standing.setdefault(award.cause_key, []).append(award)
        settled = Settling(self.given, standing, {ALICE: self.member.said_number}, derived_id).settle(foresight.steps)
        for award in settled.granted:
            for tier in (None, award.tier) if award.item == 0 else ():
                key = (award.member_id, award.campaign_id, tier)
                self.given[key] = self.given.get(key, 0) + 1
        for occasion, outcomes in settled.outcomes:
            occasion.outcomes |= outcomes
        self.granted += settled.granted
        self.taken_back += settled.taken_back
        self.member.said_number = settled.said.get(ALICE, self.member.said_number)

    @property
    def awards(self) -> list[tuple[str, str]]:
        """What stands: campaign and cause."""
        back = {taken.award.award_id for taken in self.taken_back}
        return [(a.campaign_id, f"{a.cause} {a.number}") for a in self.granted if a.award_id not in back]
