"""Which partition a key lives in: Kafka's own murmur2. The one thing not to break: a key's partition never changes, so neither does
this function, and the number of partitions of a keyed topic is fixed for ever."""

from __future__ import annotations

_SEED = 0x9747B28C
_MIX = 0x5BD1E995
_SHIFT = 24
_WORD = 0xFFFFFFFF


def murmur2(key: bytes) -> int:
    """The 32-bit hash that Kafka's default partitioner uses. Unsigned."""
    size = len(key)
    hashed = _SEED ^ size
    whole = size & ~3
    for start in range(0, whole, 4):
        word = int.from_bytes(key[start : start + 4], "little") * _MIX & _WORD
        word = (word ^ (word >> _SHIFT)) * _MIX & _WORD
        hashed = (hashed * _MIX & _WORD) ^ word
    rest = key[whole:]
    if rest:
        hashed = (hashed ^ int.from_bytes(rest, "little")) * _MIX & _WORD
    hashed = (hashed ^ (hashed >> 13)) * _MIX & _WORD
    return hashed ^ (hashed >> 15)


def partition_of(key: bytes, partitions: int) -> int:
    """The partition of `key` among `partitions`, as every Kafka client computes it."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions
