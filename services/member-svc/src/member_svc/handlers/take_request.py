"""The door's first entrance: the reports of one HTTP request. The one thing not to break: a conflict is kept as a dead letter although
the channel is told, because somebody has to look into it."""

from __future__ import annotations

from collections.abc import Sequence

from member_svc.domain import keys
from member_svc.domain.outcomes import Outcome
from member_svc.domain.reports import Report
from member_svc.handlers.read_reports import Read, document_of
from member_svc.handlers.take_reports import take_reports
from member_svc.store import MemberStore


async def take_request(read: Read, store: MemberStore) -> list[Outcome]:
    """Take what could be read; the outcomes of all, in the order of the request."""
    taken = await take_reports(read.reports, store)
    if any(outcome.outcome == "conflict" for outcome in taken):
        await _keep_conflicts(read.reports, taken, store)
    outcomes = taken
    if read.refused:
        outcomes = sorted([*read.refused, *taken], key=lambda outcome: outcome.index)
    store.count(outcomes)
    return outcomes


async def _keep_conflicts(reports: Sequence[Report], taken: Sequence[Outcome], store: MemberStore) -> None:
    by_index = {report.index: report for report in reports}
    for outcome in taken:
        if outcome.outcome == "conflict":
            report = by_index[outcome.index]
            identity = keys.hashed(report.id_key.hex(), report.content.hex())
            await store.set_report_aside(identity, document_of(report), outcome.reason or "", outcome.detail or "")
