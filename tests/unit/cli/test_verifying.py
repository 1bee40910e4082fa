"""`laurel ledger verify` asks for everything, and calls nothing good that it has not seen."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from laurel_cli.importing.patience import Patience
from laurel_cli.main import app
from laurel_cli.services import Refused, Unreachable
from laurel_cli.verifying import BREAKS_KEPT_MAX, Proof, verify

HASH = "ab" * 32


class Ledger:
    """Two rounds and three pages of members; `failures` come before the next answers."""

    def __init__(self, **changes: Any) -> None:
        self.breaks: list[dict[str, Any]] = []
        self.balance: dict[str, Any] = {"sum": 0, "by_account": {}, "invariants": {"I1": 0, "I2": 0}}
        self.failures: list[Exception] = []
        self.asked: list[tuple[str, object]] = []
        for name, value in changes.items():
            setattr(self, name, value)

    def _ask(self, what: str, after: object) -> None:
        self.asked.append((what, after))
        if self.failures:
            raise self.failures.pop(0)

    def chain(self, after: object, _limit: int) -> dict[str, Any]:
        self._ask("chain", after)
        number = 1 if after is None else 2
        items = [{"round": number, "hash": HASH, "holds": True}]
        return {"items": items, "breaks": [], "head": items[-1], "next": 1 if after is None else None}

    def verified_members(self, after: object, _limit: int) -> dict[str, Any]:
        self._ask("members", after)
        page = 0 if after is None else int(str(after))
        breaks = self.breaks if page == 1 else []
        following = page + 1 if page < 2 else None
        return {
            "members": 5, "entries": 50, "sealed": 40, "broken": len(breaks), "breaks": breaks[:100], "next": following
        }  # fmt: skip

    def trial_balance(self) -> dict[str, Any]:
        self._ask("balance", None)
        return self.balance


def run(ledger: Ledger, tell: Callable[[int], None] = lambda _: None, **more: Any) -> Any:
    return verify(ledger, tell, patience=Patience(lambda _: False, clock=itertools.count().__next__), **more)  # type: ignore[arg-type]


def test_every_page_is_asked_for_and_progress_is_told() -> None:
    ledger = Ledger()
    told: list[int] = []
    proof = run(ledger, told.append)
    assert proof.holds
    assert (proof.rounds, proof.members, proof.entries, proof.sealed) == (2, 15, 150, 120)
    assert told == [5, 10, 15]
    assert proof.head["round"] == 2


def test_any_break_breaks_the_proof_and_all_are_counted() -> None:
    """What would break it: a page whose breaks are told in part and counted in part."""
    proof = run(Ledger(breaks=[{"what": "altered", "detail": "x"}] * 250))
    assert not proof.holds
    assert (proof.broken, len(proof.breaks)) == (250, 100)
    assert len(proof.breaks) <= BREAKS_KEPT_MAX


@pytest.mark.parametrize(
    ("balance", "detail"),
    [
        ({"sum": 3, "by_account": {}, "invariants": {}}, "the sum over all accounts is 3, not 0"),
        ({"sum": 0, "by_account": {}, "invariants": {"I7": 2}}, "I7 is broken 2 times"),
    ],
)
def test_a_trial_balance_that_does_not_hold_is_a_break(balance: dict[str, Any], detail: str) -> None:
    proof = run(Ledger(balance=balance))
    assert [one["detail"] for one in proof.breaks] == [detail]


@pytest.mark.parametrize(("noted", "holds"), [((2, HASH), True), ((2, "cd" * 32), False), ((9, HASH), False)])
def test_a_seal_that_was_noted_must_still_be_there(noted: tuple[int, str], holds: bool) -> None:
    """Who writes the whole chain anew does not write the sheet of paper anew."""
    assert run(Ledger(), noted=noted).holds is holds


def test_an_audit_that_is_busy_is_asked_again_and_one_that_never_answers_ends_the_proof() -> None:
    busy = Refused("busy", 503, {}, 1.0)
    ledger = Ledger(failures=[busy, busy])
    assert run(ledger).holds
    assert ledger.asked[:3] == [("chain", None)] * 3
    with pytest.raises(Refused):
        run(Ledger(failures=[Refused("no", 404, {}, None)]))
    with pytest.raises(Unreachable):
        run(Ledger(failures=[Unreachable("gone")] * 10_000))


@pytest.mark.parametrize(("broken", "code"), [(0, 0), (2, 1)])
def test_the_command_ends_with_1_on_any_break_and_names_it(
    monkeypatch: pytest.MonkeyPatch, broken: int, code: int
) -> None:
    found = Proof(members=3, entries=9, sealed=8, head={"round": 2, "hash": HASH})
    found.found([{"what": "altered", "detail": f"entry {number} has been altered"} for number in range(broken)])

    @contextmanager
    def services(*_: Any) -> Iterator[Any]:
        yield SimpleNamespace(points=SimpleNamespace(url="http://127.0.0.1:9", summary=lambda: {"members": 3}))

    monkeypatch.setattr("laurel_cli.commands.ledger.services_of", services)
    monkeypatch.setattr("laurel_cli.verifying.verify", lambda *_, **__: found)
    said = CliRunner().invoke(app, ["ledger", "verify", "--json"])
    assert said.exit_code == code
    document = json.loads(said.stdout)
    assert (document["holds"], document["broken"], len(document["breaks"])) == (code == 0, broken, broken)
    words = CliRunner().invoke(app, ["ledger", "verify"]).stdout
    assert f"seal 2:{HASH}" in words
    assert ("entry 1 has been altered" in words) is bool(broken)
    assert ("Everything holds" in words) is not bool(broken)
