"""A few members of their own on books that others use too, told and asked exactly as the model of the town is: each step happens here to
the service and there to the model, and the answers are compared at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text

from laurel_contracts.activities import OrderLine, ProductShared, PurchaseRecorded
from laurel_contracts.decisions import MemberFrozen, MemberRegistered
from laurel_contracts.envelope import HEADER_ID, HEADER_TYPE
from laurel_contracts.handovers import BonusDue, PointsHandedBack, PointsHandedOver
from laurel_contracts.registry import decoder
from laurel_kit.hearing import RawRecord
from laurel_kit.postgres import Transaction
from points_svc.handlers.sweep_lots import sweep_lots
from points_svc.store import PointsStore
from tests.integration.points_svc.books import Books, ended, stood, told
from tests.integration.points_svc.till import Checkout
from tests.support.model_calendar import local_day, start_of_day
from tests.support.model_events import Line
from tests.support.model_town import Town
from tests.unit.points_svc.script import SHANGHAI, Activity, Fact, Script

BEGINS = datetime(2025, 3, 3, 4, tzinfo=UTC)
TIERS = ("regular", "silver", "gold", "diamond")
LEAST = timedelta(seconds=1)

# What was said between members since, in its order.
SAID = text(
    "SELECT id, partition, key, type, event_id, body FROM outbox WHERE topic = 'handovers' AND id > :after ORDER BY id"
)
# Everything about these members that is compared, as rows of text: what it is, whose, and figures.
STANDS = text("""
SELECT 'account', a.member_id, concat_ws(' ', a.posted, a.held, a.debt) FROM account a WHERE a.member_id = ANY(:ids)
UNION ALL
SELECT 'lots', l.member_id, concat_ws(' ', extract(epoch FROM l.expires_at)::bigint, extract(epoch FROM l.earned_at)::bigint,
  sum(l.remaining), sum(l.expired)) FROM lot l WHERE l.member_id = ANY(:ids) GROUP BY l.member_id, l.expires_at, l.earned_at
  HAVING sum(l.remaining) + sum(l.expired) > 0
UNION ALL
SELECT 'hold', h.member_id, concat_ws(' ', h.hold_id, h.state, h.captured) FROM hold h
  WHERE h.member_id = ANY(:ids) AND NOT h.hold_id = ANY(:not_holds)
UNION ALL
SELECT 'net', p.member_id, concat_ws(' ', p.order_id, p.net) FROM purchase p WHERE p.member_id = ANY(:ids)
UNION ALL
SELECT 'handover', h.member_id, concat_ws(' ', h.handover_id, h.state, a.handover_id IS NOT NULL AND a.because IS NULL)
  FROM handover h LEFT JOIN arrival a USING (handover_id) WHERE h.member_id = ANY(:ids)
""")
# Kinds of entries; what was spent on an order that has been refunded since comes back under a name of its own here.
KINDS = text("""
SELECT CASE WHEN debit = 'redeemed' THEN 'returned' ELSE kind END, count(*) FROM transfer WHERE member_id = ANY(:ids) GROUP BY 1
""")


def seconds(at: datetime) -> int:
    return int(at.timestamp())


class Street:
    """See the module. `number` keeps its members, keys, orders and partitions apart from those of other streets."""

    def __init__(self, books: Books, till: Checkout, town: Town, number: int) -> None:
        self.books, self.till, self.town, self.number = books, till, town, number
        self.now = BEGINS
        self.scripts: dict[int, Script] = {}
        self.left: dict[int, dict[str, int]] = {}
        self.holds: list[tuple[int, str]] = []
        self.facts: Counter[int] = Counter()
        self.asked = 0
        self.behind: set[int] = set()  # whom a closed day has not come to yet
        self.said: dict[UUID, RawRecord] = {}  # by their own ids, in their order
        self.names: dict[UUID, tuple[str, str]] = {}  # what the model calls them
        self.waiting: list[UUID] = []
        self.after = 0
        self.spendings: set[UUID] = set()
        self.seen: Counter[str] = Counter()

    def id_of(self, name: int) -> UUID:
        return UUID(int=self.number << 32 | name + 1)

    def name_of(self, member: UUID) -> int:
        return (member.int & 0xFFFFFFFF) - 1

    def partition(self, name: int) -> int:
        return self.number * 2 + name % 2

    # What is told.

    async def tell(self, name: int, data: Any, late: timedelta = timedelta(0)) -> datetime:
        at = self._moment(late)
        script = self.scripts.setdefault(name, Script())
        script.tell(data, at)
        await self._last(name)
        return at

    async def _last(self, name: int) -> None:
        step = self.scripts[name].steps[-1]
        assert isinstance(step, Activity)
        self.behind.discard(name)
        await self.books.apply([told(step, self.id_of(name), SHANGHAI, partition=self.partition(name))])

    async def register(self, name: int, referrer: int | None) -> None:
        by = None if referrer is None else self.id_of(referrer)
        self.town.register(name, await self.tell(name, MemberRegistered(referrer_id=by)), referrer)

    async def freeze(self, name: int, *, frozen: bool) -> None:
        at = await self.tell(name, MemberFrozen(frozen=frozen, reason="lost card", actor="staff"))
        self.town.freeze(name, at, frozen=frozen)

    async def share(self, name: int, late: timedelta) -> None:
        share_id = self._share(len(self.town.shares))
        at = await self.tell(name, ProductShared(share_id=share_id, sku="4711", network="chat"), late)
        self.town.share(name, at, share_id)

    async def buy(self, name: int, amount: int, late: timedelta, share: int | None) -> None:
        """`share`: the number of one, known by now or the next one."""
        order = f"{self.number}-{name}-{self.town.person(name).number}"
        share_id = None if share is None else self._share(share % (len(self.town.shares) + 1))
        line = OrderLine(line_id="food", sku="food", category="food", quantity=1, amount_minor=amount)
        data = PurchaseRecorded(
            order_id=order, channel="store", currency="CNY", lines=(line,), amount_minor=amount, share_id=share_id
        )
        at = await self.tell(name, data, late)
        self.left.setdefault(name, {})[order] = amount
        self.town.buy(name, at, order, [Line("food", "food", "food", 1, amount)], share_id)

    async def refund(self, name: int, which: int, tenths: int, late: timedelta) -> None:
        """`which`: -1 for the latest order."""
        orders = [order for order, left in self.left.get(name, {}).items() if left]
        if not orders:
            return
        order = orders[-1] if which < 0 else orders[which % len(orders)]
        amount = max(1, self.left[name][order] * tenths // 10)
        self.left[name][order] -= amount
        at = self._moment(late)
        self.scripts[name].refund(order, amount, at)
        await self._last(name)
        self.town.refund(name, at, order, amount)

    async def stand(self, name: int, back: int, tier: int) -> None:
        number = self.town.person(name).number
        if not number:
            return
        self.facts[name] += 1
        fact = Fact(self.facts[name], max(0, number - back), TIERS[tier])
        self.behind.discard(name)
        await self.books.apply([stood(fact, self.id_of(name), self.partition(name), self.now)])
        self.town.stand(name, fact.after, tier)

    async def close_day(self, partitions: Sequence[int], days: int, *, lazy: bool) -> None:
        day = local_day(self.now - timedelta(days=days), SHANGHAI)
        as_of = start_of_day(day, SHANGHAI)
        names = [name for name in self.town.people if name % 2 in partitions]
        await self.books.apply([ended(as_of, partition=self.number * 2 + partition) for partition in partitions])
        for place in partitions:
            self.town.close_day(place, [name for name in names if name % 2 == place], as_of)
        self.behind |= set(names)
        if not lazy:
            await self.sweep_lots()

    async def sweep_lots(self) -> None:
        async def work(tx: Transaction) -> int:
            return await sweep_lots(100, PointsStore(tx, self.books.shelf))

        while await self.books.database.in_transaction(work):
            pass
        self.behind.clear()

    def come_to_an_end(self, beside: timedelta) -> None:
        """To the end of the next lot, or beside it, so that it falls into the time of holds."""
        lots = [lot.expires_at for person in self.town.people.values() for lot in person.ledger.lots]
        soon = min((end for end in lots if end > self.now + timedelta(minutes=1)), default=self.now)
        self.now = max(self.now, soon + beside)

    # What is asked.

    async def spend(self, name: int, points: int, order: int, *, again: bool) -> None:
        key, for_order = self._key(), self._order(name, order)
        wanted = {} if for_order is None else {"order_id": for_order}
        said = await self._asks(
            name, f"/v1/members/{self.id_of(name)}/spendings", {"points": points} | wanted, key, again
        )
        assert said == self.town.spend(name, points, self.now, for_order)

    async def hold(self, name: int, points: int, lasts: int, order: int) -> None:
        key, for_order = self._key(), self._order(name, order)
        body = {"points": points, "seconds": lasts, "order_id": for_order}
        answer = await self._post(name, f"/v1/members/{self.id_of(name)}/holds", body, key)
        made = str(answer.json().get("hold_id"))
        ends = self.now + timedelta(seconds=lasts)
        assert self._word(answer) == self.town.hold(name, made, points, self.now, ends, for_order)
        if answer.status_code == 201:
            self.holds.append((name, made))

    async def capture(self, which: int, percent: int | None, order: int) -> None:
        name, made = self._hold(which)
        hold = self.town.people[name].ledger.holds[made]
        points = None if percent is None else -(-hold.points * percent // 100)
        for_order = self._order(name, order)
        body = {key: value for key, value in (("points", points), ("order_id", for_order)) if value is not None}
        said = await self._asks(name, f"/v1/holds/{made}/capture", body, self._key(), False)
        assert said == self.town.capture(name, hold, points, self.now, for_order)

    async def void(self, which: int) -> None:
        name, made = self._hold(which)
        said = await self._asks(name, f"/v1/holds/{made}/void", {}, self._key(), False)
        assert said == self.town.void(name, self.town.people[name].ledger.holds[made], self.now)

    async def sweep_holds(self) -> None:
        self.till.clock.at = self.now
        over = {name for name, person in self.town.people.items() for hold in person.ledger.holds.values()
                if hold.state == "held" and hold.ends <= self.now}  # fmt: skip
        await self.till.sweep()
        self.behind -= over
        self.town.sweep_holds(self.now)

    async def give(self, sender: int, receiver: int, points: int, *, again: bool) -> None:
        key = self._key()
        body = {"points": points, "to_member_id": str(self.id_of(receiver))}
        answer = await self._post(sender, f"/v1/members/{self.id_of(sender)}/transfers", body, key, again)
        made = str(answer.json().get("transfer_id"))
        assert self._word(answer) == self.town.give(sender, receiver, made, points, self.now)
        if answer.status_code == 201:
            await self._hear()

    async def ask_for_balance(self, name: int) -> None:
        if name in self.behind or not self.town.person(name).number:
            return
        self.till.clock.at = self.now
        ledger = self.town.people[name].ledger
        expected = (ledger.posted, ledger.held, ledger.debt, ledger.available(self.now))
        assert await self.till.figures(self.id_of(name)) == expected

    # What crosses.

    async def carry(self, which: int, times: int) -> None:
        """One of those that wait, or now and then one that has come."""
        await self._hear()
        there = self.waiting if self.waiting and which % 5 else list(self.said)
        if there:
            await self._carry([there[which % len(there)]] * times)

    async def carry_all(self) -> None:
        await self._hear()
        while self.waiting:
            await self._carry(list(self.waiting))
            await self._hear()

    async def _carry(self, ids: Sequence[UUID]) -> None:
        records = [self.said[one] for one in ids]
        await self.books.apply(records)
        for one in ids:
            self.town.carry(*self.names[one])
            self.behind.discard(self.town.messages[self.names[one]].to)
        self.waiting = [one for one in self.waiting if one not in ids]

    async def _hear(self) -> None:
        """What has been said since; the model has said the same."""
        async with self.books.database.reading() as tx:
            rows = (await tx.run(SAID, after=self.after)).all()
        for row in rows:
            self.after = row.id
            headers = [(HEADER_TYPE, row.type.encode()), (HEADER_ID, str(row.event_id).encode())]
            to = UUID(bytes=bytes(row.key))
            if to.int >> 32 != self.number:
                continue
            record = RawRecord("handovers", self.partition(self.name_of(to)), 0, to.bytes, bytes(row.body), headers)
            event = decoder(row.type).decode(row.body)
            name = self._called(event.data)
            message = self.town.messages[name]
            assert self.id_of(message.to) == to
            if row.event_id not in self.said:
                self.waiting.append(row.event_id)
            self.said[row.event_id], self.names[row.event_id] = record, name
            if isinstance(event.data, PointsHandedOver):
                parts = [(part.points, part.earned_at, part.expires_at) for part in event.data.parts]
                assert parts == [(one.points, one.earned_at, one.expires_at) for one in message.parcels]
        assert set(self.names.values()) == set(self.town.messages)

    def _called(self, data: Any) -> tuple[str, str]:
        if isinstance(data, PointsHandedOver | PointsHandedBack):
            return ("over" if isinstance(data, PointsHandedOver) else "back"), str(data.handover_id)
        if isinstance(data, BonusDue):
            name = f"referral of {self.name_of(data.by_member_id)}" if data.kind == "referral" else str(data.share_id)
            self.names[data.bonus_id] = ("due", name)
            return "due", name
        return "undone", self.names[data.bonus_id][1]

    # What is compared.

    async def compare(self) -> None:
        names = [name for name in self.town.people if name not in self.behind and self.town.people[name].number]
        ids = [self.id_of(name) for name in names]
        async with self.books.database.reading() as tx:
            rows = (await tx.run(STANDS, ids=ids, not_holds=list(self.spendings))).all()
        found = Counter((what, self.name_of(member), figures) for what, member, figures in rows)
        expected = Counter(line for name in names for line in self._lines(name))
        assert found == expected, (sorted((found - expected).items()), sorted((expected - found).items()))

    def _lines(self, name: int) -> list[tuple[str, int, str]]:
        person = self.town.people[name]
        ledger = person.ledger
        lots: dict[tuple[int, int], list[int]] = {}
        for lot in ledger.lots:
            sums = lots.setdefault((seconds(lot.expires_at), seconds(lot.earned_at)), [0, 0])
            sums[0] += lot.remaining
            sums[1] += lot.expired
        gifts = [
            f"{key} {'returned' if gift.state == 'returned' else 'under_way'} {'t' if gift.state == 'arrived' else 'f'}"
            for key, gift in self.town.gifts.items()
            if gift.sender == name
        ]
        self.seen["debt"] += ledger.debt > 0
        self.seen["held"] += ledger.held > 0
        return [
            ("account", name, f"{ledger.posted} {ledger.held} {ledger.debt}"),
            *(("lots", name, f"{a} {b} {left} {over}") for (a, b), (left, over) in lots.items() if left or over),
            *(("hold", name, f"{key} {hold.state} {hold.captured}") for key, hold in ledger.holds.items()),
            *(("net", name, f"{order} {points}") for order, points in person.net.items()),
            *(("handover", name, gift) for gift in gifts),
        ]  # fmt: skip

    async def come_to_rest(self, *, prove: bool) -> None:
        """Everything that is on its way arrives, whoever is behind is swept: then all is compared, and now and then all books proven."""
        await self.carry_all()
        await self.sweep_lots()
        await self.compare()
        for name in list(self.town.people):
            await self.ask_for_balance(name)
        if prove:
            assert await self.books.broken() == {}
        async with self.books.database.reading() as tx:
            for kind, count in (await tx.run(KINDS, ids=[self.id_of(name) for name in self.town.people])).all():
                self.seen[kind] += count
        self.seen["cap"] += sum(lot is None for lot, _ in self.town.bonuses.values())

    # How it is said.

    def _moment(self, late: timedelta) -> datetime:
        """When the next activity happened; no two at the same second."""
        self.now += LEAST
        return self.now - late

    def _key(self) -> str:
        self.asked += 1
        return f"street-{self.number:06d}-{self.asked:06d}"

    def _share(self, number: int) -> str:
        return f"share-{self.number}-{number}"

    def _order(self, name: int, which: int) -> str | None:
        orders: list[str | None] = [None, None, *self.left.get(name, {})]
        return orders[which % len(orders)]

    def _hold(self, which: int) -> tuple[int, str]:
        """Some hold; three times of four one that is open, if any is."""
        open_ones = [one for one in self.holds if self.town.people[one[0]].ledger.holds[one[1]].state == "held"]
        there = open_ones if open_ones and which % 4 else self.holds
        return there[which % len(there)]

    async def _post(self, name: int, path: str, body: Any, key: str, again: bool = False) -> Any:
        self.till.clock.at = self.now
        self.behind.discard(name)
        answer = await self.till.post(path, body, key)
        if again:
            same = await self.till.post(path, body, key)
            assert same.status_code == answer.status_code
            # What was never decided is no answer that is kept: it is the same one by another name.
            assert same.text == answer.text or same.json()["type"] in {"member_unknown", "receiver_unknown"}
        return answer

    async def _asks(self, name: int, path: str, body: Any, key: str, again: bool) -> str:
        answer = await self._post(name, path, body, key, again)
        if answer.status_code == 201 and path.endswith("/spendings"):
            self.spendings.add(UUID(answer.json()["hold_id"]))
        return self._word(answer)

    def _word(self, answer: Any) -> str:
        word = "done" if answer.status_code < 300 else str(answer.json()["type"])
        self.seen[word] += 1
        return word
