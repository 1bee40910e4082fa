"""The negative controls of the fault tests: LAUREL_UNSAFE takes single safeguards away, so that the checks are seen to fail. A comma list
of names from CONTROLS; LAUREL_UNSAFE_NO_DEDUPE=1 is the same as `no-dedupe`. The one thing not to break: nothing but a test of the tests
ever sets it, a process that runs so says so loudly, and a name that nobody knows stops the start."""

from __future__ import annotations

import os
from functools import cache

import structlog

VARIABLE = "LAUREL_UNSAFE"
SWITCH = "LAUREL_UNSAFE_NO_DEDUPE"

# `hearing.fresh` lets every number pass, the Applier does not compare the cursor, and the Reader begins where Kafka's committed offset
# says, as a consumer does that trusts it.
NO_DEDUPE = "no-dedupe"
# A row that is to be changed is read without its lock, and what is computed from it is written later.
READ_THEN_WRITE = "read-then-write"
# The relay remembers the highest id it has said, and asks for what lies above it.
HIGH_WATER_MARK = "high-water-mark"

CONTROLS = {
    NO_DEDUPE: "effects will be lost and doubled",
    READ_THEN_WRITE: "changes will overwrite each other",
    HIGH_WATER_MARK: "messages will never be said",
}


def controls() -> frozenset[str]:
    """Which safeguards this process runs without. Raises ValueError for a name that is not in CONTROLS."""
    asked = {name.strip() for name in os.environ.get(VARIABLE, "").split(",") if name.strip()}
    if os.environ.get(SWITCH) == "1":
        asked.add(NO_DEDUPE)
    if unknown := asked - CONTROLS.keys():
        raise ValueError(f"{VARIABLE}: there is no {', '.join(sorted(unknown))}; there are {', '.join(CONTROLS)}")
    return frozenset(asked)


@cache
def on(control: str = NO_DEDUPE) -> bool:
    """Whether this process runs without this safeguard. Read once."""
    return control in controls()


def announce() -> None:
    """At the start of a process: the loud warning is meant."""
    for control in sorted(controls()):
        structlog.get_logger().warning("RUNNING WITHOUT A SAFEGUARD", control=control, consequence=CONTROLS[control])
