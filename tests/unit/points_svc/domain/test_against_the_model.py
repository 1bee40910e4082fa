"""The pure domain beside the independent model of tests/support: the same random histories, the same net points, debt and lots."""

from __future__ import annotations

import random
from collections import Counter
from datetime import date, timedelta

import pytest

from points_svc.domain.rules import rules_of
from tests.support import model_events as told
from tests.support.model import Member
from tests.support.model_programme import reference_programme
from tests.unit.points_svc.pure import Play
from tests.unit.points_svc.script import SHANGHAI, Activity, DayEnd, Fact, Script, Spend, local, programme

CATEGORIES = ["food", "wine", "toy"]


class Pair:
    """One member twice: by the domain and by the model. The model's standing facts are known in time."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.script = Script()
        self.domain = Play(rules_of(programme()))
        self.model = Member(reference_programme(), provisional=True)
        self.facts = 0
        self.now = local(SHANGHAI, 2024, 1, 1, 9)
        self.closed = date(2024, 1, 2)
        self.left: dict[str, dict[str, int]] = {}
        self.signed_in: set[date] = set()

    def tell(self, event: told.Event) -> None:
        """The script's last step, with the same thing as the model knows it."""
        step = self.script.steps[-1]
        assert isinstance(step, Activity)
        self.model.apply(event)
        later = self._learn(before=step.number)
        self.domain.step(step)
        for fact in later:
            self.domain.step(fact)

    def _learn(self, before: int) -> list[Fact]:
        """Facts that hold for the number at once; those that hold behind it are returned."""
        new = [
            Fact(f.ordinal, f.holds_after, self.model.programme.tiers[f.tier_to].name)
            for f in self.model.facts[self.facts :]
        ]
        self.facts = len(self.model.facts)
        for fact in new:
            if fact.after < before:
                self.domain.step(fact)
        return [fact for fact in new if fact.after >= before]

    def live(self) -> None:
        """One more thing happens."""
        chance, script = self.chance, self.script
        self.now += timedelta(days=chance.random() * 12)
        while (
            chance.random() < 0.9
            and local(SHANGHAI, self.closed.year, self.closed.month, self.closed.day, 6) < self.now
        ):
            self.close()
        at = self.now - timedelta(days=chance.choice([0, 0, 0, 1, 9, 400]))
        seq = script.number + 1
        what = chance.random()
        if seq == 1:
            script.tell(_registered(), at)
            self.tell(told.Registered(seq, at))
        elif what < 0.3 and self.left:
            self.refund(seq, at)
        elif what < 0.4:
            self.sign_in(seq, at)
        elif what < 0.5:
            photos = chance.randint(0, 1)
            script.review(f"s{seq}", at=at, photos=photos)
            self.tell(told.Review(seq, at, f"v{seq}", photos))
        elif what < 0.55:
            script.join(f"a{seq}", at=at)
            self.tell(told.Joined(seq, at, f"a{seq}"))
        else:
            lines = {name: chance.randint(0, 9_000) for name in chance.sample(CATEGORIES, 2)}
            self.left[f"o{seq}"] = dict(lines)
            script.buy(sum(lines.values()), f"o{seq}", at, **lines)
            self.tell(told.Purchase(seq, at, f"o{seq}", [told.Line(n, n, n, 1, minor) for n, minor in lines.items()]))
        if chance.random() < 0.3:
            self.spend()

    def close(self) -> None:
        as_of = local(SHANGHAI, self.closed.year, self.closed.month, self.closed.day)
        self.model.close_day(as_of)
        for fact in self._learn(before=10**9):
            self.domain.step(fact)
        self.domain.step(DayEnd(as_of))
        self.closed += timedelta(days=self.chance.choice([1, 7]))

    def refund(self, seq: int, at: object) -> None:
        chance = self.chance
        order = chance.choice(sorted(self.left))
        left = self.left[order]
        if chance.random() < 0.7:
            rest = sum(left.values())
            amount = chance.choice([rest, chance.randint(0, rest)])
            del self.left[order]
            self.script.refund(order, amount, at)  # type: ignore[arg-type]
            self.tell(told.Refund(seq, at, f"r{seq}", order, (), amount))  # type: ignore[arg-type]
        else:
            name = chance.choice(sorted(left))
            amount = chance.randint(0, left[name])
            left[name] -= amount
            self.script.refund(order, None, at, **{name: amount})  # type: ignore[arg-type]
            self.tell(told.Refund(seq, at, f"r{seq}", order, ((name, amount),)))  # type: ignore[arg-type]

    def sign_in(self, seq: int, at: object) -> None:
        day = at.astimezone(SHANGHAI).date()  # type: ignore[attr-defined]
        if day not in self.signed_in:
            self.signed_in.add(day)
            self.script.sign_in(at)  # type: ignore[arg-type]
            self.tell(told.SignIn(seq, at))  # type: ignore[arg-type]

    def spend(self) -> None:
        points = self.chance.choice([1, 50, 500, max(1, self.model.available)])
        order = self.chance.choice([None, *sorted(self.left)])
        at = self.model.clock
        assert at is not None
        self.model.spend(points, at=at, order_id=order)
        self.domain.step(Spend(points, at, order))

    def differences(self) -> list[str]:
        account, model = self.domain.account, self.model
        nets = {order.order_id: order.net for order in account.orders.values()}
        lots = Counter((lot.expires_at, lot.remaining) for lot in account.lots.values() if lot.remaining)
        expected = Counter((lot.expires_at, lot.remaining) for lot in model.lots if lot.remaining)
        refused = [spending.refused is None for spending in model.ledger.spendings]
        found = {
            "nets": nets == model.net_points(),
            "debt": account.debt == model.debt,
            "lots": lots == expected,
            "spendings": [result == "spent" for result in self.domain.spendings] == refused,
        }
        return [name for name, equal in found.items() if not equal]


def _registered() -> object:
    from laurel_contracts.decisions import MemberRegistered

    return MemberRegistered()


@pytest.mark.parametrize("block", range(4))
def test_no_difference_after_any_step_of_many_histories(block: int) -> None:
    kinds: Counter[str] = Counter()
    for seed in range(block * 15, block * 15 + 15):
        pair = Pair(seed)
        for step in range(70):
            pair.live()
            assert pair.differences() == [], f"seed {seed}, step {step}"
        kinds.update(entry.kind for entry in pair.domain.account.entries)
    assert min(kinds[kind] for kind in ("earned", "taken_back", "given_back", "spent", "expired", "repaid")) > 0
