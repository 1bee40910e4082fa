"""An import is in order within a member, tries again what failed in passing, and goes on where it stopped."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from laurel_cli.importing.journal import Journal, JournalFile, identity_of
from laurel_cli.importing.lanes import lane_of
from laurel_cli.importing.lease import import_lease
from laurel_cli.importing.patience import Patience, Stopped
from laurel_cli.importing.reports import NdjsonReports, Prepared, Unreadable
from laurel_cli.importing.run import Plan, run_import
from laurel_cli.refusal import CommandError
from laurel_cli.services import Refused, Unreachable
from tests.unit.cli.door_double import DoorDouble, serving

PLAN = Plan(lanes=3, batch_reports=7, patience_seconds=5.0)


class Reports:
    """Reports of ten members, round and round."""

    def __init__(self, count: int, unreadable: int = 0) -> None:
        self.total = count
        self._unreadable = unreadable

    def __iter__(self) -> Iterator[Prepared | Unreadable]:
        for number in range(self.total):
            member = f"m{number % 10}"
            body = {"id": f"{number:05d}", "data": {"identifier": {"kind": "external_id", "value": member}}}
            yield Prepared(member.encode(), json.dumps(body).encode())
        for number in range(self._unreadable):
            yield Unreadable(f"line {number}", "not_a_report", "no JSON")


class Silent:
    def __init__(self) -> None:
        self.steps: list[int] = []

    def moved(self, done: int) -> None:
        self.steps.append(done)


@pytest.fixture
def door() -> Iterator[DoorDouble]:
    with serving() as door:
        yield door


def send(door: DoorDouble, source: Reports, folder: Path, plan: Plan = PLAN) -> Journal:
    file = JournalFile(folder, "history")
    journal, _ = file.open("same input", plan.lanes)
    return run_import(source, door.connect, file=file, journal=journal, plan=plan, watcher=Silent())


def test_everything_arrives_once_and_each_member_in_the_order_of_the_file(door: DoorDouble, tmp_path: Path) -> None:
    journal = send(door, Reports(500), tmp_path)
    assert journal.finished
    assert journal.counts == {"accepted": 500}
    assert journal.acknowledged == len(door.taken) == 500
    assert all(ids == sorted(ids) for ids in door.by_member.values())
    assert door.in_flight_max <= PLAN.lanes


def test_what_fails_in_passing_is_tried_again_before_the_next_batch_of_its_lane(
    door: DoorDouble, tmp_path: Path
) -> None:
    door.failures = [(503, {}), (429, {"retry-after": "0"}), (500, {})]
    journal = send(door, Reports(200), tmp_path)
    assert journal.counts == {"accepted": 200}
    assert all(ids == sorted(ids) for ids in door.by_member.values())


def test_an_answer_that_is_lost_is_asked_for_again_and_what_was_taken_is_a_duplicate(
    door: DoorDouble, tmp_path: Path
) -> None:
    door.lose_answers = 2
    journal = send(door, Reports(200), tmp_path)
    assert len(door.taken) == 200
    assert journal.counts["accepted"] + journal.counts["duplicate"] == 200
    assert journal.counts["duplicate"] > 0


def test_a_stopped_import_goes_on_where_it_stopped(door: DoorDouble, tmp_path: Path) -> None:
    door.fail_after = 20
    with pytest.raises(Refused):
        send(door, Reports(500), tmp_path, Plan(lanes=3, batch_reports=7, patience_seconds=0.0))
    stopped = JournalFile(tmp_path, "history").read()
    assert stopped is not None
    assert not stopped.finished
    assert stopped.acknowledged == len(door.taken) == 20 * 7
    door.fail_after = None
    before = door.requests
    journal = send(door, Reports(500), tmp_path)
    assert journal.counts == {"accepted": 500}  # nothing was sent twice
    assert door.requests - before <= (500 - 140) / 7 + 2 * PLAN.lanes
    assert all(ids == sorted(ids) for ids in door.by_member.values())


def test_a_finished_import_sends_nothing_again(door: DoorDouble, tmp_path: Path) -> None:
    send(door, Reports(100), tmp_path)
    before = door.requests
    assert send(door, Reports(100), tmp_path).counts == {"accepted": 100}
    assert door.requests == before


def test_a_journal_of_other_input_begins_anew(tmp_path: Path) -> None:
    file = JournalFile(tmp_path, "history")
    file.write(Journal(name="history", identity="one", positions=[5, 5], counts={"accepted": 10}))
    assert file.open("one", 2)[0].acknowledged == 10
    assert file.open("two", 2)[0].acknowledged == 0
    assert file.open("one", 3)[0].positions == [0, 0, 0]
    assert identity_of(["a", 1]) == identity_of(["a", 1]) != identity_of(["a", 2])


def test_a_name_cannot_lead_out_of_the_folder(tmp_path: Path) -> None:
    for name in ("../x", "", "a/b", ".hidden"):
        with pytest.raises(CommandError, match="name of an import"):
            JournalFile(tmp_path, name)


def test_what_is_refused_is_counted_by_reason_with_one_example(door: DoorDouble, tmp_path: Path) -> None:
    door.outcome_of = lambda report: "refused" if report["id"].endswith("7") else "accepted"
    journal = send(door, Reports(100, unreadable=3), tmp_path)
    assert journal.counts == {"accepted": 90, "refused": 10, "unreadable": 3}
    told = {(reason.outcome, reason.reason): (reason.count, reason.example) for reason in journal.reasons}
    assert told["refused", "amount"][0] == 10
    assert told["refused", "amount"][1].endswith("7: no")
    assert told["unreadable", "not_a_report"] == (3, "line 0: no JSON")
    assert send(door, Reports(100, unreadable=3), tmp_path).counts["unreadable"] == 3  # met again, not added up


def test_no_programme_is_not_waited_for(door: DoorDouble, tmp_path: Path) -> None:
    door.failures = [(503, {"x-kind": "no_programme"})] * 3
    with pytest.raises(Refused) as refused:
        send(door, Reports(10), tmp_path)
    assert refused.value.kind == "no_programme"


def test_the_lease_is_taken_first_and_given_back(door: DoorDouble) -> None:
    with import_lease(door.connect(), "history"):
        assert door.leases == ["taken"]
    assert door.leases == ["taken", "given back"]


def test_the_lease_of_a_killed_run_is_taken_over_or_replaced_when_it_has_died(door: DoorDouble) -> None:
    with import_lease(door.connect(), "history", earlier="lease-0") as lease_id:
        assert (lease_id, door.leases) == ("lease-0", ["renewed lease-0"])
    door.leases.clear()
    door.dead_leases.add("lease-0")
    with import_lease(door.connect(), "history", earlier="lease-0") as lease_id:
        assert (lease_id, door.leases) == ("lease-1", ["taken"])


def refused(status: int, wait: float | None = None) -> Refused:
    return Refused("no", status, {"type": "busy"}, wait)


class Waiting:
    """A clock that moves by waiting only."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    def wait(self, seconds: float) -> bool:
        self.waits.append(seconds)
        return False

    def clock(self) -> float:
        return sum(self.waits)


def test_waits_grow_to_a_limit_and_respect_what_the_door_asks_for() -> None:
    failures: list[Exception] = [Unreachable("away"), refused(503), refused(429, 3.0), refused(500), refused(502)]
    waiting = Waiting()

    def answer() -> str:
        if failures:
            raise failures.pop(0)
        return "well"

    assert Patience(waiting.wait, 60.0, waiting.clock).until_answered(answer) == "well"
    assert waiting.waits == [0.2, 0.4, 3.0, 1.6, 3.2]


def test_patience_ends_with_the_failure_itself() -> None:
    waiting = Waiting()

    def answer() -> None:
        raise Unreachable("away")

    with pytest.raises(Unreachable):
        Patience(waiting.wait, 10.0, waiting.clock).until_answered(answer)
    assert sum(waiting.waits) <= 10.0
    with pytest.raises(Stopped):
        Patience(lambda _: True, 10.0, waiting.clock).until_answered(answer)


@pytest.mark.parametrize("status", [400, 404, 413, 422])
def test_what_waiting_does_not_mend_is_not_tried_again(status: int) -> None:
    waiting = Waiting()
    failure = refused(status)

    def answer() -> None:
        raise failure

    with pytest.raises(Refused):
        Patience(waiting.wait, 10.0, waiting.clock).until_answered(answer)
    assert waiting.waits == []


def test_a_member_is_always_in_the_same_lane_and_lanes_are_used_evenly() -> None:
    lanes = [lane_of(f"external_id:{member}".encode(), 4) for member in range(2_469)]
    assert lanes == [lane_of(f"external_id:{member}".encode(), 4) for member in range(2_469)]
    assert all(500 < lanes.count(number) < 750 for number in range(4))


def test_lines_of_ndjson_go_as_they_are_by_member_or_else_by_order(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    lines = [
        '{"id":"1","data":{"identifier":{"kind":"phone","value":"1"},"order_id":"o"}}',
        '{"id":"2","subject":"6f1d2c52-6a0d-5a9e-9a55-2d9d4f7c1e01","data":{}}',
        '{"id":"3","data":{"order_id":"o","refund_id":"r"}}',
        "no report",
        "",
    ]
    path.write_text("\n".join(lines) + "\n")
    source = NdjsonReports([path])
    assert source.total == 4
    one, two, three, bad = source
    assert isinstance(one, Prepared)
    assert (one.lane_key, one.body.decode()) == (b"phone:1", lines[0])
    assert isinstance(two, Prepared)
    assert len(two.lane_key) == 16
    assert isinstance(three, Prepared)
    assert three.lane_key == b"order:o"
    assert isinstance(bad, Unreadable)
    assert bad.where == "a.ndjson line 4"
