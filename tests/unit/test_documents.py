"""What the documents name is there: files, and tests of the fault catalogue."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = ("README.md", "ARCHITECTURE.md", "docs/guarantees.md")
NAMED_FILE = re.compile(r"`((?:tests|docs|deploy|shared|services)/[\w./*-]+)`")
CATALOGUE_ID = re.compile(r"T-[A-Z]\d{2}\b")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_file_that_a_document_names_exists(document: str) -> None:
    named = set(NAMED_FILE.findall((ROOT / document).read_text(encoding="utf-8")))
    assert [path for path in sorted(named) if not list(ROOT.glob(path.rstrip("/")))] == []


def test_every_catalogue_id_on_the_page_for_the_sceptic_is_a_test_that_records_its_figure() -> None:
    page = (ROOT / "docs/guarantees.md").read_text(encoding="utf-8").partition("## The last full runs")[0]
    told = set(CATALOGUE_ID.findall(page))
    recorded: set[str] = set()
    for path in (ROOT / "tests").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if path != Path(__file__) and re.search(r"\b(?:record|proven|judge\w*)\b", text):
            recorded |= set(CATALOGUE_ID.findall(text))
    assert sorted(told - recorded) == []
