"""The lock of Kafka's jars says exactly what may run, and nothing about where it comes from."""

from __future__ import annotations

import pytest

from laurel_cli.stack import StackError
from laurel_cli.stack.jars import Jar, parse_lock, read_lock

SHA = "0123456789abcdef" * 4


def test_the_shipped_lock_holds_one_kafka_with_clients_of_the_same_version_and_a_logging_binding() -> None:
    versions = {jar.artifact: jar.version for jar in read_lock()}
    assert versions["kafka_2.13"] == versions["kafka-clients"] == versions["kafka-server"] == "4.3.1"
    assert "log4j-slf4j-impl" in versions
    assert len(versions) == len(read_lock())


def test_a_line_is_coordinates_and_a_hash_and_comments_are_skipped() -> None:
    jars = parse_lock(f"# about\n\norg.apache.kafka:kafka-raft:4.3.1 {SHA}\n")
    assert jars == [Jar("org.apache.kafka", "kafka-raft", "4.3.1", SHA)]
    assert jars[0].file_name == "kafka-raft-4.3.1.jar"
    assert jars[0].coordinates == "org.apache.kafka:kafka-raft:4.3.1"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "names no jar"),
        (f"org.apache.kafka:kafka-raft {SHA}", "line 1: expected"),
        (f"org.apache.kafka:kafka-raft:4.3.1 {SHA} more", "line 1: expected"),
        ("a:b:1", "line 1: expected"),
        (f":b:1 {SHA}", "line 1: expected"),
        ("a:b:1 abc", "is not a SHA-256"),
        (f"a:b:1 {SHA.upper()}", "is not a SHA-256"),
        (f"a:b:1 {SHA}\nc:b:1 {SHA}", "line 2: b-1.jar is there twice"),
        (f"a:../b:1 {SHA}", "line 1: expected"),
    ],
)
def test_a_lock_that_cannot_be_trusted_is_refused_with_its_line(text: str, reason: str) -> None:
    with pytest.raises(StackError, match=reason):
        parse_lock(text)
