"""The negative control of the kill test: LAUREL_UNSAFE_NO_DEDUPE=1 takes away what makes an effect happen once, so that the test is
seen to fail. The one thing not to break: nothing but a test of the tests ever sets it.

With the switch on, `hearing.fresh` lets every number pass, the Applier does not compare the cursor, and the Reader begins where
Kafka's committed offset says, as a consumer does that trusts it."""

from __future__ import annotations

import os
from functools import cache

import structlog

SWITCH = "LAUREL_UNSAFE_NO_DEDUPE"


@cache
def on() -> bool:
    """Whether this process runs without its safety. Read once; the loud warning is meant."""
    unsafe = os.environ.get(SWITCH) == "1"
    if unsafe:
        structlog.get_logger().warning("RUNNING WITHOUT DEDUPLICATION: effects will be lost and doubled", switch=SWITCH)
    return unsafe
