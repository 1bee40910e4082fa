"""The door's decision over one request: once, whose, in which order (domain.md 2.2). Pure: everything it decides by has been read and
locked before. The one thing not to break: what is not accepted gets no number, uses up no key and enrols nobody."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple
from uuid import UUID

from member_svc.domain import keys, outcomes
from member_svc.domain.activities import CONFIRMED, PURCHASE, REFUND, REVIEW
from member_svc.domain.identifiers import Name
from member_svc.domain.orders import Order
from member_svc.domain.outcomes import Outcome, Refusal
from member_svc.domain.reports import Report

State = Literal["provisional", "active", "erased"]


class Holder(NamedTuple):
    """Who used up a key: the id key of the accepted report, and the hash of its compared content."""

    activity: bytes
    content: bytes


@dataclass(slots=True)
class Member:
    """A member, locked. `last_seq`: the number given last; `enrolled_at` is the time of the activity that made him."""

    member_id: UUID
    partition: int
    last_seq: int = 0
    state: State = "provisional"
    enrolled_at: datetime | None = None
    tier: str | None = None  # where a newcomer begins: the lowest tier of the version in force
    new: bool = False
    numbered: bool = False  # gets a number in this request

    @property
    def enrolled(self) -> bool:
        """Whether he is there: a new one is so from his first accepted report on."""
        return not self.new or self.last_seq > 0


@dataclass(slots=True)
class Known:
    """What was read under lock. `taken`: keys used up; `waiting`: by order key, what waits for it, in order of arrival."""

    taken: dict[bytes, Holder]
    owners: Mapping[Name, UUID]
    members: Mapping[UUID, Member]
    orders: dict[bytes, Order]
    waiting: Mapping[bytes, list[Report]] = field(default_factory=dict)


class Accepted(NamedTuple):
    """A report that got a number."""

    report: Report
    member: Member
    member_seq: int


class MergeHint(NamedTuple):
    """The same order came under another member, or under an identifier that nobody knows."""

    order_id: str
    member_id: UUID
    other_id: UUID | None
    name: Name | None


@dataclass(slots=True)
class Decision:
    """What happens. `won`: keys used up now; `put_aside`: reports that wait from now on; `left`: waiting reports whose
    waiting is over; `dead`: those of them that could not be taken; `outcomes` in the order of the request."""

    outcomes: list[Outcome]
    accepted: list[Accepted] = field(default_factory=list)
    won: dict[bytes, Holder] = field(default_factory=dict)
    new_orders: list[Order] = field(default_factory=list)
    changed_orders: list[Order] = field(default_factory=list)
    put_aside: dict[bytes, list[Report]] = field(default_factory=dict)
    left: list[Report] = field(default_factory=list)
    dead: list[tuple[Report, Outcome]] = field(default_factory=list)
    hints: list[MergeHint] = field(default_factory=list)


def decide(reports: Iterable[Report], known: Known) -> Decision:
    """Decide reports one by one, in the order of the request; the outcomes come in the same order."""
    decision = Decision([])
    door = _Door(known, decision)
    by_index: dict[int, Outcome] = {}
    door.answered = by_index
    for report in reports:
        outcome = by_index[report.index] = door.take(report)
        if report.type == PURCHASE and outcome.outcome == "accepted":
            door.release(decision.new_orders[-1])
    decision.changed_orders = [order for order in known.orders.values() if order.changed and not order.new]
    decision.outcomes = list(by_index.values())
    return decision


class _Door:
    __slots__ = ("answered", "decision", "known")

    def __init__(self, known: Known, decision: Decision) -> None:
        self.known = known
        self.decision = decision
        self.answered: dict[int, Outcome] = {}

    def take(self, report: Report) -> Outcome:
        """Decide one report."""
        taken = self.known.taken
        holder = taken.get(report.id_key)
        if holder is None and report.key is not None:
            holder = taken.get(report.key)
            if holder is not None and report.type == PURCHASE and holder.content == report.content:
                self._hint(report)
        if holder is not None:
            return _repeated(report, holder)
        if report.type == REFUND:
            return self._take_refund(report)
        if report.type == REVIEW:
            return self._take_review(report)
        if report.type == CONFIRMED:
            found = self._of_order(report)
            return found if isinstance(found, Outcome) else self._accept(report, found[1], None)
        member = self._whose(report)
        if isinstance(member, Refusal):
            return _refused(report, member)
        key = keys.member_key(report.type, report.data, member.member_id, report.local_day)
        if key is not None and (holder := taken.get(key)) is not None:
            return _repeated(report, holder)
        outcome = self._accept(report, member, key)
        if report.type == PURCHASE:
            self._open_order(report, member)
        return outcome

    def release(self, order: Order) -> None:
        """Take what waited for an order that has just come: first what waited before this request, then what is in it."""
        for report in self.known.waiting.get(order.key, ()):
            outcome = self.take(report)
            if outcome.outcome == "waiting":
                continue
            self.decision.left.append(report)
            if outcome.outcome in ("refused", "conflict"):
                self.decision.dead.append((report, outcome))
        for report in self.decision.put_aside.pop(order.key, ()):
            self.answered[report.index] = self.take(report)

    def _open_order(self, report: Report, member: Member) -> None:
        order = Order(
            report.order_key, member.member_id, member.last_seq, report.data, report.data.amount_minor, new=True
        )
        self.known.orders[order.key] = order
        self.decision.new_orders.append(order)

    def _take_refund(self, report: Report) -> Outcome:
        """What is left of the order must suffice."""
        found = self._of_order(report)
        if isinstance(found, Outcome):
            return found
        order, owner = found
        refusal = order.refusal_of(report.data)
        if refusal is not None:
            return _refused(report, refusal)
        order.take_off(report.data)
        return self._accept(report, owner, None)

    def _of_order(self, report: Report) -> tuple[Order, Member] | Outcome:
        """A refund or a confirmation belongs to the member of its order, whatever identifier it carries; without its order it waits."""
        if report.subject is not None and isinstance(member := self._subject(report.subject), Refusal):
            return _refused(report, member)
        order = self._order(report)
        if order is None:
            return self._wait(report, "its order has not come yet")
        owner = self._subject(order.member_id)
        return _refused(report, owner) if isinstance(owner, Refusal) else (order, owner)

    def _take_review(self, report: Report) -> Outcome:
        """The order must be the member's, else the review waits (domain.md 3.2)."""
        whose: UUID | None
        if report.subject is not None:
            member = self._whose(report)
            if isinstance(member, Refusal):
                return _refused(report, member)
            whose = member.member_id
        elif report.name is None:
            return _refused(report, _NOBODY)
        else:
            whose = self._owner(report.name)
        order = self._order(report)
        if order is None:
            return self._wait(report, "its order has not come yet")
        if order.member_id != whose:
            return self._wait(report, "its order is not the member's")
        sku = order.sku_reviewed(report.data)
        if sku is None:
            return _refused(
                report, Refusal(outcomes.UNKNOWN_LINE, f"order {report.data.order_id} has no such line or sku")
            )
        key = keys.review_key(order.member_id, report.data.order_id, sku)
        holder = self.known.taken.get(key)
        if holder is not None:
            return _repeated(report, holder)
        return self._accept(report, self.known.members[order.member_id], key)

    def _order(self, report: Report) -> Order | None:
        return self.known.orders.get(report.order_key)

    def _whose(self, report: Report) -> Member | Refusal:
        """Subject wins; an unknown identifier makes a provisional member."""
        name = report.name
        if report.subject is not None:
            member = self._subject(report.subject)
            if name is not None and isinstance(member, Member) and self._owner(name) not in (None, member.member_id):
                return Refusal(
                    outcomes.IDENTIFIER_OF_ANOTHER, f"the {name[0]} belongs to another member than the subject"
                )
            return member
        if name is None:
            return _NOBODY
        return self._subject(self.known.owners[name])

    def _subject(self, member_id: UUID) -> Member | Refusal:
        member = self.known.members.get(member_id)
        if member is None:
            return Refusal(outcomes.UNKNOWN_MEMBER, "nobody has this member id")
        if member.state == "erased":
            return Refusal(outcomes.ERASED_MEMBER, "the member has been erased")
        return member

    def _owner(self, name: Name) -> UUID | None:
        """Whose identifier it is; nobody's while the member it would make has not been enrolled."""
        member_id = self.known.owners.get(name)
        if member_id is None:
            return None
        member = self.known.members.get(member_id)
        return member_id if member is not None and member.enrolled else None

    def _accept(self, report: Report, member: Member, member_key: bytes | None) -> Outcome:
        holder = Holder(report.id_key, report.content)
        for key in (report.id_key, report.key, member_key):
            if key is not None:
                self.known.taken[key] = self.decision.won[key] = holder
        member.last_seq += 1
        member.numbered = True
        if member.new and member.enrolled_at is None:
            member.enrolled_at = report.time
        self.decision.accepted.append(Accepted(report, member, member.last_seq))
        return Outcome(report.index, report.id, "accepted", None, None, member.member_id, member.last_seq)

    def _wait(self, report: Report, why: str) -> Outcome:
        if report.waiting_id is None:
            self.decision.put_aside.setdefault(report.order_key, []).append(report)
        return Outcome(report.index, report.id, "waiting", None, why)

    def _hint(self, report: Report) -> None:
        """Keep that the same order came under somebody else: perhaps the two are one person."""
        order = self.known.orders.get(report.order_key)
        if order is None:
            return
        other = report.subject if report.subject in self.known.members else None
        if other is None and report.name is not None:
            other = self._owner(report.name)
        if other != order.member_id and (other is not None or report.name is not None):
            self.decision.hints.append(MergeHint(report.data.order_id, order.member_id, other, report.name))


_NOBODY = Refusal(outcomes.NO_MEMBER, "neither a subject nor data.identifier says who it was")


def _refused(report: Report, refusal: Refusal) -> Outcome:
    return Outcome(report.index, report.id, "refused", refusal.reason, refusal.detail)


def _repeated(report: Report, holder: Holder) -> Outcome:
    if holder.content == report.content:
        return Outcome(report.index, report.id, "duplicate")
    return Outcome(
        report.index,
        report.id,
        "conflict",
        outcomes.CONTENT_DIFFERS,
        "the same id or business key was reported with other content",
    )
