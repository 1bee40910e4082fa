"""The verdict "000": nothing lost, nothing twice, the books in balance; one shop beside the independent model."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass

from tests.fault.report import record
from tests.support.comparing import differences
from tests.support.model_programme import reference_programme, with_campaigns
from tests.support.model_world import World
from tests.support.shop import Report, Shop
from tests.support.topics import SAID, numbers_of


def world_of(told: Iterable[Report]) -> World:
    """What the independent model makes of the same reports."""
    world = World(with_campaigns(reference_programme("USD", "America/New_York")))
    for report in told:
        world.tell(report)
    return world


@dataclass
class Judgement:
    """What is not as it must be, and a sentence about it."""

    wrong: list[str]
    figure: str


def judged(shop: Shop, told: list[Report]) -> Judgement:
    """Settle, and compare every member, order and lot with the model; the ledger's own proof; the numbers on every topic."""
    shop.settle()
    problems = differences(world_of(told), shop, awards=True)
    proof = shop.trial_balance()
    numbers = {topic: numbers_of(shop.stack.kafka_bootstrap, topic) for topic in SAID}
    broken = [f"invariant {name}: {count}" for name, count in proof["invariants"].items() if count]
    gaps = [gap for found in numbers.values() for gap in found.broken]
    # What the story itself makes impossible is set aside at the door; no reader has set anything aside.
    aside = sorted({letter["topic"] for letter in shop.dead_letters()} - {"channel-activities"})
    said = ", ".join(f"{topic} {found.messages} said, {found.repeated} again" for topic, found in numbers.items())
    figure = (
        f"{len(told):,} reports: {len(problems)} differences from the model, trial balance {proof['sum']}, "
        f"invariants broken {len(broken)}, gaps {len(gaps)} ({said})"
    )
    unbalanced = [f"trial balance {proof['sum']}"] if proof["sum"] else []
    return Judgement([*problems[:5], *unbalanced, *broken, *gaps[:5], *aside], figure)


def conclude(
    test_id: str, judgement: Judgement, measured: str, bar: str, *, held: bool, seed: int, seconds: float
) -> None:
    """Record the figure, then insist on it."""
    figure = f"{measured}; {judgement.figure}"
    sys.stdout.write(f"\n{test_id}, seed {seed}, {seconds:.0f} s: {figure}\n")
    record(test_id, figure, bar, held and not judgement.wrong, seed, seconds)
    assert judgement.wrong == []
    assert held, f"{figure}; wanted: {bar}"
