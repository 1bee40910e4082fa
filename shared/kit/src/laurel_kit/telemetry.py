"""What can be seen from outside: JSON logs and the kit's metrics, in one registry per process. The one thing not to break: no label
holds an id of a person or a record."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector

from laurel_kit.hearing import Span

BATCH_RECORDS_BUCKETS = (1, 3, 10, 30, 100, 200, 300, 500, 750, 1_000)
TRANSACTION_SECONDS_BUCKETS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 10)


def set_up_logs(service: str, level: str = "info") -> None:
    """JSON lines on standard output, for structlog and for the standard library alike."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
            foreign_pre_chain=shared,
        )
    )
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    logging.getLogger("aiokafka").setLevel(logging.WARNING)
    structlog.contextvars.bind_contextvars(service=service)


class KitMetrics:
    """Every metric the kit owns. A service puts its own into the same `registry`."""

    def __init__(self, service: str, registry: CollectorRegistry | None = None) -> None:
        self.service = service
        self.registry = registry or CollectorRegistry()
        r = self.registry
        self.records_applied = Counter("laurel_records_applied_total", "Records applied", ["topic"], registry=r)
        self.batch_records = Histogram(
            "laurel_batch_records", "Records per transaction", buckets=BATCH_RECORDS_BUCKETS, registry=r
        )
        self.transaction_seconds = Histogram(
            "laurel_transaction_seconds", "Time of one transaction", buckets=TRANSACTION_SECONDS_BUCKETS, registry=r
        )
        self.waited_for = Counter(
            "laurel_transactions_waited_for_total", "Transactions whose locks somebody else waited for", registry=r
        )
        self.lag_records = Gauge("laurel_lag_records", "Records not applied yet", ["topic", "partition"], registry=r)
        self.lag_seconds = Gauge(
            "laurel_lag_seconds", "Age of the next record to apply", ["topic", "partition"], registry=r
        )
        self.dead_letters = Counter("laurel_dead_letters_total", "Records set aside", ["topic", "reason"], registry=r)
        self.outbox_rows = Gauge("laurel_outbox_rows", "Rows in the outbox", registry=r)
        self.outbox_oldest_seconds = Gauge(
            "laurel_outbox_oldest_seconds", "Age of the oldest row in the outbox", registry=r
        )
        self.relay_sent = Counter(
            "laurel_relay_sent_total", "Messages the broker has acknowledged", ["topic"], registry=r
        )
        self.relay_failures = Counter("laurel_relay_failures_total", "Failed sends", ["reason"], registry=r)
        self.relay_blocked = Gauge("laurel_relay_blocked_partitions", "Partitions the relay cannot send to", registry=r)
        self.relay_leader = Gauge("laurel_relay_leader", "1 when this process relays", registry=r)
        self.lanes = Gauge("laurel_lanes", "Lanes by state", ["state"], registry=r)
        self.holds = Counter("laurel_holds_total", "Times a lane was held", ["topic"], registry=r)
        self.holes = Counter(
            "laurel_offset_holes_total", "Offsets without a record on foreign topics", ["topic"], registry=r
        )
        self.halts = Counter("laurel_lane_halts_total", "Lanes that stopped and need a person", ["topic"], registry=r)
        self.failures = Counter("laurel_loop_failures_total", "Transactions that failed", ["verdict"], registry=r)
        self.rebalances = Counter("laurel_rebalances_total", "Rebalances of the consumer group", registry=r)
        self.job_runs = Counter("laurel_job_runs_total", "Runs of a job", ["job", "result"], registry=r)
        ProcessCollector(registry=r)
        PlatformCollector(registry=r)

    def applied(self, spans: Sequence[Span], records: int, seconds: float) -> None:
        """One transaction of the consume loop has committed."""
        for span in spans:
            self.records_applied.labels(span.topic).inc(span.next_offset - span.start)
        self.batch_records.observe(records)
        self.transaction_seconds.observe(seconds)
