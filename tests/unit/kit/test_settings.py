"""Settings: what is missing or wrong stops the start with its name; and the Kafka settings that are not optional."""

from __future__ import annotations

import pytest

from laurel_kit.clock import BusinessClock, MachineClock
from laurel_kit.kafka import CONSUMER, PRODUCER, UnsafeSettings, check_consumer_settings
from laurel_kit.settings import KitSettings, SettingsError, integer, seconds

ENV = {
    "LAUREL_SERVICE_PORT": "8001",
    "LAUREL_DATABASE_URL": "postgresql://u:p@127.0.0.1/db",
    "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9092",
}


def test_the_rest_has_defaults() -> None:
    settings = KitSettings.read(ENV)
    assert (settings.service_port, settings.partitions, settings.days, settings.log_level) == (
        8001,
        16,
        "clock",
        "info",
    )
    assert (settings.clock_offset_seconds, settings.service_host) == (0.0, "127.0.0.1")


@pytest.mark.parametrize("name", ENV)
def test_what_is_missing_is_named(name: str) -> None:
    with pytest.raises(SettingsError, match=name):
        KitSettings.read({key: value for key, value in ENV.items() if key != name})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LAUREL_SERVICE_PORT", "http"),
        ("LAUREL_SERVICE_PORT", "0"),
        ("LAUREL_PARTITIONS", "0"),
        ("LAUREL_PARTITIONS", "1.5"),
        ("LAUREL_CLOCK_OFFSET_SECONDS", "nan"),
        ("LAUREL_CLOCK_OFFSET_SECONDS", "soon"),
        ("LAUREL_DAYS", "sometimes"),
        ("LAUREL_LOG_LEVEL", "loud"),
    ],
)
def test_what_is_wrong_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        KitSettings.read(ENV | {name: value})


def test_a_clock_may_run_ahead_or_behind() -> None:
    for offset in (-31_536_000.0, 0.0, 86_400.0):
        settings = KitSettings.read(ENV | {"LAUREL_CLOCK_OFFSET_SECONDS": str(offset)})
        ahead = BusinessClock(settings.clock_offset_seconds).now() - MachineClock().now()
        assert abs(ahead.total_seconds() - offset) < 1


def test_single_settings_have_bounds_and_defaults() -> None:
    assert integer({}, "X", 7) == 7
    assert seconds({"X": "0.5"}, "X") == 0.5
    with pytest.raises(SettingsError, match="X must be between 0 and 9"):
        integer({"X": "10"}, "X", high=9)


def test_the_consumer_never_lets_kafka_decide_where_to_begin() -> None:
    assert CONSUMER["enable_auto_commit"] is False
    assert CONSUMER["auto_offset_reset"] == "none"
    assert CONSUMER["check_crcs"] is True
    assert (CONSUMER["session_timeout_ms"], CONSUMER["heartbeat_interval_ms"], CONSUMER["max_poll_interval_ms"]) == (
        10_000,
        3_000,
        60_000,
    )


@pytest.mark.parametrize(
    ("name", "value"), [("enable_auto_commit", True), ("auto_offset_reset", "latest"), ("check_crcs", False)]
)
def test_unsafe_consumer_settings_are_refused_at_the_start(name: str, value: object) -> None:
    check_consumer_settings(CONSUMER)
    with pytest.raises(UnsafeSettings, match=name):
        check_consumer_settings(CONSUMER | {name: value})


def test_the_producer_is_idempotent_and_waits_for_all_replicas() -> None:
    assert PRODUCER["enable_idempotence"] is True
    assert PRODUCER["acks"] == "all"
    assert PRODUCER["max_batch_size"] < PRODUCER["max_request_size"]
