"""Planned outcomes (reliability.md 4.0): the id of a report is a keyed permutation of an index, and from the index alone follows what the
report tells and what must become of it. So a checker needs no side file and no memory: it reads an id and knows.

index = fact × TELLINGS + telling. A fact may be told several times, by several channels. Every `disputed_every`th fact is told with another
amount each time (whichever comes first counts, the others are conflicts); every `impossible_every`th is told in a currency that nobody
takes, so every telling of it is refused; of all others the first telling counts and the others are duplicates."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b

from tests.support.model_door import Report
from tests.support.reports import purchase_report

TELLINGS = 16
ROUNDS = 4
HALF_BITS = 24
HALF = (1 << HALF_BITS) - 1
CHANNELS = ("pos/store-1", "web", "app", "pos/store-2")
FOREIGN = "XAU"


@dataclass(frozen=True)
class Planned:
    """What an id says: which fact, which telling of it, and whether the fact is disputed or impossible."""

    fact: int
    telling: int
    disputed: bool
    impossible: bool


@dataclass(frozen=True)
class Plan:
    """The permutation, and which facts are what. Two plans with different keys have no ids in common but by chance of 2^-48."""

    key: str
    disputed_every: int = 0  # 0: none
    impossible_every: int = 0
    members: int = 100
    currency: str = "USD"
    day: str = "2024-05-02"
    times: int = 1  # how much more is paid: 15 lifts some members to silver

    # The permutation: a Feistel network over 48 bits, so that ids look like nothing and lead back to their index.

    def id_of(self, index: int) -> str:
        left, right = index >> HALF_BITS, index & HALF
        for number in range(ROUNDS):
            left, right = right, left ^ self._round(number, right)
        return f"{left << HALF_BITS | right:012x}"

    def index_of(self, event_id: str) -> int:
        value = int(event_id, 16)
        left, right = value >> HALF_BITS, value & HALF
        for number in reversed(range(ROUNDS)):
            left, right = right ^ self._round(number, left), left
        return left << HALF_BITS | right

    def _round(self, number: int, half: int) -> int:
        told = blake2b(half.to_bytes(3, "big"), key=f"{self.key}:{number}".encode(), digest_size=3)
        return int.from_bytes(told.digest(), "big")

    # What an id says.

    def of(self, event_id: str) -> Planned:
        fact, telling = divmod(self.index_of(event_id), TELLINGS)
        return Planned(fact, telling, self.is_disputed(fact), self.is_impossible(fact))

    def is_impossible(self, fact: int) -> bool:
        return bool(self.impossible_every) and fact % self.impossible_every == self.impossible_every - 1

    def is_disputed(self, fact: int) -> bool:
        hit = bool(self.disputed_every) and fact % self.disputed_every == self.disputed_every // 2
        return hit and not self.is_impossible(fact)

    def amount_minor(self, fact: int, telling: int) -> int:
        """What is paid; of a disputed fact every telling says something else, a whole point apart."""
        return (1_000 + fact % 900) * self.times + (100 * telling if self.is_disputed(fact) else 0)

    def member(self, fact: int) -> str:
        """The card that the fact is about."""
        return f"{self.key}-{fact % self.members}"

    def order(self, fact: int) -> str:
        return f"{self.key}-order-{fact}"

    def report(self, fact: int, telling: int = 0) -> Report:
        """The telling as a channel sends it. Time and channel differ from telling to telling, as they do in life."""
        source = CHANNELS[telling % len(CHANNELS)]
        time = f"{self.day}T{8 + telling % 12:02d}:{fact % 60:02d}:00+00:00"
        currency = FOREIGN if self.is_impossible(fact) else self.currency
        return purchase_report(
            source, self.id_of(fact * TELLINGS + telling), time, self.member(fact), self.order(fact),
            [self.amount_minor(fact, telling)], channel="online" if source in {"web", "app"} else "store", currency=currency,
        )  # fmt: skip

    # The checker.

    def counts(self, told: Iterable[str]) -> dict[str, int]:
        """How often the door must have said what, for each of these ids told once, in whatever order they came."""
        facts = Counter(one.fact for one in map(self.of, told))
        found = Counter[str]()
        for fact, tellings in facts.items():
            if self.is_impossible(fact):
                found["refused"] += tellings
                continue
            found["accepted"] += 1
            found["conflict" if self.is_disputed(fact) else "duplicate"] += tellings - 1
        return {outcome: count for outcome, count in found.items() if count}

    def problems(self, told: Iterable[str], counted: Iterable[str]) -> list[str]:
        """What was told laid beside what has counted: facts lost, facts that counted twice, facts that must never count."""
        wanted = {one.fact for one in map(self.of, told) if not one.impossible}
        by_fact: dict[int, list[str]] = defaultdict(list)
        for event_id in counted:
            by_fact[self.of(event_id).fact].append(event_id)
        lost = [f"fact {fact} is lost" for fact in sorted(wanted - by_fact.keys())]
        strange = [f"fact {fact} must not count: {by_fact[fact]}" for fact in sorted(by_fact.keys() - wanted)]
        twice = [f"fact {fact} counts {len(ids)} times" for fact, ids in sorted(by_fact.items()) if len(ids) > 1]
        return lost + twice + strange
