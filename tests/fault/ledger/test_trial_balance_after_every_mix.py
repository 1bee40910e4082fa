"""Whatever happens, in whatever order: after every single step the books add up.

INVARIANT: the sum over all accounts is 0, an account is the sum of its entries and its lots, after each step of whom it may have concerned;
of everybody, and everything else that the trial balance asks, after every fiftieth.
What would break it: any change of a balance without an entry, or an entry without a change.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from tests.fault.report import record, seed_of
from tests.integration.points_svc.books import Books, ended, stood, told
from tests.integration.points_svc.till import Checkout, open_checkout
from tests.unit.points_svc.script import SHANGHAI, Activity, Fact, Script, programme

pytestmark = pytest.mark.fault

SEED = 506
MEMBERS = 12
EVERYTHING_EVERY = 50
TIERS = ("silver", "gold", "diamond")

# Of these members: the sum of all sides, and whoever's account is not the sum of his entries or of his lots.
ADDS_UP = text("""
WITH sides AS (
  SELECT member_id, credit AS side, amount FROM transfer WHERE member_id = ANY(:ids)
  UNION ALL SELECT member_id, debit, -amount FROM transfer WHERE member_id = ANY(:ids)),
moved AS (
  SELECT member_id, coalesce(sum(amount) FILTER (WHERE side IN ('available', 'held')), 0) AS posted,
    coalesce(sum(amount) FILTER (WHERE side = 'held'), 0) AS held, -coalesce(sum(amount) FILTER (WHERE side = 'debt'), 0) AS debt,
    sum(amount) AS total FROM sides GROUP BY member_id),
lots AS (SELECT member_id, sum(remaining) AS free FROM lot WHERE member_id = ANY(:ids) GROUP BY member_id)
SELECT count(*) FROM account a LEFT JOIN moved m USING (member_id) LEFT JOIN lots l USING (member_id)
WHERE a.member_id = ANY(:ids) AND (
  coalesce(m.total, 0) <> 0 OR a.posted <> coalesce(m.posted, 0) OR a.held <> coalesce(m.held, 0)
  OR a.debt <> coalesce(m.debt, 0) OR a.posted - a.held <> coalesce(l.free, 0))
""")


class Mix:
    """Members, what they have bought, what they hold."""

    def __init__(self, books: Books, till: Checkout, rng: random.Random) -> None:
        self.books, self.till, self.rng = books, till, rng
        self.scripts = {UUID(int=n + 1): Script() for n in range(MEMBERS)}
        self.left: dict[UUID, dict[str, int]] = {member: {} for member in self.scripts}
        self.holds: list[str] = []
        self.did: Counter[str] = Counter()

    async def tell(self, member: UUID) -> None:
        step = self.scripts[member].steps[-1]
        if isinstance(step, Activity):
            await self.books.apply([told(step, member, SHANGHAI)])
            self.till.clock.at = max(self.till.clock.at, step.at)
        else:
            assert isinstance(step, Fact)
            await self.books.apply([stood(step, member)])

    async def step(self) -> list[UUID]:
        """One thing happens; whom it may have concerned."""
        rng = self.rng
        member = rng.choice(list(self.scripts))
        script, left = self.scripts[member], self.left[member]
        act = rng.choices(
            ["buy", "refund", "stand", "sign in", "hold", "capture", "void", "spend", "wait", "sweep", "close"],
            [20, 15, 4, 5, 20, 10, 8, 10, 5, 4, 4],
        )[0]
        if act == "buy":
            order = f"o{member.int}-{script.number}"
            left[order] = rng.randint(0, 20_000)
            script.buy(left[order], order, self.later())
            await self.tell(member)
        elif act == "refund" and left:
            order = rng.choice(list(left))
            amount = rng.choice([left[order], rng.randint(0, left[order])])
            left[order] -= amount
            script.refund(order, amount, self.later())
            await self.tell(member)
        elif act == "stand":
            script.stand(rng.choice(TIERS), after=rng.randint(0, script.number))
            await self.tell(member)
        elif act == "sign in":
            script.sign_in(self.later())
            await self.tell(member)
        elif act == "hold":
            answer = await self.till.hold(rng.randint(1, 200), member, seconds=rng.choice([60, 900, 86_400]))
            if answer.status_code == 201:
                self.holds.append(answer.json()["hold_id"])
        elif act in ("capture", "void") and self.holds:
            hold = rng.choice(self.holds[-20:])
            for_order = rng.choice([None, *left])
            more = {} if for_order is None else {"order_id": for_order}
            await (self.till.void(hold) if act == "void" else self.till.capture(hold, **more))
        elif act == "spend":
            await self.till.spend(rng.randint(1, 100), member, **({"order_id": rng.choice(list(left))} if left else {}))
        elif act == "wait":
            self.till.clock.move(timedelta(minutes=rng.choice([1, 20, 60 * 24 * 3])))
        elif act == "sweep":
            await self.till.sweep()
        elif act == "close":
            midnight = self.till.clock.at.astimezone(SHANGHAI).replace(hour=0, minute=0, second=0, microsecond=0)
            await self.books.apply([ended(midnight)])
        self.did[act] += 1
        alone = act in {"buy", "refund", "stand", "sign in", "hold", "spend"}
        return [member] if alone else list(self.scripts)

    async def off(self, members: list[UUID]) -> int:
        """How many of them do not add up."""
        async with self.books.database.reading() as tx:
            return int((await tx.run(ADDS_UP, ids=members)).scalar_one())

    def later(self) -> datetime:
        return self.till.clock.at + timedelta(seconds=self.rng.randint(1, 3_600))


async def mixes(books: Books, steps: int) -> None:
    seed = seed_of("T-L06", SEED)
    began = time.monotonic()
    await books.load(programme())
    wrong: list[str] = []
    async with open_checkout(books) as till:
        mix = Mix(books, till, random.Random(seed))
        for member, script in mix.scripts.items():
            script.register()
            await mix.tell(member)
        for n in range(steps):
            off = await mix.off(await mix.step())
            broken = await books.broken() if n % EVERYTHING_EVERY == 0 or n == steps - 1 else {}
            if off or broken:
                wrong.append(f"after step {n}: {off} accounts, {broken}")
    is_held = not wrong and len(mix.did) == 11
    figure = f"{steps:,} steps of {len(mix.did)} kinds ({mix.did.most_common(3)} …): {len(wrong)} times not 0"
    record("T-L06", figure, "always 0", is_held, seed, time.monotonic() - began)
    assert is_held, (figure, wrong[:3])


async def test_the_books_add_up_after_each_of_many_steps(books: Books) -> None:
    """T-L06: 150 steps."""
    await mixes(books, 150)


@pytest.mark.long
@pytest.mark.full
async def test_the_books_add_up_after_each_of_ten_thousand_steps(books: Books) -> None:
    """T-L06: 10,000 steps."""
    await mixes(books, 10_000)
