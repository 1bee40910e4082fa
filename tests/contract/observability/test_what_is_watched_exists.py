"""Every query of a dashboard and of an alert names a metric that a service really exports; every alert has a runbook."""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from laurel_kit.telemetry import KitMetrics

ROOT = Path(__file__).parents[3]
OBSERVABILITY = ROOT / "deploy" / "observability"
DASHBOARDS = sorted((OBSERVABILITY / "grafana" / "dashboards").glob("*.json"))
ALERTS = yaml.safe_load((OBSERVABILITY / "prometheus" / "alerts.yml").read_text(encoding="utf-8"))
SERVICE_METRICS = {
    "member_svc": "MemberMetrics",
    "points_svc": "PointsMetrics",
    "tier_svc": "TierMetrics",
    "campaign_svc": "CampaignMetrics",
}
NAME = re.compile(r"\b(laurel_[a-z_]+|process_[a-z_]+)\b")


def exported() -> set[str]:
    """Every sample name of the kit and of the four services."""
    names: set[str] = set()
    for package, shape in SERVICE_METRICS.items():
        registry: CollectorRegistry = KitMetrics(package).registry
        getattr(importlib.import_module(f"{package}.metrics"), shape)(registry)
        for family in registry.collect():
            suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}.get(family.type, ("",))
            names |= {family.name + suffix for suffix in suffixes} | {sample.name for sample in family.samples}
    return names


def queries() -> list[tuple[str, str]]:
    """(where, query) of every panel and alert."""
    found: list[tuple[str, str]] = []
    for path in DASHBOARDS:
        dashboard: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        for panel in dashboard["panels"]:
            found += [(f"{path.stem}: {panel['title']}", target["expr"]) for target in panel.get("targets", ())]
    for group in ALERTS["groups"]:
        found += [(f"alert {rule['alert']}", rule["expr"]) for rule in group["rules"]]
    return found


@pytest.fixture(scope="module")
def names() -> set[str]:
    return exported()


@pytest.mark.parametrize(
    ("where", "query"), queries(), ids=lambda value: value if ":" in value or "alert" in value else ""
)
def test_every_query_names_an_exported_metric(names: set[str], where: str, query: str) -> None:
    used = set(NAME.findall(query))
    assert used, f"{where} asks for nothing of ours"
    assert used <= names, f"{where} asks for {sorted(used - names)}"


def test_a_query_for_a_metric_that_nobody_exports_is_noticed(names: set[str]) -> None:
    assert not set(NAME.findall("rate(laurel_wishes_total[1m])")) <= names


@pytest.mark.parametrize(
    "rule", [rule for group in ALERTS["groups"] for rule in group["rules"]], ids=lambda rule: rule["alert"]
)
def test_every_alert_has_a_runbook(rule: dict[str, Any]) -> None:
    text = (ROOT / rule["annotations"]["runbook"]).read_text(encoding="utf-8")
    assert text.startswith("# ")


def test_the_committed_dashboard_is_what_the_code_builds() -> None:
    spec = importlib.util.spec_from_file_location("build_dashboards", OBSERVABILITY / "grafana" / "build_dashboards.py")
    assert spec is not None
    assert spec.loader is not None
    built = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(built)
    for name, text in built.documents().items():
        assert (OBSERVABILITY / "grafana" / "dashboards" / name).read_text(encoding="utf-8") == text


def test_compose_names_every_service_and_waits_for_its_health() -> None:
    compose = yaml.safe_load((ROOT / "deploy" / "compose" / "compose.yaml").read_text(encoding="utf-8"))
    for service in ("member-svc", "points-svc", "tier-svc", "campaign-svc"):
        part = compose["services"][service]
        assert part["build"]["args"]["SERVICE"] == service
        assert "healthcheck" in part
        assert part["environment"]["LAUREL_DATABASE_URL"].startswith(f"postgresql://{service.replace('-svc', '_app')}:")
    published = [port for part in compose["services"].values() for port in part.get("ports", ())]
    assert all(port.startswith("127.0.0.1:") for port in published)
