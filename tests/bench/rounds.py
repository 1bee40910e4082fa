"""The interleaved rounds: every round runs every line once, on tables of its own, so that all of them have the same bad neighbours."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field

import msgspec

from laurel_contracts import programme as documents
from tests.bench import growth, ours
from tests.bench.books import check_points
from tests.bench.figures import Line, noise
from tests.bench.machine import Cpu, Ticks
from tests.bench.ours import Log, Run
from tests.bench.purchases import Expected, Message, activations, lay, purchases, spoilt
from tests.bench.stage import LOADED_AT, Stage, programme
from tests.bench.topics import CLEAN, SINK

EVENTS = 40_000
FLOOR_EVENTS = 20_000
NAIVE_EVENTS = 300
BATCH_1_RECORDS = 500
LINES = ("floor", "naive", "batch1", "ours1", "ours2", "tier", "growth")
LABELS = {
    "floor": "serial floor", "naive": "naive ORM", "batch1": "points, batches of 1", "ours1": "points ×1", "ours2": "points ×2",
    "growth 1M": "points ×1, 1 M entries before", "growth 10M": "points ×1, 10 M entries before", "tier": "tier ×1",
}  # fmt: skip

Say = Callable[[str], None]
Measure = Callable[[], Awaitable[Run]]


class Printed(msgspec.Struct):
    """What floor and naive print of themselves."""

    events: int
    seconds: float
    python_seconds: float
    steps_us: dict[str, float] = {}


@dataclass(slots=True)
class Rounds:
    """All lines, prepared; then round by round."""

    stage: Stage
    say: Say
    runs: dict[str, list[Run]] = field(default_factory=dict)
    steps: dict[str, list[float]] = field(default_factory=dict)  # of the floor, µs per event
    steals: list[float] = field(default_factory=list)
    measures: dict[str, Measure] = field(default_factory=dict)

    async def prepare(self, wanted: Collection[str], size: str) -> None:
        """Logs, templates, and the grown ledger."""
        points = await self.stage.template("points-svc")
        growing = None
        if "growth" in wanted:
            self.say(f"laying a ledger of {size} entries")
            rows = int(size.removesuffix("M")) * 1_000_000
            growing = asyncio.create_task(growth.grow(self.stage, points, rows))  # meanwhile the purchases are made
        self.say(f"laying {EVENTS:,} real purchases on Kafka")
        stream = await asyncio.to_thread(purchases, EVENTS)
        clean = stream[:FLOOR_EVENTS]
        await lay(self.stage.bootstrap, CLEAN, clean)
        began = activations(documents.sha256(programme()), LOADED_AT)
        await lay(self.stage.bootstrap, "activities", [*began, *spoilt(stream)])
        log = Log(await self.stage.ends("activities"), Expected.of(stream))
        self.measures = {
            "floor": lambda: self._outside("floor", points, FLOOR_EVENTS, clean),
            "naive": lambda: self._outside("naive", points, NAIVE_EVENTS, None),
            "batch1": lambda: ours.points(self.stage, points, log, batch=1, records=BATCH_1_RECORDS),
            "ours1": lambda: ours.points(self.stage, points, log),
            "ours2": lambda: ours.points(self.stage, points, log, workers=2),
        }
        if "tier" in wanted:
            tiers = await self.stage.template("tier-svc")
            self.measures["tier"] = lambda: ours.tiers(self.stage, tiers, log)
        if growing is not None:
            grown = await growing
            self.measures[f"growth {size}"] = lambda: self._grown(grown, log, f"growth {size}")
            wanted = {*wanted, f"growth {size}"}
        self.measures = {name: measure for name, measure in self.measures.items() if name in wanted}

    async def _grown(self, grown: str, log: Log, name: str) -> Run:
        """The whole proof once; it reads everything there is. What is new is checked after every run."""
        return await ours.points(self.stage, grown, log, in_use=True, prove=not self.runs.get(name))

    async def _outside(self, module: str, template: str, count: int, stream: list[Message] | None) -> Run:
        """floor or naive, as a process of its own that prints its figures; then the same check of the same books."""
        database, before = await self.stage.fresh(template), await self.stage.ends(SINK)
        servers = Cpu({part: (self.stage.pids[part],) for part in ("postgres", "kafka")})
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", f"tests.bench.{module}", self.stage.bootstrap, self.stage.dsn(database), str(count),
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        printed, _ = await process.communicate()
        if process.returncode:
            raise RuntimeError(f"{module} has ended with {process.returncode}")
        said = msgspec.json.decode(printed, type=Printed)
        spent = servers.spent()
        for step, micro in said.steps_us.items():
            self.steps.setdefault(step, []).append(micro)
        await check_points(self.stage, database, before, expected=None if stream is None else Expected.of(stream))
        await self.stage.drop(database)
        return Run(said.events, said.seconds, {"python": said.python_seconds} | spent)

    async def run(self, rounds: int) -> str:
        """So many rounds; the noisiest is run once more. Why the figures are noisy, if they are."""
        for number in range(1, rounds + 1):
            await self._round(f"round {number} of {rounds}")
        reason = noise(self.steals, self.lines())
        if reason and self.measures:
            self.say(f"noisy: {reason}; the noisiest round is run again")
            worst = self._noisiest()
            for runs in self.runs.values():
                runs.pop(worst)
            self.steals.pop(worst)
            await self._round("the round again")
            reason = noise(self.steals, self.lines()) or "was noisy, one round was run again"
        return reason

    async def _round(self, title: str) -> None:
        ticks = Ticks.now()
        for name, measure in self.measures.items():
            run = await measure()
            self.runs.setdefault(name, []).append(run)
            micro = " + ".join(f"{run.micro(part):,.0f}" for part in ("python", "postgres", "kafka"))
            self.say(f"{title}: {LABELS[name]:30} {run.per_second:>9,.0f}/s   {micro} µs")
        self.steals.append(Ticks.now().steal_since(ticks))

    def _noisiest(self) -> int:
        """By steal time where that is why, else where naive was slowest."""
        if max(self.steals) > 0.25 or "naive" not in self.runs:
            return self.steals.index(max(self.steals))
        speeds = [run.per_second for run in self.runs["naive"]]
        return speeds.index(min(speeds))

    def lines(self) -> dict[str, Line]:
        """The lines of the table, in their order."""
        return {name: Line(LABELS[name], tuple(runs)) for name, runs in self.runs.items()}
