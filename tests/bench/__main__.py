"""`make bench`: what Laurel costs, beside the serial floor of its own schema and beside the usual way. Ratios are what to read.

`python -m tests.bench [--rounds 5] [--only NAME …] [--growth 1M|10M|none] [--json PATH] [--chart PATH]`. Ends with 1 when the ratio to the
floor or the CPU per event is under its "must", or when a run comes to a wrong result."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import asyncpg
import uvloop

from laurel_cli.stack.jars import read_lock
from tests.bench import accounts, chart, figures, latency, machine, racing, report, status, whole_chain
from tests.bench.figures import Verdict
from tests.bench.rounds import LINES, Rounds
from tests.bench.stage import Stage, open_stage

EXTRAS = ("latency", "status", "accounts", "chain")
# `make bench-accounts`: with it `make bench` would take half a minute more, and eight minutes were promised.
OF_ITS_OWN = {"accounts"}
RATES = (1_000, 5_000)
LATENCY_SECONDS = 3.0
LATENCY_WORKERS = 2  # with one, 5,000/s is more than half of what it can do at all (ARGS="--workers 1")
STATUS_SECONDS = 2.0
ACCOUNTS_SECONDS = 2.0
CHAIN_BASKETS = 25_000
DRAWN = {
    figures.P99.name,
    figures.STATUS.name,
    figures.CHAIN.name,
}  # a chart of half the figures is not drawn over a whole one
BEGAN = time.monotonic()


def say(text: str) -> None:
    """Progress, for whoever waits."""
    sys.stderr.write(f"[{time.monotonic() - BEGAN:4.0f} s] {text}\n")
    sys.stderr.flush()


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=[*LINES, *EXTRAS], default=[*LINES, *(set(EXTRAS) - OF_ITS_OWN)])
    parser.add_argument("--growth", choices=["1M", "10M", "none"], default="1M", help="entries in the ledger before")
    parser.add_argument("--workers", type=int, default=LATENCY_WORKERS, help="processes whose latency is measured")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument("--chart", type=Path, help="where to draw them (SVG)")
    asked = parser.parse_args()
    asked.only = set(asked.only) - ({"growth"} if asked.growth == "none" else set())
    return asked


async def measure(asked: argparse.Namespace) -> dict[str, Any]:
    """Everything that was asked for, as one report."""
    told: dict[str, Any] = {"rounds": asked.rounds, "lines": {}, "measures": {}, "noisy": ""}
    found: list[Verdict] = []
    ticks = machine.Ticks.now()
    async with open_stage() as stage:
        told["machine"] = await _machine(stage)
        pace = told["machine"]["pace_us"] = [machine.pace_us()]
        say(f"{told['machine']}")
        wanted = asked.only & set(LINES)
        if wanted:
            rounds = Rounds(stage, say)
            await rounds.prepare(wanted, asked.growth)
            told["noisy"] = await rounds.run(asked.rounds)
            lines = rounds.lines()
            told["lines"] = {name: {"label": line.name} | line.as_json() for name, line in lines.items()}
            told["floor_steps_us"] = {step: round(statistics.median(each), 2) for step, each in rounds.steps.items()}
            told["steal"] = [round(each, 3) for each in rounds.steals]
            found += figures.verdicts(lines)
        pace.append(machine.pace_us())
        if "latency" in asked.only:
            found += await _latency(stage, asked, told)
        if "status" in asked.only:
            found.append(await _status(stage, asked.rounds, told))
        if "accounts" in asked.only:
            found += await _accounts(stage, asked.rounds, told)
    if "chain" in asked.only:
        say(f"the whole chain, {CHAIN_BASKETS:,} baskets from HTTP to settled, in {asked.rounds} turns")
        told["chain"] = await asyncio.to_thread(whole_chain.measure, CHAIN_BASKETS, asked.rounds)
        found.append(figures.of(figures.CHAIN, told["chain"]["python_us_of_each"]))
    pace.append(machine.pace_us())
    told["machine"]["steal_share"] = round(machine.Ticks.now().steal_since(ticks), 3)
    told["measures"] = {verdict.bar.name: verdict.as_json() for verdict in found}
    told["seconds"] = round(time.monotonic() - BEGAN)
    return told


async def _machine(stage: Stage) -> dict[str, Any]:
    connection = await asyncpg.connect(stage.dsn("postgres"))
    try:
        postgres = await connection.fetchval("SHOW server_version")
        fsync = await connection.fetchval("SHOW fsync")
    finally:
        await connection.close()
    kafka = next(jar.version for jar in read_lock() if jar.group == "org.apache.kafka")
    return machine.described(stage.folder, str(postgres), kafka) | {"fsync": fsync}


async def _latency(stage: Stage, asked: argparse.Namespace, told: dict[str, Any]) -> list[Verdict]:
    say(f"produced → visible at {RATES[0]:,}/s and {RATES[1]:,}/s")
    told["latency_ms"] = {}
    template = await stage.template("points-svc")
    workers: int = asked.workers
    waits = await latency.waits(stage, template, RATES, LATENCY_SECONDS, asked.rounds, workers=workers)
    for rate in RATES:
        ours, name = [wait for wait in waits if wait.rate == rate], f"{rate}/s, points ×{workers}"
        told["latency_ms"][name] = {
            "p50": round(statistics.median(wait.p50 for wait in ours), 1),
            "p99": round(statistics.median(wait.p99 for wait in ours), 1),
            "p99_of_each": [round(wait.p99, 1) for wait in ours],
        }
        say(f"{name}: {told['latency_ms'][name]} ms")
    if workers != LATENCY_WORKERS:
        return []  # the bar is for two
    return [figures.of(figures.P99, [wait.p99 for wait in waits if wait.rate == RATES[-1]])]


async def _status(stage: Stage, rounds: int, told: dict[str, Any]) -> Verdict:
    say("the status route beside its plain twin, 32 connections")
    answered = await status.measure(stage, await stage.template("member-svc"), STATUS_SECONDS, rounds)
    by_server = racing.by_server(answered)
    told["status"] = _answers(by_server)
    speeds = [[run.per_second for run in runs] for runs in by_server.values()]
    return figures.paired(figures.STATUS, *speeds)


async def _accounts(stage: Stage, rounds: int, told: dict[str, Any]) -> list[Verdict]:
    say("balance and statement beside their plain ORM twin, 32 connections")
    template = await stage.template("points-svc")
    told["accounts"], found = {}, []
    for route, answered in (await accounts.measure(stage, template, ACCOUNTS_SECONDS, rounds)).items():
        by_server = racing.by_server(answered)
        told["accounts"][route] = _answers(by_server)
        speeds = [[run.per_second for run in runs] for runs in by_server.values()]
        found.append(figures.paired(figures.ACCOUNTS[route], *speeds))
    return found


def _answers(by_server: dict[str, list[racing.Answered]]) -> dict[str, Any]:
    """Medians of each server's runs."""
    told = {}
    for server, runs in by_server.items():
        told[server] = {
            "per_second": round(statistics.median(run.per_second for run in runs)),
            "per_second_of_each": [round(run.per_second) for run in runs],
            "p50_ms": round(statistics.median(run.p50 for run in runs), 2),
            "p99_ms": round(statistics.median(run.p99 for run in runs), 2),
            "server_cpu_us": round(statistics.median(run.cpu_us for run in runs), 1),
        }
        say(f"{server}: {told[server]}")
    return told


def main() -> int:
    """Measure, tell, judge."""
    asked = arguments()
    os.environ.pop("LAUREL_CRASH", None)
    told = uvloop.run(measure(asked))
    report.show(told)
    if asked.json:
        asked.json.parent.mkdir(parents=True, exist_ok=True)
        asked.json.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    if asked.chart and set(told["lines"]) >= set(LINES) - {"growth"} and told["measures"].keys() >= DRAWN:
        asked.chart.parent.mkdir(parents=True, exist_ok=True)
        asked.chart.write_text(chart.drawn(told), encoding="utf-8")
    failed = [name for name, each in told["measures"].items() if each["gates"] and each["verdict"] == "below"]
    for name in failed:
        say(f"under its must: {name}")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
