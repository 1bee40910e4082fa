"""The Grafana dashboards as code: run it to write `dashboards/*.json` anew. A test checks that every query names a metric which a service
exports. The one thing not to break: the panels follow one purchase from the door to the points, left to right, top to bottom."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "dashboards"
DATASOURCE = {"type": "prometheus", "uid": "prometheus"}
WIDTH = 24  # Grafana's grid
SERVICE = "{{job}}"

Panel = dict[str, Any]
# A row of panels: (title, what it shows, unit, [(query, legend)]).
Row = tuple[str, list[tuple[str, str, str, list[tuple[str, str]]]]]

PURCHASE_TO_POINTS: list[Row] = [
    (
        "The door",
        [
            ("Reports by outcome", "What became of what channels reported.", "reqps",
             [("sum by (outcome) (rate(laurel_door_reports_total[1m]))", "{{outcome}}")]),
            ("Time of a request, p50 and p99", "From the body's arrival to the answer, durable in PostgreSQL.", "s",
             [("histogram_quantile(0.5, sum by (le) (rate(laurel_door_request_seconds_bucket[1m])))", "p50"),
              ("histogram_quantile(0.99, sum by (le) (rate(laurel_door_request_seconds_bucket[1m])))", "p99")]),
            ("Reports that wait for their order", "Refunds and reviews that came before their order.", "short",
             [("max(laurel_door_waiting_reports)", "waiting")]),
        ],
    ),
    (
        "On the way",
        [
            ("Records applied", "Per service and topic.", "reqps",
             [("sum by (job, topic) (rate(laurel_records_applied_total[1m]))", "{{job}} {{topic}}")]),
            ("How far behind, seconds", "Age of the next record that a reader has not applied.", "s",
             [("max by (job, topic) (laurel_lag_seconds)", "{{job}} {{topic}}")]),
            ("How far behind, records", "Records not applied yet.", "short",
             [("sum by (job, topic) (laurel_lag_records)", "{{job}} {{topic}}")]),
        ],
    ),
    (
        "Said",
        [
            ("Outbox rows", "What is committed and not yet on Kafka.", "short", [("laurel_outbox_rows", SERVICE)]),
            ("Oldest in the outbox", "More than 30 s pages somebody.", "s", [("laurel_outbox_oldest_seconds", SERVICE)]),
            ("Messages sent", "Acknowledged by the broker.", "reqps",
             [("sum by (job, topic) (rate(laurel_relay_sent_total[1m]))", "{{job}} {{topic}}")]),
        ],
    ),
    (
        "What it did",
        [
            ("Points moved", "By kind of entry.", "short", [("sum by (kind) (rate(laurel_points_moved_total[1m]))", "{{kind}}")]),
            ("Standing facts", "Raised, kept, lapsed, lowered, corrected.", "short",
             [("sum by (kind) (rate(laurel_standing_facts_total[1m]))", "{{kind}}")]),
            ("Awards", "Granted and taken back, by campaign.", "short",
             [("sum by (campaign) (rate(laurel_awards_granted_total[1m]))", "{{campaign}}"),
              ("-sum by (campaign) (rate(laurel_awards_taken_back_total[1m]))", "{{campaign}} taken back")]),
        ],
    ),
    (
        "Health",
        [
            ("Lanes that do not flow", "Held or waiting lanes explain themselves; halted ones need a person.", "short",
             [('sum by (job, state) (laurel_lanes{state!="open"})', "{{job}} {{state}}")]),
            ("Dead letters", "Set aside, by reason.", "short",
             [("sum by (job, topic, reason) (increase(laurel_dead_letters_total[10m]))", "{{job}} {{topic}} {{reason}}")]),
            ("Ledger drift", "Rows that break an invariant; anything but 0 stops the shop's accountant.", "short",
             [("max by (invariant) (laurel_ledger_drift_rows)", "{{invariant}}")]),
            ("Frozen accounts", "A proof found their books broken; a person looks and lets them go.", "short",
             [("max(laurel_accounts_frozen)", "accounts")]),
        ],
    ),
    (
        "Liability",
        [
            ("Points outstanding", "What members can still ask for, by state.", "short",
             [("max by (state) (laurel_liability_points)", "{{state}}")]),
            ("Breakage", "Expired, of all points ever issued.", "percentunit", [("max(laurel_breakage_ratio)", "expired")]),
        ],
    ),
    (
        "Cost",
        [
            ("CPU of each service", "Cores.", "short", [("rate(process_cpu_seconds_total[1m])", SERVICE)]),
            ("Memory of each service", "Resident.", "bytes", [("process_resident_memory_bytes", SERVICE)]),
            ("Time of a transaction, p99", "One batch of the consume loop.", "s",
             [("histogram_quantile(0.99, sum by (job, le) (rate(laurel_transaction_seconds_bucket[1m])))", SERVICE)]),
            ("Transactions waited for", "Batches whose locks somebody wanted; the next ones are smaller.", "short",
             [("rate(laurel_transactions_waited_for_total[1m])", SERVICE)]),
        ],
    ),
]  # fmt: skip


def dashboard(uid: str, title: str, rows: list[Row]) -> dict[str, Any]:
    """A dashboard of rows; panels of a row share its width."""
    panels: list[Panel] = []
    y = 0
    for heading, contents in rows:
        panels.append({"id": len(panels) + 1, "type": "row", "title": heading, "collapsed": False, "panels": [],
                       "gridPos": {"x": 0, "y": y, "w": WIDTH, "h": 1}})  # fmt: skip
        width = WIDTH // len(contents)
        for place, (name, description, unit, queries) in enumerate(contents):
            panels.append(
                {
                    "id": len(panels) + 1,
                    "type": "timeseries",
                    "title": name,
                    "description": description,
                    "datasource": DATASOURCE,
                    "gridPos": {"x": place * width, "y": y + 1, "w": width, "h": 7},
                    "fieldConfig": {"defaults": {"unit": unit, "min": 0 if "-sum" not in queries[-1][0] else None}},
                    "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
                    "targets": [
                        {"refId": chr(ord("A") + n), "expr": query, "legendFormat": legend, "datasource": DATASOURCE}
                        for n, (query, legend) in enumerate(queries)
                    ],
                }
            )
        y += 8
    return {
        "uid": uid,
        "title": title,
        "tags": ["laurel"],
        "timezone": "browser",
        "refresh": "5s",
        "time": {"from": "now-15m", "to": "now"},
        "schemaVersion": 41,
        "panels": panels,
    }


def documents() -> dict[str, str]:
    """File name → text of every dashboard."""
    built = dashboard("purchase-to-points", "From purchase to points", PURCHASE_TO_POINTS)
    return {"purchase-to-points.json": json.dumps(built, indent=2, ensure_ascii=False) + "\n"}


if __name__ == "__main__":
    for file, text in documents().items():
        (FOLDER / file).write_text(text, encoding="utf-8")
