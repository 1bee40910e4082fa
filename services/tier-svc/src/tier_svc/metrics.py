"""Every metric this service owns, beside those of the kit. The one thing not to break: no label holds an id."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge


class TierMetrics:
    """Counted after the commit, so that nothing is counted twice."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        registry = registry or CollectorRegistry()
        self.standing_facts = Counter(
            "laurel_standing_facts_total", "Standing facts said, by kind (kept and lapsed: period ends judged)", ["kind"],
            registry=registry,
        )  # fmt: skip
        self.judged_with_history = Counter(
            "laurel_members_judged_with_history_total",
            "Members whose whole history had to be read to judge a batch",
            registry=registry,
        )

        self.benefit_uses = Counter(
            "laurel_benefit_uses_total", "Uses of benefits, by benefit of the catalogue, tier and what became of it",
            ["benefit", "tier", "outcome"], registry=registry,
        )  # fmt: skip

        self.benefit_members = Gauge(
            "laurel_benefit_members", "Members who have a benefit now (entitled), and those of them who used it within 30 days (users)",
            ["benefit", "tier", "which"], registry=registry,
        )  # fmt: skip

    def benefit_usage(self, benefit: str, tier: str, entitled: int, users: int) -> None:
        """The two figures of the benefit usage rate."""
        self.benefit_members.labels(benefit, tier, "entitled").set(entitled)
        self.benefit_members.labels(benefit, tier, "users").set(users)

    def benefit_used(self, benefit: str, tier: str, outcome: str) -> None:
        """A use was made, refused or given back, and that is committed."""
        self.benefit_uses.labels(benefit, tier, outcome).inc()

    def assessed(self, kinds: Iterable[str]) -> None:
        """The facts of one committed batch."""
        for kind, facts in Tally(kinds).items():
            self.standing_facts.labels(kind).inc(facts)
