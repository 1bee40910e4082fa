"""Programme versions over all four services: put everywhere, agreed on, in force; and which one is in force now. The one thing not to
break: a version is activated only after all four hold the same bytes (domain.md 6)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from laurel_cli.refusal import CommandError
from laurel_cli.services import MemberService, Refused, Services
from laurel_contracts.programme import Programme, canonical, parse

AGREED_LIMIT_SECONDS = 60.0  # readers say what they have loaded over Kafka: a second, on a busy machine some more
LOOK_EVERY_SECONDS = 0.25
NOT_LOADED = "programme_not_loaded"  # the door's word for: not all readers have said yet that they hold this hash


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


def active_programme(door: MemberService, version: int | None = None, now: datetime | None = None) -> Active:
    """The version in force (or the one asked for). A CommandError says what to do when there is none."""
    held = versions(door)
    found = [one for one in held if (one["version"] == version if version else one.get("state") == "active")]
    if not found:
        wanted = f"there is no programme version {version}" if version else "no programme is active"
        raise CommandError(f"{wanted}; load one: laurel programme apply deploy/program/reference.yaml")
    newest = _in_force(found, now or datetime.now(UTC))
    return Active(
        version=int(newest["version"]),
        sha256=str(newest["sha256"]),
        effective_from=newest.get("effective_from"),
        programme=parse(door.programme(int(newest["version"]))["document"]),
    )


def _in_force(activated: list[dict[str, Any]], now: datetime) -> dict[str, Any]:
    """Of the activated versions the latest that begins by `now`; the first one begins before everything."""

    def begins(one: dict[str, Any]) -> datetime:
        since = one.get("effective_from")
        return datetime.fromisoformat(since) if since else datetime.min.replace(tzinfo=UTC)

    started = [one for one in activated if begins(one) <= now]
    return max(started or activated, key=begins)


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
    if any(one["version"] == programme.version and one["state"] == "active" for one in versions(services.member)):
        return "was activated before"
    deadline = time.monotonic() + limit_seconds
    while True:
        try:
            services.member.activate(programme.version, effective_from)
        except Refused as refused:
            if refused.kind != NOT_LOADED or time.monotonic() > deadline:
                raise
            tell(f"{', '.join(refused.problem.get('missing', [])) or 'somebody'} has not loaded it yet")
            pause(LOOK_EVERY_SECONDS)
            continue
        return "is in force"
