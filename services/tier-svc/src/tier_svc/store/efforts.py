"""What members have done for tasks: the periods that a batch touches, and everything of those who are judged with their whole past. The
one thing not to break: of a period that a batch touches all is loaded, so that a task is done once however a batch is cut."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import text

from laurel_kit.postgres import Transaction
from tier_svc.domain.stream import Stream
from tier_svc.domain.tasks import Effort, Efforts

_EFFORT = """
e.member_id, e.task, e.period, e.seq, e.time, e.day, e.need, e.within_days, e.growth, e.least_minor, e.version, e.counts,
e.points
"""

# The periods in which a batch does something.
PERIODS_READ = text(f"""
SELECT {_EFFORT}
FROM unnest(CAST(:ids AS uuid[]), CAST(:tasks AS text[]), CAST(:periods AS date[])) AS touched(member_id, task, period)
JOIN task_effort e ON e.member_id = touched.member_id AND e.task = touched.task AND e.period = touched.period
""")

# The periods in which refunded orders count: all of each, because another activity may now be the one that a task is done with.
PERIODS_OF_ORDERS = text(f"""
SELECT DISTINCT {_EFFORT}
FROM unnest(CAST(:ids AS uuid[]), CAST(:orders AS text[])) AS refunded(member_id, order_id)
JOIN purchase p ON p.member_id = refunded.member_id AND p.order_id = refunded.order_id
JOIN task_effort own ON own.member_id = p.member_id AND own.seq = p.seq
JOIN task_effort e ON e.member_id = own.member_id AND e.task = own.task AND e.period = own.period
""")

# All that members have ever done for tasks.
EFFORTS_OF_MEMBERS = text(f"""
SELECT {_EFFORT} FROM task_effort e WHERE e.member_id = ANY(CAST(:ids AS uuid[])) ORDER BY e.member_id, e.task, e.period, e.seq
""")

# What a batch adds; an activity has one effort per task.
EFFORTS_ADD = text("""
INSERT INTO task_effort (member_id, task, period, seq, time, day, need, within_days, growth, least_minor, version, counts,
                         points)
SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:tasks AS text[]), CAST(:periods AS date[]), CAST(:seqs AS bigint[]),
                     CAST(:times AS timestamptz[]), CAST(:days AS date[]), CAST(:needs AS integer[]), CAST(:withins AS integer[]),
                     CAST(:growths AS bigint[]), CAST(:leasts AS bigint[]), CAST(:versions AS integer[]),
                     CAST(:counts AS boolean[]), CAST(:points AS bigint[]))
""")

# Orders of which refunds have left too little, or that count again.
EFFORTS_CHANGE = text("""
UPDATE task_effort e SET counts = changed.counts
FROM unnest(CAST(:ids AS uuid[]), CAST(:tasks AS text[]), CAST(:periods AS date[]), CAST(:seqs AS bigint[]),
            CAST(:counts AS boolean[])) AS changed(member_id, task, period, seq, counts)
WHERE e.member_id = changed.member_id AND e.task = changed.task AND e.period = changed.period AND e.seq = changed.seq
""")


async def load(
    tx: Transaction, touched: Mapping[UUID, Iterable[tuple[str, int]]], refunded: Sequence[tuple[UUID, str]]
) -> dict[UUID, Efforts]:
    """What a batch needs, by member: all efforts of the periods that it touches."""
    found: dict[UUID, dict[tuple[str, int, int], Effort]] = {}
    keys = [(member_id, task, period) for member_id, periods in touched.items() for task, period in sorted(periods)]
    if keys:
        ids, tasks, periods = map(list, zip(*keys, strict=True))
        rows = await tx.run(PERIODS_READ, ids=ids, tasks=tasks, periods=[date.fromordinal(each) for each in periods])
        _gather(found, rows.all())
    if refunded:
        ids, orders = map(list, zip(*refunded, strict=True))
        _gather(found, (await tx.run(PERIODS_OF_ORDERS, ids=ids, orders=orders)).all())
    members = touched.keys() | found.keys()
    return {
        member_id: Efforts(found.get(member_id, {}).values(), known=touched.get(member_id, ()), whole=False)
        for member_id in members
    }


async def load_all(tx: Transaction, members: Sequence[UUID]) -> dict[UUID, Efforts]:
    """Everything that members have ever done for tasks."""
    found: dict[UUID, dict[tuple[str, int, int], Effort]] = {member_id: {} for member_id in members}
    _gather(found, (await tx.run(EFFORTS_OF_MEMBERS, ids=list(members))).all())
    return {member_id: Efforts(efforts.values()) for member_id, efforts in found.items()}


async def of_member(tx: Transaction, member_id: UUID) -> list[Effort]:
    """All of one member, by task, period and number."""
    return [_effort(row) for row in (await tx.run(EFFORTS_OF_MEMBERS, ids=[member_id])).all()]


async def save(tx: Transaction, streams: Sequence[Stream]) -> None:
    """What a batch has added and changed; no statement where it is nothing."""
    done = [(stream.member_id, stream.efforts) for stream in streams if stream.efforts is not None]
    added = [(member_id, effort) for member_id, efforts in done for effort in efforts.to_add()]
    if added:
        await tx.run(
            EFFORTS_ADD,
            **_keys(added),
            times=[effort.time for _, effort in added],
            days=[date.fromordinal(effort.day) for _, effort in added],
            needs=[effort.need for _, effort in added],
            withins=[effort.within_days for _, effort in added],
            growths=[effort.growth for _, effort in added],
            leasts=[effort.least_minor for _, effort in added],
            versions=[effort.version for _, effort in added],
            points=[effort.points for _, effort in added],
        )
    changed = [(member_id, effort) for member_id, efforts in done for effort in efforts.to_change()]
    if changed:
        await tx.run(EFFORTS_CHANGE, **_keys(changed))


def _keys(efforts: Sequence[tuple[UUID, Effort]]) -> dict[str, list[Any]]:
    return {
        "ids": [member_id for member_id, _ in efforts],
        "tasks": [effort.task for _, effort in efforts],
        "periods": [date.fromordinal(effort.period) for _, effort in efforts],
        "seqs": [effort.seq for _, effort in efforts],
        "counts": [effort.counts for _, effort in efforts],
    }


def _gather(found: dict[UUID, dict[tuple[str, int, int], Effort]], rows: Iterable[Any]) -> None:
    for row in rows:
        effort = _effort(row)
        found.setdefault(row.member_id, {})[effort.task, effort.period, effort.seq] = effort


def _effort(row: Any) -> Effort:
    return Effort(
        row.task, row.period.toordinal(), row.seq, row.time, row.day.toordinal(), row.need, row.within_days, row.growth,
        row.least_minor, row.version, row.counts, row.points,
    )  # fmt: skip
