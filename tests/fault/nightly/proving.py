"""000: the shop beside the independent model, the ledger's own proof, and the numbers on the topics. Not to break: the verdict
is recorded before it is asserted."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from laurel_cli.services import Refused, Unreachable
from tests.fault.report import record
from tests.support.comparing import differences
from tests.support.model_programme import Programme, reference_programme, with_campaigns
from tests.support.model_world import World
from tests.support.shop import Deadline, Report, Shop
from tests.support.topics import SAID, Numbers, numbers_of

SETTLE_SECONDS_MAX = 900.0


def programme() -> Programme:
    """The reference programme as the model knows it."""
    return with_campaigns(reference_programme("USD", "America/New_York"))


def world_of(told: Sequence[Report]) -> World:
    """The model, told everything."""
    world = World(programme())
    for report in told:
        world.tell(report)
    return world


@dataclass
class Books:
    """What became of a story."""

    reports: int
    problems: list[str]
    balance: int
    broken: dict[str, int]
    numbers: dict[str, Numbers]
    set_aside: list[dict[str, Any]] = field(default_factory=list)

    @property
    def gaps(self) -> list[str]:
        return [gap for numbers in self.numbers.values() for gap in numbers.broken]

    @property
    def whole(self) -> bool:
        """Lost 0, doubled 0, trial balance 0, invariants green, numbers without gaps, nothing set aside by a reader."""
        return not (self.problems or self.balance or self.broken or self.gaps or self.set_aside)

    def __str__(self) -> str:
        again = ", ".join(f"{topic} {numbers.repeated}" for topic, numbers in self.numbers.items())
        return (
            f"{self.reports:,} reports, {len(self.problems)} differences from the model, trial balance {self.balance},"
            f" invariants broken {self.broken or 0}, gaps {len(self.gaps)}, set aside {len(self.set_aside)}"
            f" (said again: {again})"
        )


def settle(shop: Shop) -> None:
    """Wait until everything has had its effect. A question that gets no answer (a connection that was closed while it was asked, a service
    that is being started, a database that has just come back) is asked again."""
    until = Deadline(SETTLE_SECONDS_MAX)
    shop.rested = False
    while True:
        try:
            shop.settle(SETTLE_SECONDS_MAX)
        except (Unreachable, Refused) as failed:
            if until.passed() or (isinstance(failed, Refused) and failed.status < 500):
                raise
            until.wait(1.0)
        else:
            return


def books_of(shop: Shop, told: Sequence[Report], world: World | None = None) -> Books:
    """Wait until everything has had its effect, then compare."""
    world = world or world_of(told)
    settle(shop)
    proof = shop.trial_balance()
    return Books(
        len(told),
        differences(world, shop, awards=True),
        proof["sum"],
        {name: count for name, count in proof["invariants"].items() if count},
        {topic: numbers_of(shop.stack.kafka_bootstrap, topic) for topic in SAID},
        # What the story itself makes impossible is set aside at the door.
        [letter for letter in shop.dead_letters() if letter["topic"] != "channel-activities"],
    )


def proven(
    test_id: str, books: Books, figure: str, bar: str, *, holds: bool = True, seed: int | None = None, began: float
) -> None:
    """Record, show, assert: the books are whole, and what the test itself measured `holds`."""
    whole = f"{figure}; {books}"
    sys.stdout.write(f"\n{test_id} (seed {seed}): {whole}\n")
    record(test_id, whole, f"000; {bar}" if bar else "000", holds and books.whole, seed, time.monotonic() - began)
    assert books.problems[:5] == [], whole
    assert books.whole, whole
    assert holds, whole
