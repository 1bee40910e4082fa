"""The door's other entrance: reports on the topic `channel-activities`. The one thing not to break: nobody hears our answer here, so
whatever is refused becomes a dead letter, and a duplicate does not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from laurel_kit.hearing import Heard, Hold
from member_svc.domain import outcomes as words
from member_svc.domain.outcomes import Outcome
from member_svc.domain.rulebook import NoProgramme
from member_svc.handlers.read_reports import read_each, source_of
from member_svc.handlers.take_reports import take_reports
from member_svc.store import MemberStore

SHUT = "more than 5 % of what this source said lately was bad; mend its producer, open it, replay"


async def take_records(batch: Sequence[Heard], store: MemberStore) -> None:
    """Take the reports of a batch. Holds the lane while no programme is in force."""
    read = read_each([heard.value for heard in batch])
    sources = [report.source for report in read.reports]
    shut = await store.sources.shut(set(sources))
    try:
        taken = await take_reports([report for report in read.reports if report.source not in shut], store)
    except NoProgramme:
        raise Hold("no programme is in force") from None
    outcomes = read.refused + taken
    await _tally(batch, sources, outcomes, store)
    outcomes += [
        Outcome(report.index, report.id, "refused", words.SOURCE_SHUT, SHUT)
        for report in read.reports
        if report.source in shut
    ]
    for outcome in outcomes:
        if outcome.outcome in ("refused", "conflict"):
            await store.set_aside(batch[outcome.index], outcome.reason or "", outcome.detail or "")
    store.count(outcomes)


async def _tally(
    batch: Sequence[Heard], sources: Sequence[str], outcomes: Sequence[Outcome], store: MemberStore
) -> None:
    """Count by source what was heard and what of it was bad. What names no source is nobody's."""
    heard = Counter(sources)
    bad: Counter[str] = Counter()
    for outcome in outcomes:
        if outcome.reason in words.BAD:
            source = source_of(batch[outcome.index].value)
            bad[source] += 1
            heard[source] = max(heard[source], bad[source])
    del heard[""]
    await store.sources.tally({source: (count, bad[source]) for source, count in heard.items()}, store.now)
