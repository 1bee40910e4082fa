"""The places in a pool of connections. The one thing not to break: the queue for them is bounded in time and in length, so that a caller
hears "busy" while he still listens."""

from __future__ import annotations

import asyncio

from laurel_kit.failures import PoolBusy

# A caller over HTTP rather hears "busy" than waits for a connection; the consume loop may wait longer.
POOL_WAIT_SECONDS = 0.2
POOL_WAIT_PATIENT_SECONDS = 5.0
# Who would stand behind more callers than the connections serve in that time hears it at once.
WAITING_PER_CONNECTION_MAX = 16


class Places(asyncio.Semaphore):
    """The places in a pool. The queue for them is bounded in time and in length."""

    def __init__(self, places: int) -> None:
        super().__init__(places)
        self._waiting = 0
        self._waiting_max = places * WAITING_PER_CONNECTION_MAX

    async def take(self, wait_seconds: float) -> None:
        """One place. Raises PoolBusy."""
        if not self.locked():
            await self.acquire()
            return
        if wait_seconds <= POOL_WAIT_SECONDS and self._waiting >= self._waiting_max:
            raise PoolBusy(f"{self._waiting} wait for a database connection already")
        self._waiting += 1
        try:
            async with asyncio.timeout(wait_seconds):
                await self.acquire()
        except TimeoutError:
            raise PoolBusy(f"no database connection within {wait_seconds} s") from None
        finally:
            self._waiting -= 1
