"""The command line against the real stack: history comes in once, is explained, settles, is exported; days close; versions are guarded."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from laurel_cli.stack.settings import DEFAULT_PARTITIONS
from tests.integration.cli.conftest import Laurel
from tests.support.shop import REFERENCE, Shop, reference

HEAD = "card,bon,at,paid,article,group\n"
ROWS = """C1,{p}1,2025-03-01 10:00:00,150.00,A,tea
C1,{p}1,2025-03-01 10:00:00,99.99,B,tea
C1,{p}2,2025-03-02 10:00:00,100.00,A,tea
C2,{p}3,2025-03-02 11:00:00,0.29,A,gift-card
"""
MAPPED = ["--map", "member=card", "--map", "order=bon", "--map", "time=at", "--map", "amount=paid", "--map", "sku=article",
          "--map", "category=group", "--member-kind", "card", "--zone", "America/New_York"]  # fmt: skip


def csv_file(folder: Path, name: str, *, prefix: str, members: str = "", more: str = "") -> Path:
    path = folder / name
    path.write_text(HEAD + (ROWS + more).format(p=prefix).replace("C1", f"{members}1").replace("C2", f"{members}2"))
    return path


def purchase(number: int, member: str, minor: int, prefix: str) -> dict[str, Any]:
    line = {"line_id": "1", "sku": "A", "category": "tea", "quantity": 1, "amount_minor": minor}
    return {
        "specversion": "1.0", "id": f"{prefix}{number}", "source": "pos/7", "type": "laurel.purchase.recorded.v1",
        "time": f"2025-05-{1 + number % 28:02d}T10:{number // 28 % 60:02d}:00Z",
        "data": {"identifier": {"kind": "external_id", "value": member}, "order_id": f"{prefix}{number}", "channel": "store",
                 "currency": "USD", "lines": [line], "amount_minor": minor},
    }  # fmt: skip


def test_a_csv_file_comes_in_settles_and_is_explained(shop: Shop, laurel: Laurel, tmp_path: Path) -> None:
    path = csv_file(tmp_path, "till.csv", prefix="a", members="CSV")
    done = laurel("import", path, *MAPPED, "--json")
    assert done.code == 0
    assert (done.json["accepted"], done.json["reports"]) == (3, 3)
    assert laurel("settle", "--json").json["settled"]
    story = laurel("explain", "card:CSV1", "--json").json
    assert story["standing"]["tier"] == "silver"
    assert story["balance"]["earned_net"] == 249 + 120  # the lifting order still earns at regular, the next at silver
    words = laurel("explain", "card:CSV1", "--order", "a2").out
    assert "100.00 × 1 × 1.2" in words
    assert "Big basket" in words
    assert laurel("explain", "card:CSV2", "--json").json["balance"]["earned_net"] == 0  # gift cards do not qualify


def test_the_same_file_again_sends_nothing_and_under_another_name_only_duplicates(
    laurel: Laurel, tmp_path: Path
) -> None:
    path = csv_file(tmp_path, "again.csv", prefix="b", members="TWICE")
    assert laurel("import", path, *MAPPED, "--json").json["accepted"] == 3
    assert laurel("import", path, *MAPPED, "--json").json["accepted"] == 3  # what the journal says
    again = laurel("import", path, *MAPPED, "--name", "once-more", "--json").json
    assert (again["accepted"], again["duplicate"]) == (0, 3)
    assert laurel("import", path, *MAPPED, "--restart", "--json").json["duplicate"] == 3


def test_what_is_refused_is_told_with_its_reason_and_decides_the_exit_code(laurel: Laurel, tmp_path: Path) -> None:
    bad = "C1,{p}4,2025-03-03 10:00:00,three,A,tea\nC1,{p}5,2125-03-03 10:00:00,3.00,A,tea\n"
    path = csv_file(tmp_path, "bad.csv", prefix="c", members="BAD", more=bad)
    done = laurel("import", path, *MAPPED, "--json")
    assert done.code == 3
    assert (done.json["accepted"], done.json["refused"], done.json["unreadable"]) == (3, 1, 1)
    told = {reason["outcome"]: reason for reason in done.json["reasons"]}
    assert "c4" in told["unreadable"]["example"]
    assert "c5" in told["refused"]["example"]
    words = laurel("import", path, *MAPPED, "--allow-refused")
    assert words.code == 0
    assert "not readable" in words.out


def test_an_ndjson_history_killed_in_the_middle_is_continued_and_counted_once(
    shop: Shop, laurel: Laurel, home: Path, tmp_path: Path
) -> None:
    path = tmp_path / "history.ndjson"
    reports = [purchase(number, f"K{number % 40}", 1_000, "k") for number in range(6_000)]
    path.write_text("".join(json.dumps(report) + "\n" for report in reports))
    command = [sys.executable, "-c", "from laurel_cli.main import main; main()", "import", str(path), "--batch", "50"]
    journal = home / "imports" / "history.json"
    with subprocess.Popen(command, env={**os.environ, "LAUREL_HOME": str(home)}, stderr=subprocess.DEVNULL) as running:
        while not answered(journal):
            assert running.poll() is None, "the import ended before it could be killed"
            look_again(running)
        running.send_signal(signal.SIGKILL)
    assert 0 < answered(journal) < 6_000
    done = laurel("import", path, "--batch", "50", "--json").json
    assert done["reports"] == 6_000
    assert done["accepted"] + done["duplicate"] == 6_000
    assert laurel("settle", "--json").json["settled"]
    member = shop.services.member.find("K7")
    orders = list(shop.services.points.orders(member))
    assert len(orders) == len({order["order_id"] for order in orders}) == 150


def answered(journal: Path) -> int:
    """How many reports the door has answered, by the journal."""
    return sum(json.loads(journal.read_text())["positions"]) if journal.exists() else 0


def look_again(running: subprocess.Popen[bytes]) -> None:
    """Look again in a moment, or at once when the process has ended."""
    try:
        running.wait(0.02)
    except subprocess.TimeoutExpired:
        return


@pytest.mark.parametrize("ending", ["csv", "ndjson", "parquet"])
def test_members_are_exported_with_exactly_these_columns(laurel: Laurel, tmp_path: Path, ending: str) -> None:
    source = tmp_path / "one.ndjson"
    source.write_text(json.dumps(purchase(1, "EXPORTED", 24_999, "export")) + "\n")
    laurel("import", source, "--name", "exported", "--restart")
    assert laurel("settle").code == 0
    path = tmp_path / f"members.{ending}"
    assert laurel("export", "members", "--out", path, "--json").json["rows"] > 0
    rows = read_rows(path)
    names = [
        "member_id",
        "external_id",
        "tier",
        "since",
        "until",
        "points_earned",
        "points_posted",
        "points_available",
        "debt",
    ]
    assert list(rows[0]) == names
    (one,) = [row for row in rows if row["external_id"] == "EXPORTED"]
    assert (one["tier"], int(one["points_earned"]), int(one["points_posted"]), int(one["debt"])) == (
        "silver",
        249,
        349,
        0,
    )
    assert one["since"].startswith("2025-05-02T10:00:00")
    assert int(one["points_available"]) in {0, 349}  # by the clock of the day on which this test runs


def read_rows(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        return list(pq.read_table(path).to_pylist())
    if path.suffix == ".ndjson":
        return [json.loads(line) for line in path.read_text().splitlines()]
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_published_version_is_guarded_and_the_next_one_compared_and_put_in_force(
    laurel: Laurel, tmp_path: Path
) -> None:
    assert (
        "was activated before"
        in laurel("programme", "apply", REFERENCE, "--currency", "USD", "--zone", "America/New_York").out
    )
    document = reference()
    document["campaigns"][1]["what"][0]["points"] = 60
    path = tmp_path / "next.yaml"
    path.write_text(yaml.safe_dump(document, allow_unicode=True))
    refused = laurel("programme", "apply", path)
    assert refused.code == 1
    assert "give the file version 2" in refused.err
    assert laurel("programme", "diff", path, "--json").json["changes"] == [
        {"rule": "campaign big-basket: gives", "before": "50 points", "after": "60 points"}
    ]
    assert laurel("programme", "apply", path, "--version", "2", "--json").json["result"] == "is in force"
    shown = laurel("programme", "show", "--json").json
    assert (shown["version"], [one["state"] for one in shown["versions"]]) == (2, ["active", "active"])
    assert laurel("settle").code == 0


def test_days_are_closed_by_command_and_never_ahead_of_the_clock(laurel: Laurel) -> None:
    ahead = laurel("day", "close", "--as-of", "2100-01-01")
    assert ahead.code == 1
    assert "clock" in ahead.err
    assert laurel("day", "close", "--as-of", "2025-06-01", "--json").json["as_of"].startswith("2025-06-01T04:00:00")
    assert laurel("settle").code == 0
    assert "2025-06-01" in laurel("day", "list").out


def test_facts_are_said_again_and_change_nothing(laurel: Laurel, tmp_path: Path) -> None:
    path = csv_file(tmp_path, "said.csv", prefix="s", members="SAID")
    laurel("import", path, *MAPPED)
    assert laurel("settle").code == 0
    before = story_of("card:SAID1", laurel)
    said = laurel("resay", "--member", "card:SAID1", "--json").json
    assert said["member-svc"] == 2
    assert said["tier-svc"] >= 1
    assert laurel("settle").code == 0
    assert story_of("card:SAID1", laurel) == before


def story_of(member: str, laurel: Laurel) -> Any:
    """All that is known of a member, without the moment of the question."""
    story = laurel("explain", member, "--json").json
    del story["balance"]["at"]
    return story


def test_a_conflict_is_a_dead_letter_that_is_shown_replayed_in_vain_and_given_up(
    laurel: Laurel, tmp_path: Path
) -> None:
    path = tmp_path / "conflict.ndjson"
    other = purchase(1, "CONFLICT", 1_000, "dead") | {"id": "dead-again"}
    other["data"] = purchase(1, "CONFLICT", 999, "dead")["data"]
    path.write_text(json.dumps(purchase(1, "CONFLICT", 1_000, "dead")) + "\n" + json.dumps(other) + "\n")
    done = laurel("import", path, "--json")
    assert (done.code, done.json["accepted"], done.json["conflict"]) == (3, 1, 1)
    letters = laurel("dlq", "list", "--service", "member", "--state", "open", "--json").json
    (letter,) = [
        one
        for one in letters
        if "dead-again" in json.dumps(laurel("dlq", "show", f"member/{one['id']}", "--json").json)
    ]
    name = f"member-svc/{letter['id']}"
    assert name in laurel("dlq", "list").out
    replayed = laurel("dlq", "replay", name)
    assert replayed.code == 1
    assert "it stopped at letter" in replayed.out
    assert "is discarded" in laurel("dlq", "discard", name, "--by", "the keeper").out
    shown = laurel("dlq", "show", name, "--json").json
    assert (shown["state"], shown["resolved_by"]) == ("discarded", "the keeper")
    assert [one["outcome"] for one in shown["actions"]] == ["failed", "discarded"]
    refused = laurel("dlq", "replay", name)
    assert refused.code == 1
    assert "was discarded by the keeper" in refused.err
    assert laurel("dlq", "show", name, "--json").json["state"] == "discarded"


def test_an_unknown_dead_letter_is_a_sentence(laurel: Laurel) -> None:
    unknown = laurel("dlq", "show", "points-svc/987654")
    assert unknown.code == 1
    assert "points-svc refused" in unknown.err
    assert "of which service" in laurel("dlq", "replay", "7").err


def test_nobody_and_no_stack_are_sentences(laurel: Laurel) -> None:
    assert "nobody is known as external_id:NOBODY" in laurel("explain", "NOBODY").err
    away = laurel("settle", "--url", "tier=http://127.0.0.1:9")
    assert away.code == 1
    assert "tier-svc cannot be reached" in away.err
    assert "member=http" in laurel("settle", "--url", "x").err


def test_topics_are_made_on_a_broker_of_your_own_and_never_changed(
    shop: Shop, laurel: Laurel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", shop.stack.kafka_bootstrap)
    there = laurel("topics", "--partitions", str(DEFAULT_PARTITIONS), "--json").json
    assert there["made"] == []
    assert {"activities", "activities.dead-letter", "channel-activities"} <= set(there["there"])
    refused = laurel("topics", "--partitions", str(DEFAULT_PARTITIONS + 1))
    assert refused.code == 1
    assert f"activities has {DEFAULT_PARTITIONS} partitions" in refused.err
