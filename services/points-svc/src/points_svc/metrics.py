"""Every metric that points-svc owns. The one thing not to break: no label holds the id of a member or an order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge


class PointsMetrics:
    """Counted in points or in pieces, never in money."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.points_moved = Counter("laurel_points_moved_total", "Points moved by entries", ["kind"], registry=registry)
        self.spendings = Counter(
            "laurel_spendings_total", "Spendings answered, by result", ["result"], registry=registry
        )
        self.holds = Counter(
            "laurel_point_holds_total", "Holds made, captured, voided and expired, by result", ["act", "result"],
            registry=registry,
        )  # fmt: skip
        self.transfers = Counter(
            "laurel_point_transfers_total", "Transfers asked for, by result", ["result"], registry=registry
        )
        self.redemptions = Counter(
            "laurel_reward_requests_total", "Rewards offered, redeemed, fulfilled and cancelled, by result",
            ["act", "result"], registry=registry,
        )  # fmt: skip
        self.adjustments = Counter(
            "laurel_adjustment_requests_total", "Corrections by hand proposed and decided, by result", ["act", "result"],
            registry=registry,
        )  # fmt: skip
        self.stored_value = Counter(
            "laurel_stored_value_total", "Top-ups, payments, holds, refunds and cash-outs asked for, by result",
            ["act", "result"], registry=registry,
        )  # fmt: skip
        self.points_held = Gauge("laurel_points_held", "Points in open holds, at the last summary", registry=registry)
        self.ledger_drift = Gauge(
            "laurel_ledger_drift_rows", "Rows that break an invariant, at the last trial balance", ["invariant"],
            registry=registry,
        )  # fmt: skip
        self.ledger_drift_total = Counter(
            "laurel_ledger_drift_total", "Rows that broke an invariant, counted by every proof that the calendar starts",
            ["invariant"], registry=registry,
        )  # fmt: skip
        self.accounts_frozen = Gauge(
            "laurel_accounts_frozen", "Accounts that a proof has frozen and nobody has let go, at the last proof",
            registry=registry,
        )  # fmt: skip
        self.liability = Gauge(
            "laurel_liability_points",
            "What members can still ask for, by state, at the last proof",
            ["state"],
            registry=registry,
        )
        self.breakage = Gauge(
            "laurel_breakage_ratio", "Points expired of those ever issued, at the last proof", registry=registry
        )
        self.points_outstanding = Gauge(
            "laurel_points_outstanding", "Points posted and not yet spent or expired, at the last summary",
            registry=registry,
        )  # fmt: skip
        self.points_owed = Gauge(
            "laurel_points_owed", "Debt of all members in points, at the last summary", registry=registry
        )

    def count_points(self, moved: Mapping[str, int]) -> None:
        """Points that entries have moved, by kind."""
        for kind, points in moved.items():
            self.points_moved.labels(kind).inc(points)

    def note_proof(self, broken: Mapping[str, int]) -> None:
        """How often each invariant is broken."""
        for invariant, count in broken.items():
            self.ledger_drift.labels(invariant).set(count)

    def count_drift(self, broken: Mapping[str, int], frozen: int) -> None:
        """What a proof of the calendar's found, and how many accounts stand still after it."""
        for invariant, count in broken.items():
            self.ledger_drift_total.labels(invariant).inc(count)
        self.accounts_frozen.set(frozen)

    def note_liability(self, shown: Mapping[str, Any]) -> None:
        """What the shop owes in points."""
        in_lots = sum(month["points"] for month in shown["by_expiry_month"])
        for state in ("pending", "overdue", "held", "debt"):
            self.liability.labels(state).set(shown[state])
        self.liability.labels("spendable").set(in_lots - shown["pending"] - shown["overdue"])
        issued = shown["breakage"]["issued"]
        self.breakage.set(shown["breakage"]["expired"] / issued if issued else 0)
