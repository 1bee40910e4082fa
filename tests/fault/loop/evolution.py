"""Events as other versions of their producers would send them, made from the committed examples and the committed schemas, without asking
the code that decodes them."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from laurel_contracts.topics import shipped

Event = dict[str, Any]
NEVER_OMITTED = ("subject", "memberseq", "specversion")  # a key without a number is no older version but another event


@dataclass(frozen=True)
class Variant:
    """One event and what must become of it."""

    name: str
    event: Event
    good: bool = True

    @property
    def about_a_member(self) -> bool:
        return "subject" in self.event


def variants() -> list[Variant]:
    """Every example, as it is and as older, newer, unknown and broken producers would send it."""
    found = []
    for path in sorted(shipped("examples").glob("*/*.json")):
        event = json.loads(path.read_bytes())
        name = f"{path.parent.name}/{path.stem}"
        found.append(Variant(f"{name} as it is", event))
        found += [Variant(f"{name} {what}", one) for what, one in _older(event)]
        found.append(Variant(f"{name} newer", _newer(event)))
        found += [Variant(f"{name} {what}", one) for what, one in _unknown(event)]
        if "subject" in event:  # a broken record about a whole partition halts its lane: another promise, another test
            found += [Variant(f"{name} {what}", one, good=False) for what, one in _malformed(event)]
    return found


def _schema_of(type_name: str) -> dict[str, Any]:
    return dict(json.loads((shipped("schemas") / f"{type_name}.json").read_text(encoding="utf-8")))


def _optional_and_required(event: Event) -> tuple[list[str], list[str], list[str]]:
    """Optional fields of the envelope that this event has, optional and required fields of its data, by the committed schema."""
    schema = _schema_of(event["type"])
    envelope = schema["$defs"][schema["$ref"].rpartition("/")[2]]
    data = schema["$defs"][envelope["properties"]["data"]["$ref"].rpartition("/")[2]]
    extra = [name for name in event if name not in envelope["required"] and name not in NEVER_OMITTED]
    optional = [name for name in event["data"] if name not in data.get("required", ())]
    return extra, optional, list(data.get("required", ()))


def _older(event: Event) -> Iterator[tuple[str, Event]]:
    """A producer from before an optional field, one field at a time and all at once."""
    extra, optional, _ = _optional_and_required(event)
    for name in optional:
        yield f"without data.{name}", _without(event, data=[name])
    for name in extra:
        yield f"without {name}", _without(event, envelope=[name])
    yield "without anything optional", _without(event, envelope=extra, data=optional)


def _without(event: Event, envelope: list[str] | None = None, data: list[str] | None = None) -> Event:
    older = copy.deepcopy(event)
    for name in envelope or ():
        del older[name]
    for name in data or ():
        del older["data"][name]
    return older


def _newer(event: Event) -> Event:
    """A producer that says more, in every object of the event that has fields (a map by name has none: what stands in it is data)."""
    schema = _schema_of(event["type"])

    def meant(part: dict[str, Any]) -> dict[str, Any]:
        """The schema itself, behind references and "or null"."""
        if "anyOf" in part:
            part = next(one for one in part["anyOf"] if one.get("type") != "null")
        return meant(schema["$defs"][part["$ref"].rpartition("/")[2]]) if "$ref" in part else part

    def more(value: Any, part: dict[str, Any]) -> Any:
        part = meant(part)
        if isinstance(value, dict) and "properties" in part:
            said = {name: more(inner, part["properties"].get(name, {})) for name, inner in value.items()}
            return said | {"weather": {"sky": ["grey", None, 1.5], "wind": -3}, "größe": "neu"}
        if isinstance(value, list) and isinstance(part.get("items"), dict):
            return [more(inner, part["items"]) for inner in value]
        return value

    newer: Event = more(event, schema)
    assert "weather" in newer
    assert "weather" in newer["data"]
    return newer


def _unknown(event: Event) -> Iterator[tuple[str, Event]]:
    """A type nobody has declared, and a new major version whose data has another shape."""
    yield "of an unknown type", event | {"type": "laurel.gift.wrapped.v1", "data": {"paper": "red", "ribbons": [1, 2]}}
    yield (
        "of the next major version",
        event | {"type": event["type"].replace(".v1", ".v2"), "data": ["another", {"shape": True}]},
    )


def _malformed(event: Event) -> Iterator[tuple[str, Event]]:
    """A required field is missing, or not what it must be."""
    _, _, required = _optional_and_required(event)
    for name in required:
        yield f"broken: no data.{name}", _without(event, data=[name])
    if required:
        broken = copy.deepcopy(event)
        broken["data"][required[0]] = {"not": "this"}
        yield f"broken: data.{required[0]} is an object", broken
    yield "broken: no time", _without(event, envelope=["time"])
    yield "broken: data is text", event | {"data": "text"}


def addressed(event: Event, member: UUID, number: int) -> Event:
    """The same event about another member, under his next number."""
    return event | {"subject": str(member), "memberseq": number, "id": f"{member}/{number}"}
