"""Assess a batch of activities: load many, judge one by one, save many, say many, and lay the marks. The one thing not to break: a member
meets his own records and the closed days of his partition in the order of the log, wherever the batch is cut."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from laurel_contracts.decisions import DayClosed, ProgrammeActivated
from laurel_kit.hearing import Heard, Hold, fresh
from tier_svc import events
from tier_svc.domain.ladder import Rules, Timeline
from tier_svc.domain.measures import NeedsHistory
from tier_svc.domain.stream import Close, Step, Stream
from tier_svc.handlers.forget_profiles import forget_profiles
from tier_svc.handlers.verbs import KINDS, REFUND, VERBS
from tier_svc.store import TierStore
from tier_svc.store.programmes import Activation, Lane
from tier_svc.store.streams import Wanted

TOPIC = "activities"
NOTHING_HEARD = datetime(1970, 1, 1, tzinfo=UTC)  # the time of a mark behind records of which none could be read


@dataclass(slots=True)
class Entry:
    """One record of a member, with how many days this batch had closed before it and the versions known at it."""

    heard: Heard
    closes_before: int
    timeline: Timeline


@dataclass(slots=True)
class LaneAgenda:
    """What a batch brings to one partition, in the order of the log."""

    lane: Lane
    closes: list[Close] = field(default_factory=list)
    entries: dict[UUID, list[Entry]] = field(default_factory=dict)
    activated: list[tuple[int, Activation]] = field(default_factory=list)  # with their offsets
    heard_last: datetime = NOTHING_HEARD

    @property
    def closed_last(self) -> datetime | None:
        """The last day that this batch closes."""
        return self.closes[-1].as_of if self.closes else None

    def closed_before(self, count: int) -> datetime | None:
        """The last closed day when `count` of this batch had been closed."""
        return self.closes[count - 1].as_of if count else self.lane.as_of


async def assess_activities(batch: Sequence[Heard], store: TierStore) -> None:
    """One batch of `activities`, in one transaction."""
    spans = [span for span in store.tx.spans if span.topic == TOPIC]
    agendas = await agendas_of(batch, {span.partition for span in spans} | {heard.partition for heard in batch}, store)
    # Days and versions are remembered at once: they judge nobody by themselves.
    await store.programmes.activate(
        [(agenda.lane.partition, offset, new) for agenda in agendas.values() for offset, new in agenda.activated]
    )
    await store.programmes.close_days({p: agenda.closes[-1].as_of for p, agenda in agendas.items() if agenda.closes})
    await keep(await _judge_all(agendas, store), store)
    await forget_profiles(batch, store)
    for span in spans:
        heard_last = agendas[span.partition].heard_last
        events.say(
            store.tx,
            events.activities_assessed(span.topic, store.topic_id, span.partition, span.next_offset, heard_last),
        )


async def keep(judged: Iterable[Stream], store: TierStore) -> int:
    """Save what has come of members, and say their facts; of how many something has come."""
    touched = [stream for stream in judged if stream.touched]
    await store.streams.save(touched)
    for stream in touched:
        for fact in stream.facts:
            events.say(store.tx, events.standing_changed(stream.member_id, stream.partition, fact))
        for club_fact in stream.clubs.facts:
            events.say(store.tx, events.club_standing_changed(stream.member_id, stream.partition, club_fact))
    for member_id, partition, reward in await store.rewards.keep(touched):
        events.say(store.tx, events.task_reward_changed(member_id, partition, reward))
    store.tx.after_commit(lambda: store.metrics.assessed(fact.kind for stream in touched for fact in stream.facts))
    return len(touched)


async def agendas_of(batch: Sequence[Heard], partitions: Iterable[int], store: TierStore) -> dict[int, LaneAgenda]:
    """The batch sorted by partition and member."""
    lanes = await store.programmes.lanes(partitions)
    agendas = {partition: LaneAgenda(lane) for partition, lane in lanes.items()}
    timelines = {p: await store.programmes.timeline(lane.activations) for p, lane in lanes.items()}
    for heard in batch:
        agenda = agendas[heard.partition]
        agenda.heard_last = heard.event.time
        member_id = heard.member_id
        if member_id is not None:
            entry = Entry(heard, len(agenda.closes), timelines[heard.partition])
            agenda.entries.setdefault(member_id, []).append(entry)
            continue
        data = heard.event.data
        if isinstance(data, DayClosed):
            last = agenda.closed_before(len(agenda.closes))
            if last is None or data.as_of > last:
                agenda.closes.append(Close(data.as_of, timelines[heard.partition]))
        elif isinstance(data, ProgrammeActivated) and not agenda.lane.knows(data.version):
            activation = Activation(data.version, data.sha256, data.effective_from)
            agenda.lane.activations.append(activation)
            agenda.activated.append((heard.offset, activation))
            timelines[heard.partition] = await store.programmes.timeline(agenda.lane.activations)
    return agendas


async def _judge_all(agendas: Mapping[int, LaneAgenda], store: TierStore) -> list[Stream]:
    """Every member of the batch and every member with an end due, judged; those who need it with their whole past."""
    wanted = {
        member_id: wanted_by(agenda, entries)
        for agenda in agendas.values()
        for member_id, entries in agenda.entries.items()
    }
    closed = {partition: agenda.closes[-1].as_of for partition, agenda in agendas.items() if agenda.closes}
    for member_id, row in (await store.streams.find(wanted, closed)).items():
        asked = wanted.get(member_id)
        if asked is None:
            wanted[member_id] = wanted_by(agendas[row.partition], ())
        elif row.clock is not None:
            asked.reaches = max(asked.reaches, day_bound(row.clock))
    stamps = {
        entry.heard.event.programmeversion
        for agenda in agendas.values()
        for entries in agenda.entries.values()
        for entry in entries
    }
    stamped = await store.programmes.rules(version for version in stamps if version is not None)
    if store.programmes.have_tasks:
        ask_for_efforts(wanted, agendas, stamped)
    return await judge_wanted(wanted, agendas, stamped, store)


async def judge_wanted(
    wanted: Mapping[UUID, Wanted],
    agendas: Mapping[int, LaneAgenda],
    stamped: Mapping[int, Rules],
    store: TierStore,
) -> list[Stream]:
    """Members whose rows have been found, judged; those who need it with their whole past."""
    judged, unsure = [], []
    for stream in (await store.streams.load(wanted)).values():
        try:
            _judge(stream, agendas[stream.partition], stamped)
            judged.append(stream)
        except NeedsHistory:
            unsure.append(stream.member_id)
    if unsure:
        store.metrics.judged_with_history.inc(len(unsure))
        for stream in (await store.streams.load_with_past(unsure)).values():
            stream.partition = wanted[stream.member_id].partition
            _judge(stream, agendas[stream.partition], stamped)
            judged.append(stream)
    return judged


def wanted_by(agenda: LaneAgenda, entries: Sequence[Entry]) -> Wanted:
    """What the judgement of a member will ask of the store."""
    closed = agenda.closed_before(len(agenda.closes))
    reaches = day_bound(closed) if closed is not None else 0
    wanted = Wanted(agenda.lane.partition, reaches)
    for entry in entries:
        event = entry.heard.event
        wanted.reaches = max(wanted.reaches, day_bound(event.time))
        if event.localday is not None:
            wanted.days.add(event.localday.toordinal())
        if event.data.__class__ is REFUND:
            wanted.refunds.append(event.data.order_id)
    return wanted


def ask_for_efforts(
    wanted: Mapping[UUID, Wanted], agendas: Mapping[int, LaneAgenda], stamped: Mapping[int, Rules]
) -> None:
    """The periods of tasks for which something is done in this batch, by the versions of the activities' own times."""
    for agenda in agendas.values():
        for member_id, entries in agenda.entries.items():
            for entry in entries:
                event = entry.heard.event
                kind = KINDS.get(event.data.__class__)
                if kind is None or event.programmeversion is None or event.localday is None:
                    continue
                tasks = stamped[event.programmeversion].tasks
                wanted[member_id].periods.update(
                    (task.id, task.period_of(event.localday)) for task in tasks if task.done_by == kind
                )


def day_bound(instant: datetime) -> int:
    """A day that the local day of an instant does not pass: two zones are never more than two dates apart."""
    return instant.toordinal() + 2


def _judge(stream: Stream, agenda: LaneAgenda, stamped: Mapping[int, Rules]) -> None:
    """The member's records and the closed days between them, in the order of the log."""
    done = 0
    for entry in agenda.entries.get(stream.member_id, ()):
        _close_days(stream, agenda.closes, done, entry.closes_before)
        done = entry.closes_before
        heard = entry.heard
        if heard.number is None:
            raise ValueError("a record about a member has no number")
        if fresh(stream.last_seq, heard.number):
            closed = agenda.closed_before(entry.closes_before)
            if stream.clock is None:
                stream.born_as_of = closed
            stream.move_on(closed)
            _take(stream, heard, heard.number, entry.timeline, stamped)
    _close_days(stream, agenda.closes, done, len(agenda.closes))


def _close_days(stream: Stream, closes: Sequence[Close], first: int, end: int) -> None:
    """Closed days of a batch, one after another; most members have no end up to the last of them."""
    wakes = stream.wakes_at if end > first else None
    if wakes is not None and wakes <= closes[end - 1].as_of:
        for close in closes[first:end]:
            stream.close(close)


def _take(stream: Stream, heard: Heard, number: int, timeline: Timeline, stamped: Mapping[int, Rules]) -> None:
    """One record, by the verb for its type; a type without one is numbered and moves the clock."""
    event = heard.event
    time = event.time if event.time.tzinfo is UTC else event.time.astimezone(UTC)
    verb = VERBS.get(event.data.__class__)
    try:
        if verb is None:
            stream.decided(Step(number, time, event.localday or time.date(), timeline))
            return
        rules = stamped[event.programmeversion] if event.programmeversion is not None else timeline.at(time)
        day = event.localday or rules.calendar.day_of(time)
        verb(stream, Step(number, time, day, timeline), rules, event.data)
    except LookupError as missing:
        raise Hold(str(missing)) from missing
