"""The topic files as values: who owns a topic, how it is keyed and numbered, how long it is kept."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

_PACKAGE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic as its file describes it. `partitions` None: the stack's own number; `retention_ms` -1: kept for ever."""

    name: str
    description: str
    owner: str
    key: str
    numbering: str
    events: tuple[str, ...]
    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    dead_letter: str | None
    partitions: int | None
    retention_ms: int


def shipped(folder: str) -> Path:
    """A folder that ships with the contracts (`topics`, `schemas`, `examples`): inside a wheel, or beside `src` in a checkout."""
    inside = _PACKAGE / folder
    return inside if inside.is_dir() else _PACKAGE.parents[1] / folder


def load_topics() -> list[Topic]:
    """All topics, by name. Raises KeyError or tomllib.TOMLDecodeError where a file is not complete."""
    topics = []
    for path in sorted(shipped("topics").glob("*.toml")):
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
        topics.append(
            Topic(
                name=path.stem,
                description=raw["description"],
                owner=raw["owner"],
                key=raw["key"],
                numbering=raw["numbering"],
                events=tuple(raw["events"]),
                producers=tuple(raw["producers"]),
                consumers=tuple(raw["consumers"]),
                dead_letter=raw.get("dead_letter"),
                partitions=raw.get("partitions"),
                retention_ms=raw["retention_ms"],
            )
        )
    return topics
