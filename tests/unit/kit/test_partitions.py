"""The partition of a key is Kafka's own."""

from __future__ import annotations

from uuid import UUID

import pytest
from aiokafka.partitioner import DefaultPartitioner

from laurel_kit.partitions import murmur2, partition_of

# From Kafka's own UtilsTest.testMurmur2 (as signed 32-bit numbers).
VECTORS = [
    (b"21", -973932308),
    (b"foobar", -790332482),
    (b"a-little-bit-long-string", -985981536),
    (b"a-little-bit-longer-string", -1486304829),
    (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
    (b"abc", 479470107),
]


@pytest.mark.parametrize(("key", "signed"), VECTORS)
def test_murmur2_is_the_one_of_kafka(key: bytes, signed: int) -> None:
    assert murmur2(key) == signed & 0xFFFFFFFF


def test_every_key_goes_where_the_clients_partitioner_would_send_it() -> None:
    for seed in range(500):
        key = UUID(int=seed * 0x9E3779B97F4A7C15 % 2**128).bytes
        assert partition_of(key, 16) == DefaultPartitioner()(key, list(range(16)), list(range(16)))
