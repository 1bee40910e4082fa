"""The judge over raw records of `activities`, one member at a time and one record after the other: no batches, no store, no loaded
buckets. What the service makes of the same log must be equal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from laurel_contracts import registry
from laurel_contracts.decisions import DayClosed
from laurel_kit.hearing import RawRecord
from tier_svc.domain.ladder import Rules, Timeline
from tier_svc.domain.measures import Sums
from tier_svc.domain.standing import Standing
from tier_svc.domain.stream import Close, Step, Stream
from tier_svc.handlers.verbs import VERBS


def replayed(log: Mapping[int, Sequence[RawRecord]], rules: Rules) -> dict[UUID, Stream]:
    """All members of a log under one programme version."""
    streams: dict[UUID, Stream] = {}
    timeline = Timeline([(None, rules)])
    for partition, records in log.items():
        closed: datetime | None = None
        for record in records:
            event = registry.decoder((dict(record.headers)["ce_type"] or b"").decode()).decode(record.value or b"")
            if isinstance(event.data, DayClosed):
                if closed is None or event.data.as_of > closed:
                    closed = event.data.as_of
                    for stream in streams.values():
                        if stream.partition == partition:
                            stream.close(Close(closed, timeline))
            elif event.subject is not None:
                _take(streams, partition, event, closed, rules)
    return streams


def _take(streams: dict[UUID, Stream], partition: int, event: Any, closed: datetime | None, rules: Rules) -> None:
    stream = streams.get(event.subject)
    if stream is None:
        stream = Stream(event.subject, partition, sums=Sums(), standing=Standing(), born_as_of=closed)
        streams[event.subject] = stream
    stream.move_on(closed)
    time = event.time.astimezone(UTC)
    step = Step(event.memberseq, time, rules.calendar.day_of(time), Timeline([(None, rules)]))
    verb = VERBS.get(type(event.data))
    if verb is None:
        stream.decided(step)
    else:
        verb(stream, step, rules, event.data)
