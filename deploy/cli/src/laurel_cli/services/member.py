"""member-svc over HTTP: the door, members, days, imports and programme versions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

import msgspec

from laurel_cli.refusal import CommandError
from laurel_cli.services.connection import Refused
from laurel_cli.services.speaking import Speaking

IDENTIFIER_KINDS = ("phone", "email", "card", "open_id", "external_id")


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What the door said to one report."""

    index: int
    outcome: str
    id: str | None = None
    reason: str | None = None
    detail: str | None = None


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the door said to a batch. `outcomes` is decoded only when something in it needs telling."""

    counts: dict[str, int]
    outcomes: msgspec.Raw

    def remarkable(self) -> list[Outcome]:
        """The outcomes that a person wants to know of: what was not simply accepted or a duplicate."""
        if not any(self.counts.get(outcome) for outcome in ("waiting", "refused", "conflict")):
            return []
        return [one for one in _outcomes(self.outcomes) if one.outcome not in {"accepted", "duplicate"}]


_outcomes = msgspec.json.Decoder(list[Outcome]).decode
_answer = msgspec.json.Decoder(Answer).decode


class MemberService(Speaking):
    """The door and the member's own record."""

    def report(self, bodies: Sequence[bytes]) -> Answer:
        """Report up to 1000 activities, in this order; each is JSON without a line break."""
        return _answer(self._at.send("POST", "/v1/activities", b"\n".join(bodies), kind="application/x-ndjson"))

    # Members

    def member(self, member_id: UUID) -> dict[str, Any]:
        return dict(self._at.get(f"/v1/members/{member_id}"))

    def status(self, member_id: UUID) -> dict[str, Any]:
        return dict(self._at.get(f"/v1/members/{member_id}/status"))

    def members(self) -> Iterator[dict[str, Any]]:
        return self._at.pages("/v1/members")

    def activities(self, member_id: UUID) -> Iterator[dict[str, Any]]:
        return self._at.pages(f"/v1/members/{member_id}/activities")

    def find(self, who: str) -> UUID:
        """The member that `who` names: a member id, `kind:value`, or an external id. Raises CommandError when there is none."""
        try:
            return UUID(who)
        except ValueError:
            pass
        kind, colon, value = who.partition(":")
        identifier = who if colon and kind in IDENTIFIER_KINDS and value else f"external_id:{who}"
        try:
            found = self._at.get("/v1/members", identifier=identifier)
        except Refused as refused:
            if refused.status != 404:
                raise
            found = None
        items = found.get("items", [found]) if isinstance(found, dict) else found
        if not items:
            raise CommandError(
                f"nobody is known as {identifier}; give an external id, kind:value (phone:…), or a member id"
            )
        return UUID(str(items[0]["member_id"]))

    # The calendar, and the leases that hold it while history is imported.

    def close_day(self, as_of: str) -> dict[str, Any]:
        """Close the days before `as_of`: an instant with an offset, or the local date that begins then."""
        return dict(self._at.post("/v1/days/close", {"as_of": as_of}))

    def days(self) -> Any:
        return self._at.get("/v1/days")

    def begin_import(self, name: str, ttl_seconds: int) -> str:
        """Take the lease under which no day closes by clock; it ends by itself after `ttl_seconds` unless renewed."""
        return str(self._at.post("/v1/imports", {"name": name, "ttl_seconds": ttl_seconds})["lease_id"])

    def renew_import(self, lease_id: str) -> None:
        self._at.put(f"/v1/imports/{lease_id}", {})

    def end_import(self, lease_id: str) -> None:
        self._at.delete(f"/v1/imports/{lease_id}")

    # Programme versions: the door's part beyond what every service does

    def activate(self, version: int, effective_from: str | None) -> Any:
        return self._at.post(f"/v1/programmes/{version}/activate", {"effective_from": effective_from})
