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
def import_lease(door: MemberService, name: str, earlier: str | None = None) -> Iterator[str]:
    """No day closes by clock inside this block. `door` is a connection of the lease's own; `earlier` is the lease of a run that was
    killed, taken over so that it does not outlive this one. Gives the lease's id, for the next run to take over."""
    lease = _Lease(door, name, earlier)
    lease.start()
    try:
        yield lease.id
    finally:
        lease.give_back()


class _Lease(threading.Thread):
    def __init__(self, door: MemberService, name: str, earlier: str | None) -> None:
        super().__init__(name="import lease", daemon=True)
        self._door = door
        self._name = name
        self._over = threading.Event()
        self.id = earlier or door.begin_import(name, LEASE_SECONDS)
        if earlier is not None:
            self._renew()

    def run(self) -> None:
        while not self._over.wait(RENEWED_EVERY_SECONDS):
            try:
                self._renew()
            except CommandError:
                continue  # the door is away and closes no day meanwhile; the lease outlasts five more attempts

    def _renew(self) -> None:
        try:
            self._door.renew_import(self.id)
        except Refused as refused:
            if refused.status != 404:
                raise
            self.id = self._door.begin_import(self._name, LEASE_SECONDS)

    def give_back(self) -> None:
        self._over.set()
        self.join()
        try:
            self._door.end_import(self.id)
        except CommandError:
            pass  # it ends by itself
        finally:
            self._door.close()
