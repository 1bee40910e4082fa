"""The door's other entrance: reports on the topic `channel-activities`. The one thing not to break: nobody hears our answer here, so
whatever is refused becomes a dead letter, and a duplicate does not."""

from __future__ import annotations

from collections.abc import Sequence

from laurel_kit.hearing import Heard, Hold
from member_svc.domain.rulebook import NoProgramme
from member_svc.handlers.read_reports import read_each
from member_svc.handlers.take_reports import take_reports
from member_svc.store import MemberStore


async def take_records(batch: Sequence[Heard], store: MemberStore) -> None:
    """Take the reports of a batch. Holds the lane while no programme is in force."""
    read = read_each([heard.value for heard in batch])
    try:
        outcomes = read.refused + await take_reports(read.reports, store)
    except NoProgramme:
        raise Hold("no programme is in force") from None
    for outcome in outcomes:
        if outcome.outcome in ("refused", "conflict"):
            await store.set_aside(batch[outcome.index], outcome.reason or "", outcome.detail or "")
    store.count(outcomes)
