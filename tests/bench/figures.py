"""From runs to figures: medians with their spread, ratios to floor and naive, and which bar each measure meets. Only what is laid beside
the floor decides the exit code (ADR 0015); the rest depends too much on the machine and on who else uses it."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.bench.ours import Run

PARTS = ("python", "postgres", "kafka")
STEAL_MAX = 0.25
NAIVE_SPREAD_MAX = 2.0


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table: all runs of one design."""

    name: str
    runs: tuple[Run, ...]

    @property
    def per_second(self) -> float:
        return statistics.median(run.per_second for run in self.runs)

    @property
    def spread(self) -> tuple[float, float]:
        """The slowest and the fastest run, events per second."""
        speeds = [run.per_second for run in self.runs]
        return min(speeds), max(speeds)

    def micro(self, part: str) -> float:
        """The median of CPU µs per event."""
        return statistics.median(run.micro(part) for run in self.runs)

    @property
    def micro_all(self) -> float:
        return statistics.median(run.micro_all for run in self.runs)

    def as_json(self) -> dict[str, Any]:
        low, high = self.spread
        return {
            "per_second": round(self.per_second), "min": round(low), "max": round(high),
            "cpu_us": {part: round(self.micro(part), 1) for part in PARTS} | {"all": round(self.micro_all, 1)},
            "runs": [run.as_json() for run in self.runs],
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Bar:
    """What a measure must and should come to."""

    name: str
    must: float
    aim: float
    at_least: bool  # else: at most
    gates: bool = False
    unit: str = "×"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A measure beside its bar. `low` and `high`: over the rounds."""

    bar: Bar
    value: float
    low: float
    high: float

    def meets(self, wanted: float) -> bool:
        return self.value >= wanted if self.bar.at_least else self.value <= wanted

    @property
    def word(self) -> str:
        return "aim" if self.meets(self.bar.aim) else "must" if self.meets(self.bar.must) else "below"

    def as_json(self) -> dict[str, Any]:
        bar = self.bar
        return {
            "value": round(self.value, 3), "min": round(self.low, 3), "max": round(self.high, 3), "must": bar.must, "aim": bar.aim,
            "unit": bar.unit, "verdict": self.word, "gates": bar.gates,
        }  # fmt: skip


FLOOR = Bar("points ×2 workers / floor, events per second", 1.0, 1.4, at_least=True, gates=True)
NAIVE = Bar("points ×2 workers / naive ORM, events per second", 50, 200, at_least=True)
CPU = Bar("naive ORM / points ×1, CPU per event", 50, 120, at_least=True)
CPU_FLOOR = Bar("floor / points ×1, CPU per event", 0.6, 0.8, at_least=True, gates=True)
P99 = Bar("p99 produced → balance visible at 5,000/s, points ×2", 150, 60, at_least=False, unit="ms")
GROWTH = {
    size: Bar(f"{size} entries before / empty, events per second", 0.65, 0.85, at_least=True) for size in ("1M", "10M")
}
STATUS = Bar("status route / plain FastAPI twin, answers per second", 3, 8, at_least=True)
ACCOUNTS = {
    route: Bar(f"{route} route / plain FastAPI and ORM twin, answers per second", 1, 3, at_least=True)
    for route in ("balance", "statement")
}
CHAIN = Bar("whole chain, Python per event", 400, 250, at_least=False, unit="µs")


def paired(bar: Bar, above: Sequence[float], below: Sequence[float]) -> Verdict:
    """The median of the ratios within each round, which had the same neighbours."""
    ratios = [one / other for one, other in zip(above, below, strict=False)]
    return Verdict(bar, statistics.median(ratios), min(ratios), max(ratios))


def of(bar: Bar, values: Sequence[float]) -> Verdict:
    """The median of what was measured."""
    return Verdict(bar, statistics.median(values), min(values), max(values))


def verdicts(lines: Mapping[str, Line]) -> list[Verdict]:
    """What the lines of the table come to."""
    found = []
    speed: Callable[[str], list[float]] = lambda name: [run.per_second for run in lines[name].runs]  # noqa: E731
    cost: Callable[[str], list[float]] = lambda name: [run.micro_all for run in lines[name].runs]  # noqa: E731
    if {"ours2", "floor"} <= lines.keys():
        found.append(paired(FLOOR, speed("ours2"), speed("floor")))
    if {"ours2", "naive"} <= lines.keys():
        found.append(paired(NAIVE, speed("ours2"), speed("naive")))
    if {"ours1", "floor"} <= lines.keys():
        found.append(paired(CPU_FLOOR, cost("floor"), cost("ours1")))
    if {"ours1", "naive"} <= lines.keys():
        found.append(paired(CPU, cost("naive"), cost("ours1")))
    for size, bar in GROWTH.items():
        if {f"growth {size}", "ours1"} <= lines.keys():
            found.append(paired(bar, speed(f"growth {size}"), speed("ours1")))
    return found


def noise(steals: Sequence[float], lines: Mapping[str, Line]) -> str:
    """Why the figures are noisy; empty: they are not."""
    if steals and max(steals) > STEAL_MAX:
        return f"steal time {max(steals):.0%} in a round"
    if "naive" in lines:
        low, high = lines["naive"].spread
        if high > low * NAIVE_SPREAD_MAX:
            return f"the naive line varies {high / low:.1f}×"
    return ""
