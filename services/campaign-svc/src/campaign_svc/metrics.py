"""Every metric campaign-svc owns, with units. The one thing not to break: labels hold campaigns and kinds, never a member or an order."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter


class CampaignMetrics:
    """Counted after the commit, so that nothing is counted that did not happen."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.granted = Counter("laurel_awards_granted_total", "Awards granted", ["campaign", "kind"], registry=registry)
        self.taken_back = Counter(
            "laurel_awards_taken_back_total", "Awards taken back", ["campaign", "kind"], registry=registry
        )
        self.refused = Counter(
            "laurel_campaign_refusals_total",
            "Conditions that held but met a limit",
            ["campaign", "limit"],
            registry=registry,
        )
        self.emptied = Counter("laurel_campaigns_emptied_total", "Budgets used up", ["campaign"], registry=registry)

    def count(
        self,
        granted: Mapping[tuple[str, str], int],
        taken_back: Mapping[tuple[str, str], int],
        refused: Mapping[tuple[str, str], int],
        emptied: Mapping[str, int],
    ) -> None:
        """A committed batch, by campaign and kind of award or limit."""
        for labels, many in granted.items():
            self.granted.labels(*labels).inc(many)
        for labels, many in taken_back.items():
            self.taken_back.labels(*labels).inc(many)
        for labels, many in refused.items():
            self.refused.labels(*labels).inc(many)
        for campaign, many in emptied.items():
            self.emptied.labels(campaign).inc(many)
