"""Crash points for the fault tests: LAUREL_CRASHPOINT="C6:17" ends the process at the 17th pass of point C6. Free when unset. The one
thing not to break: the end is abrupt (no cleanup, no rollback), as a crash is.

C0 before a lane's seek            C5 between two handlers               C10 in the rebalance listener
C1 records fetched                 C6 effects written                    C11 relay: acknowledged, rows not deleted
C2 records decoded                 C7 all written, not committed         C12 relay: rows deleted and committed
C3 transaction open                C8 committed                          C13 a dead letter replayed, not committed
C4 cursors locked and compared     C9 before Kafka's copy of the offset
"""

from __future__ import annotations

import os

VARIABLE = "LAUREL_CRASHPOINT"
EXIT_CODE = 86


def _read() -> tuple[str, int]:
    point, _, passes = os.environ.get(VARIABLE, "").partition(":")
    return point, int(passes or 1)


_point, _passes_left = _read()


def at(point: str) -> None:
    """Die here, if this is the pass that was asked for."""
    global _passes_left
    if point != _point:
        return
    _passes_left -= 1
    if _passes_left <= 0:
        os._exit(EXIT_CODE)
