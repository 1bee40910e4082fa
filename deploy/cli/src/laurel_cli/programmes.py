"""Programme versions over all four services: put everywhere, agreed on, in force; and which one is in force now. The one thing not to
break: a version is activated only after all four hold the same bytes (domain.md 6)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from laurel_cli.refusal import CommandError
from laurel_cli.services import MemberService, Refused, Services
from laurel_contracts.programme import Programme, canonical, parse, sha256

AGREED_LIMIT_SECONDS = 60.0  # readers say what they have loaded over Kafka: a second, on a busy machine some more
LOOK_EVERY_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Active:
    """The version in force at the door now, and its whole document."""

    version: int
    sha256: str
    effective_from: str | None
    programme: Programme

    @property
    def currency(self) -> str:
        return self.programme.currency

    @property
    def exponent(self) -> int:
        return self.programme.exponent


def versions(door: MemberService) -> list[dict[str, Any]]:
    """All versions that the door holds, oldest first."""
    return sorted(door.programmes(), key=lambda one: int(one["version"]))


def active_programme(door: MemberService, version: int | None = None) -> Active:
    """The version in force (or the one asked for). A CommandError says what to do when there is none."""
    held = versions(door)
    found = [one for one in held if (one["version"] == version if version else one.get("state") == "active")]
    if not found:
        wanted = f"there is no programme version {version}" if version else "no programme is active"
        raise CommandError(f"{wanted}; load one: laurel programme apply deploy/program/reference.yaml")
    newest = max(found, key=lambda one: (one.get("effective_from") or "", int(one["version"])))
    document = door.programme(int(newest["version"]))
    return Active(
        version=int(newest["version"]),
        sha256=str(newest["sha256"]),
        effective_from=newest.get("effective_from"),
        programme=parse(document.get("document", document)),
    )


def put_everywhere(services: Services, programme: Programme) -> None:
    """Load a version into all four services; the same bytes again are fine, other bytes under the same version are refused."""
    body = canonical(programme)
    for service in services.all:
        try:
            service.put_programme(programme.version, body)
        except Refused as refused:
            if refused.status == 409:
                raise CommandError(
                    f"{service.name} already holds another version {programme.version}; a published version never changes: "
                    f"give the file version {programme.version + 1} (or see the difference: laurel programme diff FILE)"
                ) from refused
            raise


def activate(
    services: Services,
    programme: Programme,
    effective_from: str | None,
    *,
    limit_seconds: float = AGREED_LIMIT_SECONDS,
    tell: Callable[[str], None] = lambda _: None,
    pause: Callable[[float], object] = time.sleep,
) -> str:
    """Bring a version into force as soon as the door knows that all four hold it; says what was done."""
    wanted = sha256(programme)
    for one in versions(services.member):
        if one["version"] == programme.version and one.get("state") == "active" and one["sha256"] == wanted:
            return "was already in force"
    deadline = time.monotonic() + limit_seconds
    while True:
        try:
            services.member.activate(programme.version, effective_from)
        except Refused as refused:
            if refused.status != 409 or refused.kind not in WAITED_FOR or time.monotonic() > deadline:
                raise
            tell(str(refused.problem.get("detail") or refused))
            pause(LOOK_EVERY_SECONDS)
            continue
        return "is in force"


# The door's words for: not all four services have said yet that they hold the same hash.
WAITED_FOR = frozenset({"not_loaded", "not_loaded_everywhere", "not_agreed"})
