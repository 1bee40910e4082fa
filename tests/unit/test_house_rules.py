"""The house rules hold over the whole tree, and each of them has been seen to fail."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from laurel_contracts.topics import load_topics
from tests.unit.house_rules import (
    ROOT,
    RULES,
    Rule,
    commits,
    hidden_inputs,
    missing_module_docstring,
    refused_names,
    registry_addresses,
    retail_in_the_kit,
    sleeping_tests,
    too_long,
)

TEXT_SUFFIXES = {".py", ".toml", ".txt", ".in", ".yaml", ".yml", ".json", ".md", ".lock", ".sh", ""}
SERVICES = ("member-svc", "points-svc", "tier-svc", "campaign-svc")
README_HEADINGS = ("## Owns", "## Listens", "## Says", "## Promises")


def tracked_files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    paths = [Path(name) for name in listed.stdout.splitlines()]
    return [path for path in paths if path.suffix in TEXT_SUFFIXES and (ROOT / path).is_file()]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_tree_keeps_the_rule(rule: Rule) -> None:
    found = [problem for path in tracked_files() for problem in rule(path, (ROOT / path).read_text(encoding="utf-8"))]
    assert found == []


LONG_FUNCTION = "def decide() -> None:\n" + "    pass\n" * 61
PLANTED = [
    (refused_names, "services/tier-svc/src/tier_svc/domain/utils.py", ""),
    (too_long, "shared/kit/src/laurel_kit/reading.py", "pass\n" * 401),
    (too_long, "shared/kit/src/laurel_kit/reading.py", LONG_FUNCTION),
    (hidden_inputs, "services/tier-svc/src/tier_svc/domain/standing.py", "at = datetime.now(UTC)\n"),
    (hidden_inputs, "services/tier-svc/src/tier_svc/handlers/judge.py", "import random\n"),
    (hidden_inputs, "services/tier-svc/src/tier_svc/handlers/judge.py", "path = os.environ['HOME']\n"),
    (commits, "services/tier-svc/src/tier_svc/store/facts.py", "await connection.commit()\n"),
    (retail_in_the_kit, "shared/kit/src/laurel_kit/reading.py", "# one transaction for all members\n"),
    (sleeping_tests, "tests/unit/test_patience.py", "time" + ".sleep(1)\n"),
    (missing_module_docstring, "services/tier-svc/src/tier_svc/main.py", "x = 1\n"),
    (registry_addresses, "requirements/dev.txt", "--index" + "-url somewhere\n"),
]


@pytest.mark.parametrize(("rule", "path", "text"), PLANTED, ids=lambda value: getattr(value, "__name__", None))
def test_each_rule_has_been_seen_to_fail(rule: Rule, path: str, text: str) -> None:
    assert list(rule(Path(path), text))


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_says_what_it_owns_listens_to_says_and_promises(service: str) -> None:
    text = (ROOT / "services" / service / "README.md").read_text(encoding="utf-8")
    assert [heading for heading in README_HEADINGS if heading not in text] == []


def test_every_topic_has_an_owner_that_is_a_service() -> None:
    assert {topic.owner for topic in load_topics()} <= set(SERVICES)
