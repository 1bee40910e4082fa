"""What a handler may do inside one transaction; the only room that speaks SQL. The one thing not to break: accounts are locked, ascending,
before anything else of them is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from functools import partial
from typing import Any, Protocol
from uuid import UUID

from laurel_contracts.programme import Programme
from laurel_kit import negative_control
from laurel_kit.hearing import id_of
from laurel_kit.partitions import partition_of
from laurel_kit.postgres import Transaction
from points_svc.domain.account import Account, Day, Entry, Hold, Order
from points_svc.domain.caps import Period
from points_svc.domain.reminders import Reminder
from points_svc.domain.rules import Activation, Rules, in_force
from points_svc.store import (
    accounts,
    habits,
    handovers,
    holds,
    ledger,
    orders,
    programmes,
    proof,
    reminders,
    reports,
    resaying,
    sweeping,
)
from points_svc.store.adjustments import AdjustmentStore
from points_svc.store.handovers import Between
from points_svc.store.programmes import Loaded, Shelf
from points_svc.store.reminders import Pass
from points_svc.store.resaying import Books
from points_svc.store.rewards import Rewards
from points_svc.store.shares import Shares
from points_svc.store.tasks import TaskRewards
from points_svc.store.wallets import Wallets

__all__ = ["PointsStore", "Shelf"]


class Message(Protocol):
    """Something to be said."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def type(self) -> str: ...
    @property
    def id(self) -> str: ...
    @property
    def number(self) -> int | None: ...
    @property
    def body(self) -> bytes: ...


CountPoints = Callable[[Mapping[str, int]], None]
OrderNames = Collection[tuple[Account, str]]


class PointsStore(AdjustmentStore):
    """The books, within one transaction."""

    def __init__(self, tx: Transaction, shelf: Shelf, count_points: CountPoints | None = None) -> None:
        """`count_points` is told, once the transaction is committed, how many points moved by which kind of entry."""
        self.tx = tx
        self.between = Between(tx)
        self.shares = Shares(tx)
        self.tasks = TaskRewards(tx)
        self._shelf = shelf
        self._count_points = count_points
        self.rewards = Rewards(tx)
        self.wallets = Wallets(tx)

    async def rules(self, versions: Collection[int]) -> Mapping[int, Rules]:
        """Programme versions, ready for use. Raises Hold."""
        return await self._shelf.rules(self.tx, versions)

    async def rules_that_last(self) -> Mapping[int, Rules]:
        """All versions, if points last by tier at any of them; mostly none."""
        rules = await self.rules([one.version for one in await self.programmes()])
        return rules if any(one.lasting for one in rules.values()) else {}

    async def activations(self, partitions: Collection[int]) -> dict[int, list[Activation]]:
        """Since when each version is in force, for what bears no stamp of its own."""
        return await programmes.activations(self.tx, partitions)

    async def activate(self, activations: Collection[tuple[int, int, datetime | None]]) -> None:
        """Programme versions that are in force from an instant on, per partition."""
        await programmes.activate(self.tx, activations)

    async def rules_in_force(self, partition: int, now: datetime) -> Rules | None:
        """The programme version in force at `now`; None: none that is known here."""
        version = in_force((await self.activations([partition]))[partition], now)
        return None if version is None else await self._shelf.known(self.tx, version)

    async def days(self, partitions: Collection[int]) -> dict[int, Day]:
        """The last day record applied in each partition."""
        return await accounts.read_days(self.tx, partitions)

    async def due(self, partition: int, as_of: datetime, limit: int) -> list[UUID]:
        """Members of whom something expires by `as_of`, `limit` at most."""
        return await sweeping.due(self.tx, partition, as_of, limit)

    async def lock_overdue(self, limit: int, share: int, shares: int) -> list[Account]:
        """Accounts that a closed day has not come to, with what has expired of them, locked in ascending order."""
        found = await sweeping.lock_overdue(self.tx, limit, share, shares)
        await sweeping.read_due_lots(self.tx, found)
        return found

    async def sweeping_is_due(self) -> bool:
        """Whether there is anything to sweep, or a closed day to drop. Only in `reading`."""
        return await sweeping.is_due(self.tx)

    async def forget_rounds(self) -> int:
        """Drop closed days that have come to every account."""
        return await sweeping.forget_rounds(self.tx)

    async def referrals_due(self, partition: int, as_of: datetime) -> list[UUID]:
        """Members whose referral may mature by `as_of`."""
        return await accounts.referrals_due(self.tx, partition, as_of)

    async def lock(self, partition_of: Mapping[UUID, int], days: Mapping[int, Day]) -> dict[UUID, Account]:
        """Open and lock the accounts of these members, in ascending order."""
        return await accounts.lock(self.tx, partition_of, days) if partition_of else {}

    async def lock_first(self, keys: Collection[bytes]) -> None:
        """Lock the accounts that are there of members of whom several topics speak in this transaction, all in one ascending order."""
        await accounts.lock_first(self.tx, sorted(keys))

    async def lock_one(self, member_id: UUID) -> Account | None:
        """One member's account of points that is there, locked."""
        account = await self.lock_any(member_id)
        return None if account is None or account.is_wallet else account

    async def lock_any(self, account_id: UUID) -> Account | None:
        """One account that is there, locked: a member's points or a wallet."""
        if negative_control.on(negative_control.READ_THEN_WRITE):
            return await accounts.read(self.tx, account_id)
        return await accounts.lock_one(self.tx, account_id)

    async def skip_number(self, topic: str, key: bytes, number: int) -> None:
        """A record was set aside: its number counts as heard, so that the next one is fresh."""
        await accounts.skip(self.tx, topic, id_of(key), number)

    async def lock_page(self, after: UUID | None, only: UUID | None, limit: int, entries: int) -> list[Account]:
        """The next accounts in ascending order, with about so many entries in all, or one; locked."""
        if only is not None:
            account = await self.lock_one(only)
            return [] if account is None else [account]
        return await reports.lock_page(self.tx, after, limit, entries)

    async def read_orders(self, wanted: OrderNames) -> None:
        """What refunds need: their orders with own lots and payments, and every lot that holds anything."""
        await orders.read(self.tx, wanted)
        await self._read_lots_of_orders([account for account, _ in wanted])
        if wanted:
            await ledger.read_payments(self.tx, wanted)

    async def read_orders_after(self, wanted: Collection[tuple[Account, int]]) -> None:
        """What a standing fact needs that holds for orders already rated: those numbered above, and lots."""
        await orders.read_after(self.tx, wanted)
        await self._read_lots_of_orders([account for account, _ in wanted])

    async def read_orders_of_lots(self, wanted: Collection[tuple[Account, int]]) -> None:
        """What lots need that points come back into: the orders that earned them, and wherever else their points live."""
        found = [(account, account.lots[number].origin) for account, number in wanted]
        origins = list({(account.member_id, number): (account, number) for account, number in found}.values())
        await orders.read_numbered(self.tx, origins)
        await ledger.read_lots(self.tx, origins)

    async def _read_lots_of_orders(self, concerned: Collection[Account]) -> None:
        await ledger.read_live_lots(self.tx, concerned)
        own = {
            (account.member_id, order.seq): (account, order.seq)
            for account in concerned
            for order in account.orders.values()
        }
        await ledger.read_lots(self.tx, list(own.values()))

    async def read_awards(self, wanted: Collection[tuple[Account, UUID]]) -> None:
        """What it needs to take these awards back."""
        await orders.read_awards(self.tx, wanted)
        await ledger.read_live_lots(self.tx, [account for account, _ in wanted])

    async def read_lots(self, wanted: Collection[tuple[Account, int]]) -> None:
        """Lots by name, also empty ones."""
        await ledger.read_lots(self.tx, wanted)

    async def read_live_lots(self, concerned: Collection[Account]) -> None:
        """Every lot that holds anything."""
        await ledger.read_live_lots(self.tx, concerned)

    async def read_sign_ins(self, concerned: Collection[Account]) -> None:
        """Runs of days signed in."""
        await habits.read_sign_ins(self.tx, concerned)

    async def read_reviews(self, wanted: Collection[tuple[Account, date]]) -> None:
        """Reviews counted on these days."""
        await habits.read_reviews(self.tx, wanted)

    async def read_earned_in(self, wanted: Collection[tuple[Account, Period]]) -> None:
        """What capped rules have given in these periods."""
        await habits.read_earned_in(self.tx, wanted)

    async def hold_owner(self, hold_id: UUID) -> UUID | None:
        """Whose hold it is."""
        return await holds.owner(self.tx, hold_id)

    async def read_hold(self, account: Account, hold_id: UUID) -> None:
        """One hold, with what it takes to end it."""
        await holds.read_named(self.tx, account, hold_id)

    async def points_on_order(self, member_id: UUID, order_id: str, now: datetime) -> int:
        """Points of a member that pay for an order: spent on it, or held for it."""
        return await holds.points_on_order(self.tx, member_id, order_id, now)

    async def lock_due_holds(self, now: datetime, limit: int) -> list[Account]:
        """Accounts of the holds that have been over for longest, locked in ascending order."""
        return await holds.lock_due(self.tx, now, limit)

    async def read_due_holds(self, concerned: Collection[Account], now: datetime) -> None:
        """Open holds whose time is over, with what it takes to end them."""
        await holds.read_due(self.tx, concerned, now)

    async def read_open_holds(self, concerned: Collection[Account]) -> None:
        """Every open hold of these accounts, with the lots it took from."""
        await holds.read_open(self.tx, concerned)

    # Between members.

    def partition_of(self, member_id: UUID) -> int:
        """Where a member's rows live, whoever it is."""
        return partition_of(member_id.bytes, self._shelf.partitions)

    async def save(self, concerned: Collection[Account], days: Collection[Day] = ()) -> None:
        """Everything that has changed, set by set."""
        if negative_control.on(negative_control.READ_THEN_WRITE):
            await accounts.number_anew(self.tx, concerned)
        if concerned:
            await accounts.write(self.tx, concerned)
            await ledger.write(self.tx, concerned)
            await holds.write(self.tx, concerned)
            await handovers.write(self.tx, concerned)
            await orders.write(self.tx, concerned)
            await orders.write_awards(self.tx, concerned)
            await habits.write(self.tx, concerned)
        await accounts.write_days(self.tx, days)
        await sweeping.open_rounds(self.tx, days)
        if self._count_points is not None:
            moved: Counter[str] = Counter()
            for account in concerned:
                for entry in () if account.is_wallet else account.entries:
                    moved[entry.kind] += entry.amount
            self.tx.after_commit(partial(self._count_points, moved))

    def say(self, messages: Iterable[Message]) -> None:
        """Lay messages into the outbox, in their order."""
        for message in messages:
            self.tx.say(
                topic=message.topic, partition=message.partition, key=message.key, type=message.type, id=message.id,
                number=message.number, body=message.body,
            )  # fmt: skip

    def move_mark(self, topic: str, partition: int, next_offset: int) -> None:
        """Everything about `topic`/`partition` below this offset has been said by who says marks."""
        self.tx.move_mark(topic, partition, next_offset)

    # Reminders.

    async def next_pass(self) -> Pass | None:
        """A partition whose day has closed and whose members have not all been looked at."""
        return await reminders.next_pass(self.tx)

    async def expiring_soon(self, pass_: Pass, until: datetime, limit: int) -> list[Account]:
        """The next members of whom something expires before `until`, not locked."""
        return await reminders.expiring_soon(self.tx, pass_, until, limit)

    async def add_reminders(self, found: Sequence[Reminder]) -> list[Reminder]:
        """Keep what has not been said yet; that is what is to be said."""
        return await reminders.add(self.tx, found)

    async def note_pass(self, pass_: Pass, after: UUID | None) -> None:
        """How far it has got; None: to the end."""
        await reminders.note_pass(self.tx, pass_, after)

    # Programme versions.

    async def add_programme(self, programme: Programme, at: datetime) -> Loaded:
        """Store a version unless it is there; what is returned is what stands."""
        return await programmes.add(self.tx, programme, at)

    async def programmes(self) -> list[Loaded]:
        """All versions."""
        return await programmes.listed(self.tx)

    # Readings.

    async def read_account(self, member_id: UUID) -> Account | None:
        """A member's account of points as it stands, not locked."""
        account = await self.read_any(member_id)
        return None if account is None or account.is_wallet else account

    async def read_any(self, account_id: UUID) -> Account | None:
        """An account as it stands, not locked: a member's points or a wallet."""
        return await accounts.read(self.tx, account_id)

    async def hold(self, hold_id: UUID) -> tuple[UUID, Hold] | None:
        """One hold and whose it is, not locked."""
        return await holds.named(self.tx, hold_id)

    async def holds_before(self, member_id: UUID, before: int, limit: int, *, only_open: bool = False) -> list[Hold]:
        """A page of holds, the latest first."""
        return await holds.page(self.tx, member_id, before, limit, only_open=only_open)

    async def read_books(self, concerned: Collection[Account]) -> dict[UUID, Books]:
        """The whole books of these members, from the first entry."""
        return await resaying.read_books(self.tx, concerned)

    async def entries_before(self, member_id: UUID, before: int, limit: int) -> list[Entry]:
        """A page of entries, newest first."""
        rows = await self.tx.run(ledger.ENTRIES_BEFORE, member_id=member_id, before=before, limit=limit)
        return await ledger.read_entries(self.tx, member_id, rows.all())

    async def entries_of_order(self, member_id: UUID, order_id: str) -> list[Entry]:
        """All entries of an order, oldest first."""
        rows = await self.tx.run(ledger.ENTRIES_OF_ORDER, member_id=member_id, order_id=order_id)
        return await ledger.read_entries(self.tx, member_id, rows.all())

    async def orders_after(self, member_id: UUID, after: int, limit: int) -> list[Order]:
        """A page of orders in stream order."""
        return await reports.orders_after(self.tx, member_id, after, limit)

    async def order(self, member_id: UUID, order_id: str) -> Order | None:
        """One order of a member."""
        return await reports.order(self.tx, member_id, order_id)

    async def balances(self, after: UUID | None, limit: int, now: datetime) -> list[dict[str, Any]]:
        """A page of what every member has at `now`."""
        return await reports.balances(self.tx, after, limit, now)

    async def summary(self) -> dict[str, int]:
        """Points issued, spent, expired and outstanding, of all members."""
        return await reports.summary(self.tx)

    async def trial_balance(self) -> dict[str, Any]:
        """The sum over all accounts and how often each invariant is broken."""
        return await proof.trial_balance(self.tx)
