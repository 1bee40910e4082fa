"""Programme versions: stored, loaded by everybody, put in force at the door alone (domain.md 6). The one thing not to break: a version is
put in force while nobody is in the door, so that no activity is stamped with a version that is no longer in force."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from laurel_contracts import programme as document
from laurel_contracts.programme import Programme
from laurel_contracts.programmes import ProgrammeLoaded
from laurel_kit.hearing import Heard
from member_svc import events
from member_svc.domain import calendar, refusals
from member_svc.domain.refusals import Refused
from member_svc.domain.reports import LATEST
from member_svc.domain.rulebook import Version
from member_svc.store import MemberStore

READERS = ("campaign-svc", "points-svc", "tier-svc")  # who must have loaded a version before it is put in force
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)  # the `time` of a record that says "from the beginning"


def read_programme(body: bytes, version: int) -> Programme:
    """A programme from its JSON. Raises Refused."""
    try:
        programme = document.parse(body)
        calendar.zone_of(programme.zone)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise Refused(refusals.UNUSABLE_PROGRAMME, str(error)) from error
    if programme.version != version:
        raise Refused(
            refusals.UNUSABLE_PROGRAMME, f"the document says version {programme.version}, the address {version}"
        )
    if not programme.tiers.ladder:
        raise Refused(refusals.UNUSABLE_PROGRAMME, "a programme has at least one tier - at `$.tiers.ladder`")
    return programme


async def store_programme(programme: Programme, store: MemberStore) -> str:
    """Store a version; returns its hash. Raises Refused when other bytes are stored under it."""
    sha256 = document.sha256(programme)
    await store.programmes.add(programme.version, sha256, document.canonical(programme).decode())
    stored = await store.programmes.get(programme.version)
    if stored is None or stored.sha256 != sha256:
        raise Refused(refusals.OTHER_PROGRAMME, f"version {programme.version} is published with other content")
    return sha256


async def note_loaded(batch: Sequence[Heard], store: MemberStore) -> None:
    """Remember who has loaded which version."""
    await store.programmes.note_loaded(
        [
            (heard.event.data.service, heard.event.data.version, heard.event.data.sha256)
            for heard in batch
            if isinstance(heard.event.data, ProgrammeLoaded)
        ]
    )


async def activate_programme(version: int, effective_from: datetime | None, store: MemberStore) -> datetime | None:
    """Put a version in force; returns from when. Doing it again changes nothing. Raises Refused."""
    await store.programmes.shut_gate()
    stored = await store.programmes.get(version)
    if stored is None:
        raise Refused(refusals.NO_SUCH_PROGRAMME, f"version {version} has not been published here")
    active = {activation.version: activation for activation in await store.programmes.activations()}
    if version in active:
        since = active[version].effective_from
        if effective_from not in (None, since):
            raise Refused(refusals.ALREADY_ACTIVE, f"version {version} is in force from another instant")
        return since
    await _check_loaded(version, stored.sha256, store)
    effective_from = _checked(effective_from, [a.effective_from for a in active.values()], store.now)
    programme = document.parse(stored.document.encode())
    await store.programmes.activate(version_of(programme, effective_from), stored.sha256)
    store.stream.say_records(
        events.programme_activated(
            version=version,
            sha256=stored.sha256,
            effective_from=effective_from,
            time=effective_from or BEGINNING,
            partitions=store.partitions,
        )
    )
    return effective_from


def version_of(programme: Programme, effective_from: datetime | None) -> Version:
    """What the door needs of a programme."""
    return Version(
        programme.version,
        effective_from,
        programme.currency,
        calendar.zone_of(programme.zone),
        timedelta(hours=programme.close_delay_hours),
        programme.tiers.ladder[0].id,
    )


async def _check_loaded(version: int, sha256: str, store: MemberStore) -> None:
    loaded = await store.programmes.loaded_by(version)
    missing = [reader for reader in READERS if reader not in loaded]
    differing = [reader for reader in READERS if loaded.get(reader, sha256) != sha256]
    if missing or differing:
        raise Refused(
            refusals.NOT_LOADED, f"version {version} is not loaded everywhere with the same hash", missing=missing,
            differing=differing, sha256=sha256,
        )  # fmt: skip


def _checked(wanted: datetime | None, active: Sequence[datetime | None], now: datetime) -> datetime | None:
    """From when the version is in force: the first one from the beginning, a later one not in the past."""
    if not active:
        if wanted is not None:
            raise Refused(
                refusals.FIRST_IS_FROM_THE_BEGINNING, "so that history can be imported; leave effective_from out"
            )
        return None
    latest = max((instant for instant in active if instant is not None), default=BEGINNING)
    if wanted is not None and wanted < now:
        raise Refused(refusals.IN_THE_PAST, f"effective_from lies before {now.isoformat()}", now=now.isoformat())
    if wanted is not None and wanted >= LATEST:
        raise Refused(refusals.AHEAD_OF_THE_CLOCK, "effective_from lies beyond the calendar")
    effective_from = (now if wanted is None else wanted).astimezone(UTC)
    if effective_from <= latest:
        raise Refused(
            refusals.IN_THE_PAST, f"another version begins at {latest.isoformat()}", latest=latest.isoformat()
        )
    return effective_from
