"""Places where the fault tests let a process die: LAUREL_CRASHPOINT="C6:17" ends it at the 17th pass of C6, and the last line it writes
says so. Free when unset. The one thing not to break: the end is abrupt (no cleanup, no rollback), as a crash is.

C0 before a lane's seek            C5 behind a handler                   C10 in the rebalance listener
C1 records fetched                 C6 effects written                    C11 relay: acknowledged, rows not deleted
C2 records decoded                 C7 all written, not committed         C12 relay: rows deleted and committed
C3 transaction open                C8 committed                          C13 a dead letter replayed, not committed
C4 cursors locked and compared     C9 before Kafka's copy of the offset
"""

from __future__ import annotations

import os
from itertools import count

VARIABLE = "LAUREL_CRASHPOINT"
EXIT_CODE = 86

_place, _, _passes = os.environ.get(VARIABLE, "").partition(":")
_last_pass = int(_passes or 1)
_counted = count(1)


def at(place: str) -> None:
    """Die here, if this is the pass that was asked for."""
    if place == _place and next(_counted) >= _last_pass:
        os.write(2, f"{VARIABLE}={_place}:{_last_pass} reached\n".encode())
        os._exit(EXIT_CODE)
