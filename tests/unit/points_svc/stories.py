"""The worked examples of domain.md 3.6 as scripts, each with what must come out; played by the unit and the integration tests alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from tests.unit.points_svc.script import NEW_YORK, SHANGHAI, Outcome, Script, local, programme


@dataclass(frozen=True)
class Story:
    """A script and its promise: net points per order, posted, debt, and the ends of the lots that hold anything."""

    name: str
    script: Script
    nets: dict[str, int]
    posted: int
    debt: int = 0
    spendings: tuple[str, ...] = ()
    expires: tuple[object, ...] | None = None

    def holds(self, outcome: Outcome) -> None:
        assert outcome.nets == self.nets
        assert (outcome.posted, outcome.debt) == (self.posted, self.debt)
        assert outcome.spendings == self.spendings
        if self.expires is not None:
            assert tuple(at for at, _ in outcome.lots) == self.expires


STORIES: list[Story] = []


def story(name: str) -> Callable[[Callable[[], Story]], Callable[[], Story]]:
    def keep(write: Callable[[], Story]) -> Callable[[], Story]:
        STORIES.append(write())
        assert STORIES[-1].name == name
        return write

    return keep


@story("P1: a regular member who buys for 99.99 gets 99 points")
def p1() -> Story:
    s = Script()
    s.buy(9999)
    return Story("P1: a regular member who buys for 99.99 gets 99 points", s, {"o1": 99}, 99)


@story("P2: a silver member who buys for 99.99 gets 119 points")
def p2() -> Story:
    s = Script()
    s.stand("silver", after=0)
    s.buy(9999)
    return Story("P2: a silver member who buys for 99.99 gets 119 points", s, {"o1": 119}, 119)


@story("P3: the order that lifts to silver earns at regular, the next at silver")
def p3() -> Story:
    s = Script()
    s.buy(25000, "o1")
    s.stand("silver")
    s.buy(10000, "o2")
    name = "P3: the order that lifts to silver earns at regular, the next at silver"
    return Story(name, s, {"o1": 250, "o2": 120}, 370)


@story("P3 with the fact known before the order it follows")
def p3_ahead() -> Story:
    s = Script()
    s.stand("silver", after=1)
    s.buy(25000, "o1")
    s.buy(10000, "o2")
    return Story("P3 with the fact known before the order it follows", s, {"o1": 250, "o2": 120}, 370)


@story("P4: tier-svc comes later; the second order is rated again")
def p4() -> Story:
    s = Script()
    s.buy(25000, "o1")
    s.buy(10000, "o2")
    s.stand("silver", after=1)
    return Story("P4: tier-svc comes later; the second order is rated again", s, {"o1": 250, "o2": 120}, 370)


@story("P4 before the catch-up")
def p4_before() -> Story:
    s = Script()
    s.buy(25000, "o1")
    s.buy(10000, "o2")
    return Story("P4 before the catch-up", s, {"o1": 250, "o2": 100}, 350)


for _n, _left in enumerate((66, 33, 0), 1):

    def _p5(n: int = _n, left: int = _left) -> Story:
        s = Script()
        s.buy(9999)
        for _ in range(n):
            s.refund(amount=3333)
        return Story(f"P5: after {n} refunds of a third {left} points are left", s, {"o1": left}, left)

    STORIES.append(_p5())


@story("P6: spent points that are taken back become debt, which the next award repays")
def p6() -> Story:
    s = Script()
    s.register()
    s.buy(9999)
    s.spend(60)
    s.refund(amount=9999)
    s.spend(1)
    s.buy(10000, "o2")
    s.spend(41)
    s.spend(40)
    name = "P6: spent points that are taken back become debt, which the next award repays"
    spendings = ("spent", "in_debt", "insufficient_points", "spent")
    return Story(name, s, {"o1": 0, "o2": 100}, 0, 0, spendings)


@story("P6 in between: 39 are taken, 60 are owed")
def p6_between() -> Story:
    s = Script()
    s.register()
    s.buy(9999)
    s.spend(60)
    s.refund(amount=9999)
    return Story("P6 in between: 39 are taken, 60 are owed", s, {"o1": 0}, 0, 60, ("spent",))


@story("P7: signs in before and after local midnight: 5 and 5, a streak of 2")
def p7() -> Story:
    s = Script()
    s.sign_in(local(SHANGHAI, 2025, 3, 3, 23, 59))
    s.sign_in(local(SHANGHAI, 2025, 3, 4, 0, 1))
    return Story("P7: signs in before and after local midnight: 5 and 5, a streak of 2", s, {}, 10)


@story("P9: earned on 31 January at noon, expires on 1 February a year on")
def p9() -> Story:
    s = Script()
    s.buy(10000, at=local(SHANGHAI, 2025, 1, 31, 12))
    ends = (local(SHANGHAI, 2026, 2, 1),)
    name = "P9: earned on 31 January at noon, expires on 1 February a year on"
    return Story(name, s, {"o1": 100}, 100, expires=ends)


@story("P10: January in New York is January, whatever the date in UTC")
def p10() -> Story:
    s = Script(NEW_YORK, programme(NEW_YORK))
    s.buy(10000, at=local(SHANGHAI, 2025, 2, 1, 10))  # 02:00Z
    ends = (local(NEW_YORK, 2026, 2, 1),)
    name = "P10: January in New York is January, whatever the date in UTC"
    return Story(name, s, {"o1": 100}, 100, expires=ends)


for _closed in (True, False):

    def _p11(closed: bool = _closed) -> Story:
        s = Script()
        s.buy(10000, at=local(SHANGHAI, 2025, 1, 15, 12))
        if closed:
            s.close_day(date(2026, 2, 1))
        s.refund(amount=10000, at=local(SHANGHAI, 2026, 2, 2, 12))
        name = f"P11: expired unspent, then refunded whole, the day {'closed' if closed else 'not closed'}"
        return Story(name, s, {"o1": 0}, 0, 0)

    STORIES.append(_p11())


@story("P12: a second sign-in on one local day, should it ever be numbered, moves nothing")
def p12() -> Story:
    s = Script()
    s.sign_in(local(SHANGHAI, 2025, 3, 3, 9))
    s.sign_in(local(SHANGHAI, 2025, 3, 3, 21))
    name = "P12: a second sign-in on one local day, should it ever be numbered, moves nothing"
    return Story(name, s, {}, 5)


@story("an order that was partly refunded is rated again with what is left of it")
def rerated_after_refund() -> Story:
    s = Script()
    s.buy(25000, "o1")
    s.buy(10000, "o2")
    s.refund("o2", amount=5000)
    s.stand("gold", after=1)
    name = "an order that was partly refunded is rated again with what is left of it"
    return Story(name, s, {"o1": 250, "o2": 75}, 325)


@story("a standing that falls late takes points back, from elsewhere where they are spent")
def rerated_down() -> Story:
    s = Script()
    s.register()
    s.stand("gold", after=0)
    s.buy(10000, "o1")
    s.spend(150)
    s.stand("silver", after=1)
    name = "a standing that falls late takes points back, from elsewhere where they are spent"
    return Story(name, s, {"o1": 120}, 0, 30, ("spent",))


@story("points spent on a refunded order come back into their lot")
def returned() -> Story:
    s = Script()
    s.register()
    s.buy(10000, "o1")
    s.buy(4000, "o2")
    s.spend(90, order_id="o2")
    s.refund("o2", amount=2000)
    name = "points spent on a refunded order come back into their lot"
    # 140 earned, 90 spent; half of o2: 20 taken back, 45 come back.
    return Story(name, s, {"o1": 100, "o2": 20}, 75, 0, ("spent",))


@story("points that come back after their lot is over last until the 31st local day")
def returned_late() -> Story:
    s = Script()
    s.register()
    s.buy(10000, "o1", at=local(SHANGHAI, 2025, 1, 15, 12))
    s.buy(0, "o2", at=local(SHANGHAI, 2025, 1, 15, 13))
    s.buy(4000, "o3", at=local(SHANGHAI, 2026, 1, 15, 13))
    s.spend(100, order_id="o3")
    s.refund("o3", amount=2000, at=local(SHANGHAI, 2026, 2, 3, 12))
    ends = (local(SHANGHAI, 2026, 3, 6), local(SHANGHAI, 2027, 2, 1))
    name = "points that come back after their lot is over last until the 31st local day"
    return Story(name, s, {"o1": 100, "o2": 0, "o3": 20}, 70, 0, ("spent",), ends)


@story("what is over by the clock is not taken for another order, swept or not")
def over_is_left_alone() -> Story:
    s = Script()
    s.register()
    s.buy(5000, "o1", at=local(SHANGHAI, 2025, 1, 15, 12))
    s.buy(10000, "o2", at=local(SHANGHAI, 2025, 6, 15, 12))
    s.spend(150)
    s.buy(3000, "o3", at=local(SHANGHAI, 2025, 1, 20, 12))  # late, over a year on
    s.refund("o2", amount=10000, at=local(SHANGHAI, 2026, 2, 2, 12))
    name = "what is over by the clock is not taken for another order, swept or not"
    return Story(name, s, {"o1": 50, "o2": 0, "o3": 30}, 30, 100, ("spent",))


@story("an order that is rated up after its lot has been expired: the difference expires at once")
def raised_after_expiry() -> Story:
    s = Script()
    s.buy(10000, "o1", at=local(SHANGHAI, 2025, 1, 15, 12))
    s.close_day(date(2026, 2, 1))
    s.stand("silver", after=0)
    name = "an order that is rated up after its lot has been expired: the difference expires at once"
    return Story(name, s, {"o1": 120}, 0)


@story("a lot that is earned after its expiry stays until the next day is closed")
def earned_after_expiry() -> Story:
    s = Script()
    s.join("first", at=local(SHANGHAI, 2025, 12, 15, 12))
    s.close_day(date(2026, 3, 1))
    s.buy(10000, "o1", at=local(SHANGHAI, 2025, 1, 15, 12))
    name = "a lot that is earned after its expiry stays until the next day is closed"
    return Story(name, s, {"o1": 100}, 130)


@story("and expires with it")
def earned_after_expiry_swept() -> Story:
    s = Script()
    s.join("first", at=local(SHANGHAI, 2025, 12, 15, 12))
    s.close_day(date(2026, 3, 1))
    s.buy(10000, "o1", at=local(SHANGHAI, 2025, 1, 15, 12))
    s.close_day(date(2026, 3, 2))
    return Story("and expires with it", s, {"o1": 100}, 30)
