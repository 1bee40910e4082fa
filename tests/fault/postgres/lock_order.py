"""Watches in which order transactions take their locks (reliability.md 3.3): cursors, then accounts, each ascending. A hook on the
engine, so it sees what is really sent; inside one statement PostgreSQL itself sorts, which the statement's own ORDER BY must ask for."""

from __future__ import annotations

import re
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

CURSORS = re.compile(r"FROM consumer_cursor .*ORDER BY c\.topic, c\.partition\s+FOR NO KEY UPDATE", re.DOTALL)
ACCOUNTS = re.compile(r"FROM account\s+WHERE .*FOR NO KEY UPDATE", re.DOTALL)
ORDERED = re.compile(r"ORDER BY member_id (ASC )?(LIMIT .* )?FOR NO KEY UPDATE", re.DOTALL)


class LockOrder:
    """What each transaction has locked so far, and every inversion."""

    def __init__(self, *engines: AsyncEngine) -> None:
        self.inversions: list[str] = []
        self.transactions = 0
        self._held: WeakKeyDictionary[Any, set[Any]] = WeakKeyDictionary()
        for engine in engines:
            event.listen(engine.sync_engine, "begin", self._begin)
            event.listen(engine.sync_engine, "before_cursor_execute", self._locks)

    def _begin(self, connection: Any) -> None:
        self.transactions += 1
        self._held[connection] = set()

    def _locks(self, connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        held = self._held.setdefault(connection, set())
        if CURSORS.search(statement):
            if held:
                self.inversions.append("a cursor after an account")
            return
        if not ACCOUNTS.search(statement):
            return
        if not ORDERED.search(statement):
            self.inversions.append("accounts in no order")
        ids = next((p for p in parameters if isinstance(p, (list, tuple))), ())
        new = [one for one in ids if one not in held]
        if held and new and min(new) < max(held):
            self.inversions.append(f"account {min(new)} after {max(held)}")
        held.update(new)
