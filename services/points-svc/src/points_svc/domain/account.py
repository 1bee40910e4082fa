"""One member's account as a rule sees it: columns of the account's row, and those lots, orders and awards that the records at hand need.
The one thing not to break: nothing here is changed but through `ledger`, so that every change of a balance is an entry."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from points_svc.domain.between import Arrival, Bonus, Handover, Matured, Referral

# Accounts of the books. The member's own: what he has, free or held, and what he owes. The system's: where points come from and go to.
AVAILABLE = "available"
HELD = "held"
DEBT = "debt"
ISSUANCE = "issuance"
REDEEMED = "redeemed"
EXPIRED = "expired"
ADJUSTMENT = "adjustment"  # what was corrected by hand
CLEARING = "clearing"  # on the way from one member to another: the books balance at every moment (architecture.md 5)

# Kinds of entries. Those that leave what the member has less what he owes as it is are not said on the topic `points`.
EARNED = "earned"
RATED_AGAIN = "rated_again"
TAKEN_BACK = "taken_back"
GIVEN_BACK = "given_back"
AWARDED = "awarded"
AWARD_TAKEN_BACK = "award_taken_back"
TASK_DONE = "task_done"
TASK_TAKEN_BACK = "task_taken_back"
SPENT = "spent"
EXPIRY = "expired"
ADJUSTED = "adjusted"
EXTENDED = "extended"
REDATED = "redated"
ACTIVATED = "activated"
TRANSFERRED_OUT = "transferred_out"
TRANSFERRED_IN = "transferred_in"
TRANSFER_RETURNED = "transfer_returned"
REFERRED = "referred"
SHARED = "shared"
SHARE_TAKEN_BACK = "share_taken_back"
REPAID = "repaid"
RESERVED = "reserved"
RELEASED = "released"
UNSAID = frozenset({REPAID, RESERVED, RELEASED})

# The partition of an account that lies in no lane: stored value, in money (ADR 0016). No record speaks of it, no day closes for it, and it
# is said on no topic; else it is an account like any other.
NO_LANE = -1

# States of a hold; the last three are for ever (reliability.md 3.5).
OPEN = "held"
CAPTURED = "captured"
VOIDED = "voided"
LAPSED = "expired"

Why = dict[str, Any]
BEGINNING = datetime.min.replace(tzinfo=UTC)

# A lot bears the number of its activity; lots of awards begin here, so that at equal times an activity's own lot is spent first.
AWARD_LOTS_FROM = 1 << 40
TASK_LOTS_FROM = 1 << 44  # then the number that tier-svc has given to what it says of tasks
HANDED_LOTS_FROM = 1 << 45  # then the number of the entry: points from another member, and bonuses for what others did
RETURNED_LOTS_FROM = 1 << 50  # then the number of the refund, then the place of what paid
ADJUSTED_LOTS_FROM = 1 << 54  # then the entry that filled it: corrected by hand, or back by hand after its expiry
# Then the number of the entry that moved points here: because somebody asked for it, or where expiry slides …
EXTENDED_LOTS_FROM = 1 << 60
# … and because a rule says so: their tier, their activation.
MOVED_LOTS_FROM = 1 << 61


@dataclass(slots=True)
class Entry:
    """One line of the ledger, never changed: `amount` points > 0 go from `debit` to `credit`. `lot` received them; `consumed` are the
    (lot, points) they were taken from, in that order."""

    seq: int  # 1, 2, 3 … per member
    cause: str
    leg: int  # 1, 2, 3 … per cause
    at: datetime  # the time of the cause
    kind: str
    debit: str
    credit: str
    amount: int
    order_id: str | None
    lot: int | None
    why: Why
    consumed: tuple[tuple[int, int], ...] = ()


class Posting(NamedTuple):
    """An entry in brief, for those who listen: `points` is signed, what the account gained."""

    kind: str
    points: int
    order_id: str | None


class Statement(NamedTuple):
    """One cause moved the account: its postings, and the balance as it stands after them. `number` counts per member."""

    number: int
    cause: str
    at: datetime
    postings: tuple[Posting, ...]
    posted: int
    held: int
    debt: int
    ladder: tuple[tuple[datetime, int], ...]
    pending: tuple[tuple[datetime, int], ...]
    earned_net: int


class Dated(NamedTuple):
    """A number that something bears, and when it happened: the instant and the programme-local day."""

    number: int
    at: datetime
    day: date


@dataclass(slots=True)
class Lot:
    """The points of one award or activity. `remaining`: what is left of them and not held. `expired`: what expired of it unspent and has
    not been given back. `born_after`: the last day record when the lot was made, if it was past its expiry by then (domain.md 3.3.5);
    else None. `extends`: the lot whose points, or what was left of them, live on here."""

    lot: int
    kind: str
    granted: int
    remaining: int
    expired: int
    earned_at: datetime
    available_at: datetime
    expires_at: datetime
    born_after: datetime | None = None
    extends: int | None = None
    is_new: bool = False
    is_changed: bool = False

    @property
    def origin(self) -> int:
        """The lot that its points came into when they were earned."""
        return self.lot if self.extends is None else self.extends

    @property
    def turn(self) -> tuple[datetime, datetime, int]:
        """The order in which lots are spent (domain.md 3.5): soonest expiry, then earned first, then id."""
        return (self.expires_at, self.earned_at, self.lot)


@dataclass(slots=True)
class Part:
    """What is left (minor units) of the lines of an order that have one rate. `lines`: their ids; None: all lines not named elsewhere."""

    rate: int  # millionths of a point per major unit
    left: int
    excluded: bool = False
    lines: tuple[str, ...] | None = None


@dataclass(slots=True)
class Order:
    """A purchase, what refunds have left of it, and what it has earned net. Its lot bears the number `seq`."""

    order_id: str
    seq: int
    at: datetime
    day: date
    version: int
    tier: str | None  # None: the lowest
    ordinal: int  # of the standing fact that rates it; 0: none
    amount_minor: int
    unallocated_minor: int  # refunded without lines
    parts: list[Part]
    net: int  # points
    confirmed_at: datetime | None = None  # where its points have waited for this
    is_new: bool = False
    is_changed: bool = False

    @property
    def dated(self) -> Dated:
        """What the order's lot bears."""
        return Dated(self.seq, self.at, self.day)

    @property
    def left_by_lines(self) -> int:
        """L: what line refunds have left, minor units (domain.md 3.3.1)."""
        return sum(part.left for part in self.parts)

    @property
    def refunded_minor(self) -> int:
        """All that has been refunded, minor units."""
        return self.amount_minor - self.left_by_lines + self.unallocated_minor


@dataclass(slots=True)
class Award:
    """A campaign's award of points and what is left of it. Its lot bears the number AWARD_LOTS_FROM + `number`."""

    award_id: UUID
    number: int
    campaign_id: str
    order_id: str | None
    net: int
    is_new: bool = False
    is_changed: bool = False


@dataclass(slots=True)
class Payment:
    """Points of one lot that paid a spending for an order; `returned` of them have come back (domain.md 3.3.4)."""

    seq: int  # of the entry
    place: int  # of the lot within the entry
    lot: int
    amount: int
    returned: int
    is_changed: bool = False


@dataclass(slots=True)
class Hold:
    """Points reserved for a checkout (domain.md 3.5). `parts`: the (lot, points) they were taken from, in that order; `seq`: the entry that
    did it. A hold ends once; `captured` of its points are spent then, and the others are released. `ended_by`: the cause."""

    hold_id: UUID
    seq: int
    points: int
    order_id: str | None
    made_at: datetime
    expires_at: datetime
    parts: tuple[tuple[int, int], ...]
    state: str = OPEN
    captured: int = 0
    ended_at: datetime | None = None
    ended_by: str | None = None
    is_new: bool = False
    is_changed: bool = False


@dataclass(slots=True)
class SignIns:
    """Maximal runs of local days signed in, {first day: length}, and how many streak bonuses have been paid."""

    runs: dict[date, int] = field(default_factory=dict)
    bonuses: int = 0


class Round(NamedTuple):
    """A day record that moved a partition's day: until `as_of` whatever has expired is to be swept, account by account. `day`: the
    programme-local day that begins then, by which entries cite it; `version`: the programme's."""

    as_of: datetime
    day: date
    version: int


@dataclass(slots=True)
class Day:
    """The last day record applied in one partition; shared by all accounts of the partition. `rounds`: of the records so far those that
    some account may not have come to yet, oldest first."""

    partition: int
    as_of: datetime | None = None
    is_changed: bool = False
    rounds: list[Round] = field(default_factory=list)
    opened: list[Round] = field(default_factory=list)  # of them, those that are not written yet


@dataclass(slots=True)
class NoEffect:
    """An activity that was rated and moved nothing, and why."""

    cause: str
    at: datetime
    why: Why


@dataclass(slots=True)
class Account:
    """See the module. `activity`, `standing`, `award`: the last number heard from each. `tier`/`ordinal`: the standing in force for the
    next activity; `ahead`: standing facts (ordinal, holds_after, tier) that the own reading has not passed yet."""

    member_id: UUID
    day: Day
    posted: int = 0  # all that the member has
    held: int = 0  # of it in open holds
    debt: int = 0
    earned_net: int = 0
    seq: int = 0
    said: int = 0
    activity: int = 0
    standing: int = 0
    award: int = 0
    tier: str | None = None
    ordinal: int = 0
    ahead: list[tuple[int, int, str]] = field(default_factory=list)
    reached: datetime | None = None  # the latest time in the stream; see `clock`
    began_after: datetime | None = None  # the last day record when the stream began
    active: bool = False
    frozen: bool = False
    ladder: dict[datetime, int] = field(default_factory=dict)  # expires_at → points left and not held
    pending: dict[datetime, int] = field(default_factory=dict)  # available_at → points left and not held
    lives_until: datetime | None = (
        None  # where expiry slides: how long everything lasts after the latest purchase that earned
    )
    said_at: datetime | None = None  # the latest time of a cause that moved the account: what `pending` is said as of
    halted: bool = (
        False  # a proof found the account's books broken: it earns, and spends nothing; never written back from here
    )
    referral: Referral | None = None  # who brought the member, until that has been paid
    is_new: bool = False  # it stands in no table yet

    # Loaded only where a record needs them.
    lots: dict[int, Lot] = field(default_factory=dict)
    knows_all_lots: bool = False
    is_swept: bool = False  # of all that its partition's day records have passed
    orders: dict[str, Order] = field(default_factory=dict)
    awards: dict[UUID, Award] = field(default_factory=dict)
    payments: dict[str, list[Payment]] = field(default_factory=dict)  # by order, the last spent first
    holds: dict[UUID, Hold] = field(default_factory=dict)
    handovers: dict[UUID, Handover] = field(default_factory=dict)
    arrivals: dict[UUID, Arrival] = field(default_factory=dict)  # new ones
    bonuses: dict[UUID, Bonus] = field(default_factory=dict)
    sign_ins: SignIns | None = None
    reviews: dict[date, int] = field(default_factory=dict)
    earned_in: dict[tuple[str, str, date], int] = field(
        default_factory=dict
    )  # (rule, per, since) of a capped rule → points

    # Written since the account was opened.
    entries: list[Entry] = field(default_factory=list)
    statements: list[Statement] = field(default_factory=list)
    no_effects: list[NoEffect] = field(default_factory=list)
    matured: Matured | None = None

    # The page that is being written: see ledger.open_page.
    cause: str = ""
    at: datetime = BEGINNING
    page_from: int = 0

    @property
    def is_wallet(self) -> bool:
        """Whether this is stored value, in money, and not a member's points."""
        return self.day.partition == NO_LANE

    @property
    def clock(self) -> datetime | None:
        """The member's clock (domain.md 2.3): the latest time in the stream, moved on by day records after the stream began."""
        as_of = self.day.as_of
        if self.reached is None or as_of is None or as_of == self.began_after:
            return self.reached
        return max(self.reached, as_of)


def by_request(lot: Lot) -> bool:
    """Whether the lot's points were given a longer life than they had by their activity."""
    return EXTENDED_LOTS_FROM <= lot.lot < MOVED_LOTS_FROM


def is_over(lot: Lot, account: Account) -> bool:
    """Whether a lot has expired by the member's clock, swept or not."""
    clock = account.clock
    return clock is not None and lot.expires_at <= clock


def has_been_expired(lot: Lot, day: Day) -> bool:
    """Whether a day record has passed the lot's expiry since the lot was made. True of accounts that have been swept."""
    return day.as_of is not None and lot.expires_at <= day.as_of and lot.born_after != day.as_of
