"""The documents that are generated from the registry: one JSON Schema per event type and the AsyncAPI 3 document. `--write` makes them
anew and refuses a breaking change; `--check` says whether what is committed is what the code says. Never edit a schema by hand."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import msgspec

from laurel_contracts.compatibility import breaking_changes
from laurel_contracts.envelope import Event
from laurel_contracts.registry import TOPICS, whole
from laurel_contracts.topics import Topic, load_topics, shipped

ASYNCAPI_FILE = "asyncapi.json"


def schemas() -> dict[str, dict[str, Any]]:
    """The JSON Schema of every event type as it stands on Kafka, by type name."""
    found: dict[str, dict[str, Any]] = {}
    for shapes in TOPICS.values():
        for name, shape in shapes.items():
            data: Any = whole(shape)
            event: Any = Event[data]
            schema = _by_plain_name(msgspec.json.schema(event), shape.__name__)
            found[name] = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": name, **schema}
    return found


def _by_plain_name(schema: dict[str, Any], name: str) -> dict[str, Any]:
    """The schema with its data under its own name, also where the shape is told what its lines are."""
    parts = dict(schema["$defs"])
    event = parts.pop(_part_of(schema))
    data = parts.pop(_part_of(event["properties"]["data"]))
    event = event | {"title": f"Event[{name}]"}
    event["properties"] = event["properties"] | {"data": {"$ref": f"#/$defs/{name}"}}
    named = {f"Event_{name}_": event, name: data | {"title": name}, **parts}
    return {"$ref": f"#/$defs/Event_{name}_", "$defs": named}


def _part_of(reference: dict[str, Any]) -> str:
    return str(reference["$ref"].rpartition("/")[2])


def asyncapi(topics: list[Topic], by_type: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The AsyncAPI 3.0 document of all topics: channels, messages, and who sends and receives what."""
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    for topic in topics:
        channels[topic.name] = {
            "address": topic.name,
            "description": topic.description,
            "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in topic.events},
            "x-key": topic.key,
            "x-numbering": topic.numbering,
            "x-dead-letter": topic.dead_letter,
            "x-retention-ms": topic.retention_ms,
        }
        for action, services in (("send", topic.producers), ("receive", topic.consumers)):
            for service in services:
                operations[f"{service}.{action}.{topic.name}"] = {
                    "action": action,
                    "channel": {"$ref": f"#/channels/{topic.name}"},
                    "x-service": service,
                }
    messages = {
        name: {
            "name": name,
            "contentType": "application/cloudevents+json",
            "payload": {"schemaFormat": "application/schema+json;version=draft-2020-12", "schema": schema},
        }
        for name, schema in sorted(by_type.items())
    }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Laurel",
            "version": "1.0.0",
            "description": "What Laurel's services say to each other on Kafka.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages},
    }


def rendered(document: dict[str, Any]) -> str:
    """A document as it is committed: indented, keys in the order of the code, one newline at the end."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def all_documents() -> dict[str, str]:
    """File name → text of every generated document."""
    by_type = schemas()
    documents = {f"{name}.json": rendered(schema) for name, schema in sorted(by_type.items())}
    documents[ASYNCAPI_FILE] = rendered(asyncapi(load_topics(), by_type))
    return documents


def refusals(folder: Path) -> list[str]:
    """Every breaking change of the code against the committed schemas, and every type that has vanished."""
    by_type = schemas()
    problems = []
    for path in sorted(folder.glob("laurel.*.json")):
        name = path.name.removesuffix(".json")
        if name not in by_type:
            problems.append(f"{name}: the type is gone; what has been said once stays readable")
            continue
        committed = json.loads(path.read_text(encoding="utf-8"))
        problems += [f"{name}: {change}" for change in breaking_changes(committed, by_type[name])]
    return problems


def main() -> int:
    """Write or check the documents; exit code 1 when something is stale or would break a reader."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the documents (refuses a breaking change)")
    parser.add_argument(
        "--check", action="store_true", help="say what is stale or breaking, and change nothing (default)"
    )
    arguments = parser.parse_args()
    folder = shipped("schemas")
    problems = refusals(folder)
    if arguments.write and not problems:
        for name, text in all_documents().items():
            (folder / name).write_text(text, encoding="utf-8")
    problems += [
        f"{name}: not what the code says; run `make schemas`"
        for name, text in all_documents().items()
        if not (folder / name).is_file() or (folder / name).read_text(encoding="utf-8") != text
    ]
    for problem in problems:
        sys.stderr.write(problem + "\n")
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
