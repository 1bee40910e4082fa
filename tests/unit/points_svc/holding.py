"""Holds in a play: what the handlers do about them, in memory."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from laurel_contracts.programme import Programme
from points_svc.domain import holds, ledger, rebuilding
from points_svc.domain.account import Hold
from points_svc.domain.rules import Rules, rules_of
from points_svc.domain.spending import Refused
from tests.unit.points_svc.pure import Play, check, remember_payment
from tests.unit.points_svc.script import Script

QUARTER = timedelta(minutes=15)


class Till(Play):
    """One member's account, and somebody at a till who holds, captures and gives up. `now` moves by hand."""

    now: datetime

    @classmethod
    def after(cls, script: Script, programme: Programme | None = None) -> Till:
        """Everything of a script has happened; the till's clock stands at its end."""
        till = cls(rules_of(programme or script.programme))
        till.now = script.now
        till.go_on(script)
        return till

    def go_on(self, script: Script) -> None:
        """The steps that were added to the script; they stay in it."""
        for step in script.steps[getattr(self, "played", 0) :]:
            self.step(step)
        self.played = len(script.steps)
        self.now = max(self.now, script.now)

    def hold(self, points: int, order_id: str | None = None, lasts: timedelta = QUARTER) -> Hold:
        made = self.try_hold(points, order_id, lasts)
        assert isinstance(made, Hold), made
        return made

    def try_hold(self, points: int, order_id: str | None = None, lasts: timedelta = QUARTER) -> Hold | Refused:
        hold_id = UUID(int=1 << 64 | len(self.account.holds))
        self.open(f"hold {hold_id}")
        why = {"rule": "hold"}
        made = holds.make(
            self.account, hold_id, points, self.now, expires_at=self.now + lasts, why=why, order_id=order_id
        )
        self.close()
        return made

    def capture(self, hold: Hold, points: int | None = None, order_id: str | None = None) -> str:
        """What came of it: "captured", or why not."""
        self.open(f"capture {hold.hold_id}")
        refused = holds.capture(
            self.account, hold, points, self.now, why={"rule": "capture"}, order_id=order_id, rules=self.versions
        )
        if refused is None:
            remember_payment(self.account, hold)
        self.close()
        return "captured" if refused is None else refused.kind

    def void(self, hold: Hold) -> str:
        self.open(f"void {hold.hold_id}")
        refused = holds.void(self.account, hold, self.now, rules=self.versions)
        self.close()
        return "voided" if refused is None else refused.kind

    def sweep(self) -> int:
        """Holds whose time is over end; how many."""
        due = holds.due(self.account, self.now)
        for hold in due:
            self.open(f"expiry {hold.hold_id}")
            holds.expire(self.account, hold, self.now, rules=self.versions)
            self.close()
        return len(due)

    @property
    def versions(self) -> dict[int, Rules]:
        """What the handlers read where points last by tier."""
        return {self.rules.version: self.rules} if self.rules.lasting else {}

    def check_rebuilt(self) -> None:
        """The entries alone give what stands."""
        account = self.account
        assert rebuilding.differences(account, account.entries, account.lots, account.holds.values()) == []

    def open(self, cause: str) -> None:
        ledger.open_page(self.account, cause, self.now)

    def close(self) -> None:
        ledger.close_page(self.account)
        check(self.account)
