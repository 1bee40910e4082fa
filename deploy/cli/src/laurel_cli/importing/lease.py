"""The lease at the door under which no day closes by clock: taken before the first report, renewed while the import runs, given back."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from laurel_cli.refusal import CommandError
from laurel_cli.services import MemberService, Refused

LEASE_SECONDS = 120  # survives a restart of the door; a dead import holds the calendar no longer than this
RENEWED_EVERY_SECONDS = 20.0


@contextmanager
def import_lease(door: MemberService, name: str) -> Iterator[None]:
    """No day closes by clock inside this block. `door` is a connection of the lease's own."""
    lease = _Lease(door, name)
    lease.start()
    try:
        yield
    finally:
        lease.give_back()


class _Lease(threading.Thread):
    def __init__(self, door: MemberService, name: str) -> None:
        super().__init__(name="import lease", daemon=True)
        self._door = door
        self._name = name
        self._id = door.begin_import(name, LEASE_SECONDS)
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(RENEWED_EVERY_SECONDS):
            try:
                self._renew()
            except CommandError:
                continue  # the door is away and closes no day meanwhile; the lease outlasts five more attempts

    def _renew(self) -> None:
        try:
            self._door.renew_import(self._id, LEASE_SECONDS)
        except Refused as refused:
            if refused.status not in {404, 409, 410}:
                raise
            self._id = self._door.begin_import(self._name, LEASE_SECONDS)

    def give_back(self) -> None:
        self._over.set()
        self.join()
        try:
            self._door.end_import(self._id)
        except CommandError:
            pass  # it ends by itself
        finally:
            self._door.close()
