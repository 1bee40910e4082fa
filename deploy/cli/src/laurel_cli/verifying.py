"""The whole proof of the ledger, asked page by page: the chain, the entries in it and what is rebuilt from them, the trial balance and its
invariants. The one thing not to break: what was not looked at is never called good; a page that does not come ends the proof."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from laurel_cli.importing.patience import Patience
from laurel_cli.services.readers import PointsService

BREAKS_KEPT_MAX = 1_000  # the number goes on; who has a thousand breaks does not read the next
CHAIN_PAGE_ROUNDS = 100
MEMBERS_PAGE = 500
Tell = Callable[[int], None]


@dataclass(slots=True)
class Proof:
    """What was looked at, and what is not as it should be."""

    rounds: int = 0
    members: int = 0
    entries: int = 0
    sealed: int = 0
    head: dict[str, Any] | None = None
    trial_balance: dict[str, Any] = field(default_factory=dict)
    broken: int = 0
    breaks: list[dict[str, Any]] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Nothing was found."""
        return self.broken == 0

    def found(self, breaks: list[dict[str, Any]], count: int | None = None) -> None:
        """Some breaks, of perhaps more."""
        self.broken += len(breaks) if count is None else count
        self.breaks += breaks[: max(0, BREAKS_KEPT_MAX - len(self.breaks))]


def _sleep(seconds: float) -> bool:
    time.sleep(seconds)
    return False


def verify(
    points: PointsService, tell: Tell, *, noted: tuple[int, str] | None = None, patience: Patience | None = None
) -> Proof:
    """`tell`: how many members have been looked at. `noted`: a round and its hash as somebody wrote them down earlier: who rewrites the
    whole chain does not rewrite a sheet of paper."""
    proof, patience = Proof(), patience or Patience(_sleep)
    _chain(_pages(lambda after: points.chain(after, CHAIN_PAGE_ROUNDS), patience), proof, noted)
    for page in _pages(lambda after: points.verified_members(after, MEMBERS_PAGE), patience):
        proof.members += page["members"]
        proof.entries += page["entries"]
        proof.sealed += page["sealed"]
        proof.found(page["breaks"], page["broken"])
        tell(proof.members)
    balance = proof.trial_balance = patience.until_answered(points.trial_balance)
    if balance["sum"]:
        proof.found([{"what": "trial balance", "detail": f"the sum over all accounts is {balance['sum']:,}, not 0"}])
    proof.found([
        {"what": "invariant", "invariant": name, "detail": f"{name} is broken {count:,} times"}
        for name, count in balance["invariants"].items() if count
    ])  # fmt: skip
    return proof


def _pages(ask: Callable[[object], dict[str, Any]], patience: Patience) -> Iterator[dict[str, Any]]:
    """Page by page; one audit runs at a time, so a page may have to wait for another."""
    after: object = None
    while True:
        page = patience.until_answered(partial(ask, after))
        yield page
        after = page["next"]
        if after is None:
            return


def _chain(pages: Iterator[dict[str, Any]], proof: Proof, noted: tuple[int, str] | None) -> None:
    seen = False
    for page in pages:
        proof.rounds += len(page["items"])
        proof.head = page["head"] or proof.head
        proof.found(page["breaks"])
        for one in page["items"]:
            if noted is not None and one["round"] == noted[0]:
                seen = True
                if one["hash"] != noted[1]:
                    detail = f"round {noted[0]} has the hash {one['hash']}, not the one that was noted"
                    proof.found([{"what": "altered", "round": noted[0], "detail": detail}])
    if noted is not None and not seen:
        proof.found(
            [{"what": "removed", "round": noted[0], "detail": f"round {noted[0]}, which was noted, is not there"}]
        )
