"""Every metric this service owns, with units. The one thing not to break: no label holds an id of a person or of an order."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Sequence
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

DOOR_SECONDS_BUCKETS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0)


class Answered(Protocol):
    """The answer to a report, as far as it is counted."""

    @property
    def outcome(self) -> str: ...
    @property
    def reason(self) -> str | None: ...


class MemberMetrics:
    """The metrics of member-svc, in the process's registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.reports = Counter(
            "laurel_door_reports_total", "Reports by what became of them", ["outcome", "reason"], registry=registry
        )
        self.request_seconds = Histogram(
            "laurel_door_request_seconds",
            "Time of one POST /v1/activities",
            buckets=DOOR_SECONDS_BUCKETS,
            registry=registry,
        )
        self.waiting = Gauge("laurel_door_waiting_reports", "Reports that wait for their order", registry=registry)
        self.expired = Counter(
            "laurel_door_waiting_expired_total", "Waiting reports given up after 30 days", registry=registry
        )
        self.days_closed = Counter("laurel_days_closed_total", "Days closed", ["by"], registry=registry)
        self.adopted = Counter(
            "laurel_door_adopted_total", "Entries that our own topic knew and the database lacked", registry=registry
        )

    def count(self, outcomes: Sequence[Answered]) -> None:
        """Count what became of reports."""
        for (outcome, reason), reports in Tally((o.outcome, o.reason or "") for o in outcomes).items():
            self.reports.labels(outcome, reason).inc(reports)
