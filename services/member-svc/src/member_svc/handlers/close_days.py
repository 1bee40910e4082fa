"""Close days: by command, or when they are due by the business clock (domain.md 2.3). The one thing not to break: no day closes while
history is imported, and none that has not ended by the door's business clock."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import NamedTuple

from member_svc import events
from member_svc.domain import calendar, refusals
from member_svc.domain.refusals import Refused
from member_svc.domain.reports import EARLIEST, LATEST
from member_svc.domain.rulebook import NoProgramme, Rulebook
from member_svc.store import MemberStore


class Closed(NamedTuple):
    """A closed day; `records` were laid into the partitions, 0 when it was closed before."""

    as_of: datetime
    records: int


async def close_day(when: datetime | date, store: MemberStore) -> Closed:
    """Close the day that ends at an instant, or where a local day begins. Raises Refused and NoProgramme."""
    await store.days.lock()
    imports = await store.days.imports_alive()
    if imports:
        raise Refused(refusals.IMPORT_RUNS, "while history is imported no day closes", imports=list(imports))
    rulebook = await store.programmes.rulebook()
    as_of = _instant(when, rulebook)
    if as_of > store.now:
        raise Refused(
            refusals.AHEAD_OF_THE_CLOCK,
            f"{as_of.isoformat()} lies ahead of the business clock",
            now=store.now.isoformat(),
        )
    latest = await store.days.latest()
    if latest is not None and as_of < latest:
        raise Refused(refusals.DAY_PASSED, f"closed already: {latest.isoformat()}", latest=latest.isoformat())
    return await _close(as_of, store)


async def close_next_day(store: MemberStore) -> Closed | None:
    """Close the oldest day that is due by the business clock; None when none is, or none may be closed now."""
    await store.days.lock()
    if await store.days.imports_alive():
        return None
    rulebook = await store.programmes.rulebook()
    if not rulebook.versions:
        return None
    version = rulebook.in_force(store.now)
    due = calendar.days_due(store.now, version.zone, version.close_delay, await store.days.latest())
    return await _close(due[0], store) if due else None


def _instant(when: datetime | date, rulebook: Rulebook) -> datetime:
    if not rulebook.versions:
        raise NoProgramme
    day = when.date() if isinstance(when, datetime) else when
    if day <= EARLIEST.date():
        raise Refused(refusals.BEFORE_ANY_PROGRAMME, f"{when.isoformat()} lies before any programme")
    if day >= LATEST.date():
        raise Refused(refusals.AHEAD_OF_THE_CLOCK, f"{when.isoformat()} lies ahead of the business clock")
    if isinstance(when, datetime):
        if not calendar.begins_a_day(when, rulebook.in_force(when).zone):
            raise Refused(refusals.NO_DAY_BEGINS, f"no day of the programme begins at {when.isoformat()}")
        return when.astimezone(UTC)
    midnight = datetime(when.year, when.month, when.day, tzinfo=UTC)
    return calendar.day_begins(when, rulebook.in_force(midnight).zone)


async def _close(as_of: datetime, store: MemberStore) -> Closed:
    """With nobody in the door: the record has one place between all activities, and none between those that are said again."""
    await store.programmes.shut_gate()
    version = (await store.programmes.rulebook()).in_force(as_of)
    if not await store.days.add(as_of, calendar.local_day(as_of, version.zone), version.version, store.now):
        return Closed(as_of, 0)
    records = events.day_closed(as_of=as_of, version=version.version, partitions=store.partitions)
    store.stream.say_records(records)
    return Closed(as_of, len(records))
