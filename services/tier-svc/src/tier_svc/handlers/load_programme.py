"""Load a programme version: check that its ladder can be judged, keep the document, say its hash. The one thing not to break: a version is
one document for ever."""

from __future__ import annotations

from datetime import datetime

from laurel_contracts import programme as document
from laurel_contracts.programme import Programme
from tier_svc import events
from tier_svc.domain.benefit_checks import faults_of_benefits, faults_of_tasks, faults_of_tasks_beside
from tier_svc.domain.checks import Fault, faults_beside, faults_of
from tier_svc.store import TierStore
from tier_svc.store.programmes import Loaded
from tier_svc.store.shelf import benefits_of, tasks_of


class RefusedProgramme(Exception):
    """The ladder cannot be judged; `faults` say what is wrong and where."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("; ".join(f"{fault.path}: {fault.says}" for fault in faults))
        self.faults = faults


class OtherDocument(Exception):
    """Another document stands under this version."""


async def load_programme(programme: Programme, store: TierStore, now: datetime) -> Loaded:
    """Keep the version and say that it is loaded. The same document again is fine, and is said again."""
    await refuse_unless_sound(programme, store)
    sha256 = document.sha256(programme)
    loaded = await store.programmes.keep(programme, sha256, now)
    if loaded.sha256 != sha256:
        raise OtherDocument(f"version {programme.version} is another document here")
    events.say(store.tx, events.programme_loaded(loaded.version, loaded.sha256, loaded.loaded_at))
    return loaded


async def refuse_unless_sound(programme: Programme, store: TierStore) -> None:
    """What would be loaded, and what is only tried, is checked alike. Raises RefusedProgramme."""
    faults = faults_of(programme.tiers, programme.zone)
    faults += faults_of_benefits(benefits_of(programme), programme.tiers.ladder)
    faults += faults_of_tasks(tasks_of(programme))
    earlier = [each.version for each in await store.programmes.listed() if each.version < programme.version]
    if earlier:
        loaded = await store.programmes.load(earlier)
        before = loaded[earlier[-1]].programme
        faults += faults_beside(programme.tiers, programme.zone, before.tiers, before.zone)
        for version in earlier:  # all of them: a task may have been left out for a while
            faults += faults_of_tasks_beside(tasks_of(programme), tasks_of(loaded[version].programme))
    if faults:
        raise RefusedProgramme(faults)
