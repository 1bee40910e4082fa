"""Loads a programme version: checks that its campaigns can be decided, keeps the document, and says its hash, so that the door can
compare. The one thing not to break: a version is one document for ever."""

from __future__ import annotations

from datetime import datetime

from campaign_svc import events
from campaign_svc.domain.programme import Fault, faults_of
from campaign_svc.store.programmes import LoadedProgramme, ProgrammeStore
from laurel_contracts import programme as document
from laurel_contracts.programme import Programme


class RefusedProgramme(Exception):
    """The document's campaigns cannot be decided; `faults` say what is wrong and where."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("; ".join(f"{fault.path}: {fault.says}" for fault in faults))
        self.faults = faults


class OtherDocument(Exception):
    """Another document stands under this version, here or at the door."""


async def load_programme(programme: Programme, store: ProgrammeStore, now: datetime) -> LoadedProgramme:
    """Keep the version and say that it is loaded. The same document again is fine, and is said again."""
    faults = faults_of(programme)
    if faults:
        raise RefusedProgramme(faults)
    sha256 = document.sha256(programme)
    if await store.activated_hash(programme.version) not in {None, sha256}:
        raise OtherDocument(f"version {programme.version} is in force as another document")
    budgets = [campaign.id for campaign in programme.campaigns if campaign.limits.budget is not None]
    loaded = await store.keep(programme.version, sha256, document.canonical(programme), budgets, now)
    if loaded.sha256 != sha256:
        raise OtherDocument(f"version {programme.version} is another document here")
    store.say(events.programme_loaded(loaded.version, loaded.sha256, loaded.loaded_at))
    return loaded
