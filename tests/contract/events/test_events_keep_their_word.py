"""What has been said once stays readable: examples decode, schemas are the code's, and a breaking change is refused."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from laurel_contracts import documents
from laurel_contracts.compatibility import breaking_changes
from laurel_contracts.envelope import encode
from laurel_contracts.registry import ACTIVITY_TYPES, TOPICS, data_decoder, deciding_decoder, decoder
from laurel_contracts.topics import load_topics, shipped

EXAMPLES = sorted(shipped("examples").glob("*/*.json"))
ALL_TYPES = sorted({name for shapes in TOPICS.values() for name in shapes})


def example_id(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


@pytest.mark.parametrize("path", EXAMPLES, ids=example_id)
def test_every_example_decodes_and_matches_its_committed_schema(path: Path) -> None:
    raw = path.read_bytes()
    event = decoder(path.parent.name).decode(raw)
    assert event.type == path.parent.name
    schema = json.loads((shipped("schemas") / f"{event.type}.json").read_text(encoding="utf-8"))
    jsonschema.validate(json.loads(raw), schema)
    jsonschema.validate(json.loads(encode(event)), schema)


@pytest.mark.parametrize("path", EXAMPLES, ids=example_id)
def test_an_event_survives_being_said_and_heard(path: Path) -> None:
    event = decoder(path.parent.name).decode(path.read_bytes())
    said = encode(event)
    assert decoder(event.type).decode(said) == event
    assert json.loads(said)["specversion"] == "1.0"


def parts_of(decided: Any, whole: Any) -> bool:
    """Whether one holds nothing that the other does not hold in the same place."""
    if isinstance(decided, dict):
        return all(name in whole and parts_of(value, whole[name]) for name, value in decided.items())
    if isinstance(decided, list):
        return len(decided) == len(whole) and all(map(parts_of, decided, whole))
    return bool(decided == whole)


@pytest.mark.parametrize("path", EXAMPLES, ids=example_id)
def test_what_decisions_read_of_an_event_is_what_stands_in_it(path: Path) -> None:
    """What would break it: a second shape of an event that reads a field otherwise, or is told apart by its class."""
    raw = path.read_bytes()
    decided, whole = deciding_decoder(path.parent.name).decode(raw), decoder(path.parent.name).decode(raw)
    assert type(decided.data) is type(whole.data)
    assert parts_of(json.loads(encode(decided)), json.loads(encode(whole)))


def test_the_door_reads_all_of_a_purchase_and_who_decides_what_he_decides_by() -> None:
    name = "laurel.purchase.recorded.v1"
    raw = next((shipped("examples") / name).glob("*.json")).read_bytes()
    said = json.loads(raw)["data"]["lines"][0]
    door = data_decoder(name).decode(json.dumps(json.loads(raw)["data"]).encode()).lines[0]
    assert (door.sku, door.quantity) == (said["sku"], said["quantity"])
    assert deciding_decoder(name).decode(raw).data.lines[0].__struct_fields__ == ("line_id", "category", "amount_minor")


@pytest.mark.parametrize("name", ALL_TYPES)
def test_every_event_type_has_an_example(name: str) -> None:
    assert list((shipped("examples") / name).glob("*.json"))


def test_committed_documents_are_what_the_code_says() -> None:
    stale = [
        name
        for name, text in documents.all_documents().items()
        if (shipped("schemas") / name).read_text(encoding="utf-8") != text
    ]
    assert stale == []
    assert documents.refusals(shipped("schemas")) == []


def test_topic_files_and_the_registry_name_the_same_events() -> None:
    by_file = {topic.name: set(topic.events) for topic in load_topics()}
    assert by_file == {name: set(shapes) for name, shapes in TOPICS.items()}


def test_only_the_channel_topic_may_carry_identifiers() -> None:
    for topic in load_topics():
        if topic.name == "channel-activities":
            assert topic.consumers == ("member-svc",)
            assert topic.retention_ms == 3 * 24 * 3600 * 1000
    for name, schema in documents.schemas().items():
        assert "identifier" not in json.dumps(schema), name


def test_unknown_fields_are_ignored_so_that_producers_may_add() -> None:
    path = next(shipped("examples").glob("laurel.member.signed-in.v1/*.json"))
    event = json.loads(path.read_bytes())
    event["data"]["weather"] = "rain"
    event["extension"] = 1
    assert decoder(event["type"]).decode(json.dumps(event)).data.channel == "app"


@pytest.mark.parametrize(
    "amount",
    [1.5, 1e3, "10", True, -1, None],
    ids=["a fraction", "an exponent", "a string", "a boolean", "below zero", "null"],
)
def test_money_is_an_integer_of_minor_units_and_nothing_else(amount: object) -> None:
    path = next(shipped("examples").glob("laurel.purchase.recorded.v1/paid*.json"))
    event = json.loads(path.read_bytes())
    event["data"]["lines"][0]["amount_minor"] = amount
    text = json.dumps(event)
    if amount == 1e3:
        text = text.replace("1000.0", "1e3")
    with pytest.raises(msgspec.ValidationError, match="amount_minor"):
        decoder(event["type"]).decode(text)


def purchase_schema() -> dict[str, object]:
    return documents.schemas()["laurel.purchase.recorded.v1"]


def test_adding_an_optional_field_is_no_breaking_change() -> None:
    new = copy.deepcopy(purchase_schema())
    new["$defs"]["PurchaseRecorded"]["properties"]["till"] = {"type": "string"}  # type: ignore[index]
    assert breaking_changes(purchase_schema(), new) == []


@pytest.mark.parametrize(
    "change",
    ["removed", "required", "narrowed", "retyped", "lost value", "new value"],
)
def test_a_breaking_change_is_refused(change: str) -> None:
    new = copy.deepcopy(purchase_schema())
    shape = new["$defs"]["PurchaseRecorded"]  # type: ignore[index]
    match change:
        case "removed":
            del shape["properties"]["amount_minor"]
        case "required":
            shape["required"].append("store_id")
        case "narrowed":
            shape["properties"]["amount_minor"]["maximum"] = 10
        case "retyped":
            shape["properties"]["order_id"]["type"] = "integer"
        case "lost value":
            shape["properties"]["channel"]["enum"].remove("store")
        case "new value":
            shape["properties"]["channel"]["enum"].append("phone")
    assert breaking_changes(purchase_schema(), new)


def test_channels_may_report_activities_and_nothing_else() -> None:
    assert set(TOPICS["channel-activities"]) == set(ACTIVITY_TYPES)
