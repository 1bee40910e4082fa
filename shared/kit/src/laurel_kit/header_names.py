"""Records whose header names are not UTF-8. Kafka takes any bytes as a header's name; aiokafka raises out of `getmany` for ever, so one
such record of a careless producer would end every process that reads its partition. The one thing not to break: what can be read is read as
fast as ever; only a batch that cannot is read again, slowly, with the bad bytes of names replaced."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords, _MemoryRecordsPy

_UNREADABLE = (UnicodeDecodeError, ValueError)


class _Lenient(bytearray):
    """Bytes whose slices decode whatever they hold."""

    def __getitem__(self, place: Any) -> Any:
        found = super().__getitem__(place)
        return _Lenient(found) if isinstance(place, slice) else found

    def decode(self, encoding: str = "utf-8", errors: str = "replace") -> str:  # noqa: ARG002 - the name must be readable
        return bytes(self).decode(encoding, "replace")


class _Batch:
    """One batch; everything but its records is asked of aiokafka's own."""

    def __init__(self, fast: Any, data: Any, index: int) -> None:
        self._fast = fast
        self._data = data
        self._index = index

    def __getattr__(self, name: str) -> Any:
        return getattr(self._fast, name)

    def __next__(self) -> Any:
        return next(self._fast)

    def __iter__(self) -> Iterator[Any]:
        read = 0
        try:
            for record in self._fast:
                yield record
                read += 1
        except Exception as error:  # the compiled reader and the plain one raise different things
            if not isinstance(error, _UNREADABLE) and not isinstance(error.__cause__, _UNREADABLE):
                raise
        else:
            return
        yield from islice(self._slowly(), read, None)

    def _slowly(self) -> Iterator[Any]:
        for index, piece in enumerate(_pieces(self._data)):
            if index == self._index:
                batch: Any = _DefaultRecordBatchPy(piece)
                batch._maybe_uncompress()
                batch._buffer = _Lenient(batch._buffer)
                yield from batch


def _pieces(data: Any) -> Iterator[Any]:
    """The bytes of each batch."""
    records: Any = _MemoryRecordsPy(data)
    while (piece := records._next_slice) is not None:
        records._cache_next()
        yield piece


class TolerantRecords:
    """aiokafka's records of one fetch, with batches that can always be read."""

    def __init__(self, data: Any) -> None:
        self._fast: Any = MemoryRecords(data)
        self._data = data
        self._index = -1

    def __getattr__(self, name: str) -> Any:
        return getattr(self._fast, name)

    def has_next(self) -> bool:
        """Whether there is another batch."""
        found: bool = self._fast.has_next()
        return found

    def next_batch(self) -> Any:
        """The next batch."""
        self._index += 1
        batch = self._fast.next_batch()
        return None if batch is None else _Batch(batch, self._data, self._index)


def tolerate() -> None:
    """From now on every consumer of this process reads on. Safe to call again."""
    fetcher.MemoryRecords = TolerantRecords
