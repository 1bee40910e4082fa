"""The stack is synchronous, its clients are not: run one coroutine to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

_Result = TypeVar("_Result")


def wait_for(work: Coroutine[Any, Any, _Result]) -> _Result:
    """The result of the coroutine; also inside somebody's running event loop, which it blocks meanwhile."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(asyncio.run, work).result()
