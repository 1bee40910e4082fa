"""Stored value in memory: what the handlers do with one wallet, on the pure domain."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from laurel_contracts.programme import Programme, StoredValueRule
from points_svc.domain import holds, ledger, rebuilding, stored_value
from points_svc.domain.account import NO_LANE, REDEEMED, Account, Day, Entry, Hold, Payment
from points_svc.domain.rules import Rules, rules_of
from points_svc.domain.spending import Refused
from points_svc.domain.stored_value import CASH, Owner
from tests.unit.points_svc.script import programme

WALLET = UUID(int=2)
REGISTERED = Owner(active=True, frozen=False)
WHY = {"rule": "test"}


def with_value(**rule: object) -> Programme:
    """The reference programme with something said about stored value."""
    return msgspec.structs.replace(programme(), stored_value=StoredValueRule(**rule))  # type: ignore[arg-type]


class Wallet:
    """One wallet, and somebody at a till. `say`: "done", or why not."""

    def __init__(self, now: datetime, **rule: object) -> None:
        self.now = now
        self.rules: Rules = rules_of(with_value(**rule))
        self.account = Account(WALLET, Day(NO_LANE), knows_all_lots=True)
        self.made: list[Hold] = []
        self.places: dict[UUID, list[Payment]] = {}
        self.owner = REGISTERED
        self.causes = 0

    def rule(self, **rule: object) -> None:
        """Another version of the programme comes into force; what was given keeps its end."""
        self.rules = rules_of(with_value(**rule))

    def look(self) -> None:
        """What every request sees first: what is over has ended."""
        for hold in holds.due(self.account, self.now):
            self._open(f"expiry {hold.hold_id}")
            holds.expire(self.account, hold, self.now)
            ledger.close_page(self.account)
        stored_value.expire(self.account, self.now)

    def top_up(self, paid: int, bonus: int = 0) -> str:
        self._open("top-up")
        return self._say(
            stored_value.top_up(self.account, paid, bonus, self.now, owner=self.owner, rules=self.rules, why=WHY)
        )

    def hold(self, amount: int, lasts: timedelta, *, at_once: bool = False) -> str:
        hold_id = UUID(int=1 << 64 | len(self.made))
        self._open("hold")
        if at_once:
            made = stored_value.pay(
                self.account, hold_id, amount, self.now, owner=self.owner, rules=self.rules, why=WHY, order_id=None
            )
        else:
            made = stored_value.hold(
                self.account, hold_id, amount, self.now, lasts=lasts, owner=self.owner, rules=self.rules, why=WHY,
                order_id=None,
            )  # fmt: skip
        if isinstance(made, Hold):
            self.made.append(made)
            self._remember(made)
        return self._say(made if isinstance(made, Refused) else None)

    def pay(self, amount: int) -> str:
        return self.hold(amount, timedelta(), at_once=True)

    def capture(self, number: int, amount: int | None = None) -> str:
        self._open("capture")
        hold = self.made[number]
        no = stored_value.capture(self.account, hold, amount, self.now, owner=self.owner, why=WHY, order_id=None)
        self._remember(hold)
        return self._say(no)

    def void(self, number: int) -> str:
        self._open("void")
        return self._say(holds.void(self.account, self.made[number], self.now))

    def refund(self, number: int, amount: int | None = None) -> str:
        payment = self.made[number]
        self._open("refund")
        places = self.places.get(payment.hold_id, [])
        return self._say(
            stored_value.refund(
                self.account, payment, places, amount, self.now, paid_out=self._paid_out(), rules=self.rules, why=WHY
            )
        )

    def cash_out(self, amount: int | None = None) -> str:
        self._open("cash-out")
        return self._say(
            stored_value.cash_out(self.account, amount, self.now, owner=self.owner, rules=self.rules, why=WHY)
        )

    def figures(self) -> tuple[int, int, int]:
        """Paid and bonus value that can be spent, and what is held."""
        value = stored_value.value_at(self.account, self.now)
        return value.paid, value.bonus, self.account.held

    def by_account(self) -> Counter[str]:
        """The trial balance of the entries."""
        sides: Counter[str] = Counter()
        for entry in self.account.entries:
            sides[entry.credit] += entry.amount
            sides[entry.debit] -= entry.amount
        return sides

    def check(self) -> None:
        """The books are whole: they sum to zero, and everything can be rebuilt from the entries."""
        assert sum(self.by_account().values()) == 0
        account = self.account
        assert rebuilding.differences(account, account.entries, account.lots, account.holds.values()) == []

    def _paid_out(self) -> Counter[int]:
        """As the store reads it from the entries."""
        out: Counter[int] = Counter()
        for entry in self.account.entries:
            if entry.credit == CASH and entry.why["bonus_on_cash_out"] == "forfeit":
                out.update(dict(entry.consumed))
        return out

    def _open(self, what: str) -> None:
        self.causes += 1
        ledger.open_page(self.account, f"{what} {self.causes}", self.now)

    def _say(self, no: Refused | None) -> str:
        ledger.close_page(self.account)
        return "done" if no is None else no.kind

    def _remember(self, hold: Hold) -> None:
        """Which lots paid, as the store reads it from the entries."""
        paid: list[Entry] = [
            entry for entry in self.account.entries if entry.cause == hold.ended_by and entry.credit == REDEEMED
        ]
        if paid and hold.hold_id not in self.places:
            self.places[hold.hold_id] = [
                Payment(paid[0].seq, place, lot, amount, 0) for place, (lot, amount) in enumerate(paid[0].consumed, 1)
            ]
