"""What is decided once per stack and must not drift: ports, the business clock, who closes days, partitions, brokers."""

from __future__ import annotations

import os
import time
from dataclasses import asdict, dataclass, replace
from datetime import datetime

from .errors import StackError
from .ports import DEFAULT_PORT_BASE, check_port_base
from .services import SERVICES
from .state import Home

DEFAULT_PARTITIONS = 16
# Kafka keeps files and memory per partition, and every service a lane; one node on a laptop carries this many.
MOST_PARTITIONS = 256
DAYS = ("clock", "command")
# One for every day; three to see one die: of two, neither could go on without the other.
BROKERS = (1, 3)


@dataclass(frozen=True)
class Settings:
    """The settings of one stack, as stored in stack.json."""

    port_base: int = DEFAULT_PORT_BASE
    clock: str | None = None
    clock_offset_seconds: int = 0
    days: str = "clock"
    partitions: int = DEFAULT_PARTITIONS
    brokers: int = 1

    @staticmethod
    def stored(home: Home) -> Settings:
        """The stored settings; before the first `up` the defaults and what the environment says."""
        found = home.setting("settings")
        if found:
            return Settings(**found)
        return Settings(port_base=_number_from_environment("LAUREL_PORT_BASE", DEFAULT_PORT_BASE))

    def environment(self) -> dict[str, str]:
        """What every service is told."""
        return {
            "LAUREL_CLOCK_OFFSET_SECONDS": str(self.clock_offset_seconds),
            "LAUREL_DAYS": self.days,
            "LAUREL_PARTITIONS": str(self.partitions),
        }


def agree(
    home: Home,
    *,
    port_base: int | None,
    clock: str | None,
    days: str | None,
    partitions: int | None,
    running: set[str],
    brokers: int | None = None,
) -> Settings:
    """Bring what is asked and what is stored together, refuse what would contradict a running stack, store the result."""
    stored = Settings.stored(home)
    known = home.setting("settings") is not None
    wanted = stored
    if port_base is None and os.environ.get("LAUREL_PORT_BASE"):
        port_base = _number_from_environment("LAUREL_PORT_BASE", DEFAULT_PORT_BASE)
    if port_base is not None:
        wanted = replace(wanted, port_base=check_port_base(port_base))
    if days is not None:
        if days not in DAYS:
            raise StackError(f"--days {days!r}: choose one of {', '.join(DAYS)}")
        wanted = replace(wanted, days=days)
    if partitions is not None:
        wanted = replace(wanted, partitions=_checked_partitions(partitions))
    if brokers is not None:
        wanted = replace(wanted, brokers=_checked_brokers(brokers))
    if clock is not None and clock != stored.clock:
        wanted = replace(wanted, clock=clock, clock_offset_seconds=offset_seconds(clock))
    if home.setting("services_began"):
        _refuse_to_go_back(stored, wanted)
    if known:
        _refuse_contradictions(stored, wanted, running)
    home.set(settings=asdict(wanted))
    return wanted


def offset_seconds(clock: str) -> int:
    """How far the business clock is ahead of the real one (negative: behind), in whole seconds."""
    try:
        moment = datetime.fromisoformat(clock)
    except ValueError as error:
        raise StackError(f"--clock {clock!r} is not a moment like 2018-01-02T00:00:00-05:00") from error
    if moment.tzinfo is None:
        raise StackError(f"--clock {clock!r} names no offset from UTC; write it like 2018-01-02T00:00:00-05:00")
    return round(moment.timestamp() - time.time())


def _refuse_contradictions(stored: Settings, wanted: Settings, running: set[str]) -> None:
    if wanted.port_base != stored.port_base and running:
        raise StackError(
            f"this stack runs at port base {stored.port_base}, so it cannot be started at {wanted.port_base}; "
            "stop it first (laurel down), or give another LAUREL_HOME"
        )
    if wanted.partitions != stored.partitions:
        raise StackError(
            f"this stack was made with {stored.partitions} partitions; the number is fixed when a programme starts. "
            "Wipe it (laurel reset), or give another LAUREL_HOME"
        )
    if wanted.brokers != stored.brokers:
        made_with = "one broker" if stored.brokers == 1 else f"{stored.brokers} brokers"
        raise StackError(
            f"this stack was made with {made_with}; the number is fixed for the life of a stack, because its records "
            "are kept in so many copies. Wipe it (laurel reset), or give another LAUREL_HOME"
        )
    changed = (wanted.clock, wanted.days) != (stored.clock, stored.days)
    if changed and running & set(SERVICES):
        raise StackError(
            "services are running with another --clock or --days; stop them first (laurel down), then start again"
        )


def _refuse_to_go_back(stored: Settings, wanted: Settings) -> None:
    """Once a service has run, the business clock may be moved forward only: days that have ended stay ended."""
    if wanted.clock_offset_seconds < stored.clock_offset_seconds:
        before = f"by --clock {stored.clock}" if stored.clock else "to the real time"
        raise StackError(
            f"the business clock of this stack was set {before} and never goes back; wipe the stack (laurel reset), "
            "or give another LAUREL_HOME"
        )


def _checked_partitions(partitions: int) -> int:
    if not 1 <= partitions <= MOST_PARTITIONS:
        raise StackError(f"--partitions {partitions}: choose 1 to {MOST_PARTITIONS}")
    return partitions


def _checked_brokers(brokers: int) -> int:
    if brokers not in BROKERS:
        raise StackError(f"--brokers {brokers}: choose {' or '.join(map(str, BROKERS))}")
    return brokers


def _number_from_environment(name: str, default: int) -> int:
    text = os.environ.get(name)
    if not text:
        return default
    try:
        return check_port_base(int(text))
    except ValueError as error:
        raise StackError(f"{name}={text!r} is not a number") from error
