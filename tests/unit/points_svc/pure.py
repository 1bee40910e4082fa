"""Plays a script against the pure domain: one account, everything in memory, nothing to read or write."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from laurel_contracts.activities import (
    ActivityJoined,
    MemberSignedIn,
    OrderConfirmed,
    PurchaseRecorded,
    PurchaseRefunded,
    ReviewPosted,
)
from laurel_contracts.decisions import MemberFrozen, MemberRegistered
from points_svc.domain import (
    confirming,
    earning,
    expiry,
    holds,
    ledger,
    rating,
    rebuilding,
    refunds,
    replay,
    spending,
    standings,
)
from points_svc.domain.account import AVAILABLE, DEBT, HELD, SPENT, Account, Dated, Day, Hold, Payment
from points_svc.domain.calendar import local_day
from points_svc.domain.rules import Rules, rules_of
from tests.unit.points_svc.script import Activity, DayEnd, Fact, Outcome, Script, Spend, Step

MEMBER = UUID(int=1)


@dataclass
class Play:
    """One member's account while a script is played."""

    rules: Rules
    account: Account = field(default_factory=lambda: Account(MEMBER, Day(0), knows_all_lots=True))
    spendings: list[str] = field(default_factory=list)

    def step(self, step: Step) -> None:
        account = self.account
        if isinstance(step, Activity):
            self.activity(step)
        elif isinstance(step, Fact):
            ledger.open_page(account, f"standing {step.ordinal}", account.at)
            standings.learn(
                account, ordinal=step.ordinal, holds_after=step.after, tier=step.tier, why={"rule": "rated again"},
                rules={self.rules.version: self.rules}, rules_at=lambda _at: self.rules,
            )  # fmt: skip
            ledger.close_page(account)
        elif isinstance(step, DayEnd):
            if expiry.advance(account.day, step.as_of) and expiry.is_due(account, step.as_of):
                ledger.open_page(account, f"day {step.as_of.isoformat()}", step.as_of)
                expiry.expire_due(account, step.as_of, {"rule": "expiry"})
                ledger.close_page(account)
        else:
            self.spend(step)
        check(account)

    def activity(self, step: Activity) -> None:
        account, data, rules = self.account, step.data, self.rules
        if not account.activity:
            account.began_after = account.day.as_of
        account.activity = step.number
        standings.reach(account, step.number)
        account.reached = max(step.at, account.reached or step.at)
        dated = Dated(step.number, step.at, local_day(step.at, rules.zone))
        ledger.open_page(account, f"activity {step.number}", step.at)
        if isinstance(data, PurchaseRecorded):
            rating.rate_purchase(account, data, dated, rules)
        elif isinstance(data, PurchaseRefunded):
            refunds.refund(account, data, dated, rules, rules)
        elif isinstance(data, OrderConfirmed):
            confirming.confirm(account, data.order_id, dated, rules)
        elif isinstance(data, MemberSignedIn):
            earning.rate_sign_in(account, dated, rules)
        elif isinstance(data, ReviewPosted):
            earning.rate_review(account, data.photos, dated, rules)
        elif isinstance(data, ActivityJoined):
            earning.rate_joined(account, data.activity_id, dated, rules)
        elif isinstance(data, MemberRegistered):
            spending.register(account)
        elif isinstance(data, MemberFrozen):
            spending.freeze(account, data.frozen)
        ledger.close_page(account)
        standings.reach(account, step.number + 1)

    def spend(self, step: Spend) -> None:
        account, number = self.account, len(self.spendings) + 1
        ledger.open_page(account, f"spending {number}", step.now)
        made = holds.spend(
            account, UUID(int=number), step.points, step.now, why={"rule": "spending"}, order_id=step.order_id
        )
        ledger.close_page(account)
        self.spendings.append("spent" if isinstance(made, Hold) else made.kind)
        if isinstance(made, Hold):
            remember_payment(account, made)

    def outcome(self) -> Outcome:
        account = self.account
        return Outcome(
            nets={order.order_id: order.net for order in account.orders.values()},
            posted=account.posted,
            debt=account.debt,
            lots=tuple(
                (lot.expires_at, lot.remaining)
                for lot in sorted(account.lots.values(), key=lambda lot: lot.turn)
                if lot.remaining
            ),
            spendings=tuple(self.spendings),
        )


def play(script: Script) -> Play:
    """Play all steps, checking the books after each."""
    stage = Play(rules_of(script.programme))
    for step in script.steps:
        stage.step(step)
    account = stage.account
    assert rebuilding.differences(account, account.entries, account.lots, account.holds.values()) == []  # P31
    return stage


def remember_payment(account: Account, hold: Hold) -> None:
    """What the store reads from the books when an order is refunded: which lots paid for it, the last spent first."""
    if hold.order_id is not None:
        entry = next(entry for entry in reversed(account.entries) if entry.kind == SPENT)
        paid = [Payment(entry.seq, n, lot, points, 0) for n, (lot, points) in enumerate(entry.consumed, 1)]
        account.payments[hold.order_id] = paid[::-1] + account.payments.get(hold.order_id, [])


def check(account: Account) -> None:
    """The invariants that hold after every step (reliability.md 3.2)."""
    balance: dict[str, int] = {}
    for entry in account.entries:
        assert entry.amount > 0
        balance[entry.debit] = balance.get(entry.debit, 0) - entry.amount
        balance[entry.credit] = balance.get(entry.credit, 0) + entry.amount
        if entry.debit == AVAILABLE:
            assert sum(points for _, points in entry.consumed) == entry.amount
    assert sum(balance.values()) == 0
    assert account.held == balance.get(HELD, 0) == sum(h.points for h in account.holds.values() if h.state == "held")
    assert account.posted - account.held == balance.get(AVAILABLE, 0)
    assert account.posted - account.held == sum(lot.remaining for lot in account.lots.values())
    assert account.debt == -balance.get(DEBT, 0)
    assert 0 <= account.held <= account.posted
    assert account.debt >= 0
    assert all(0 <= lot.remaining <= lot.granted and lot.expired >= 0 for lot in account.lots.values())
    if account.debt:
        assert not ledger.lots_in_turn(account), "while there is debt nothing is left that is not over"
    assert [entry.seq for entry in account.entries] == list(range(1, account.seq + 1))
    assert account.earned_net == sum(order.net for order in account.orders.values())
    ladder: dict[object, int] = {}
    for lot in account.lots.values():
        if lot.remaining:
            ladder[lot.expires_at] = ladder.get(lot.expires_at, 0) + lot.remaining
    assert ladder == account.ladder
    said, books = replay.statements(account.entries, account.lots)
    assert said == account.statements
    assert {lot.lot: lot.expired for lot in account.lots.values() if lot.expired} == {
        lot: points for lot, points in books.expired.items() if points
    }
