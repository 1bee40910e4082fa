"""What every service answers alike: progress, programme versions, dead letters, saying again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from laurel_cli.services.connection import Connection


class Speaking:
    """A service that runs on the kit."""

    def __init__(self, connection: Connection) -> None:
        self._at = connection
        self.name = connection.service
        self.url = connection.url

    def close(self) -> None:
        self._at.close()

    def progress(self) -> dict[str, Any]:
        """How far it has got: outbox, cursors and ends, lanes (the kit's own answer)."""
        return dict(self._at.get("/progress"))

    # Programme versions

    def programmes(self) -> list[dict[str, Any]]:
        """The versions it holds: version, sha256; at the door also state and effective_from."""
        found = self._at.get("/v1/programmes")
        return list(found["items"] if isinstance(found, dict) else found)

    def programme(self, version: int) -> dict[str, Any]:
        return dict(self._at.get(f"/v1/programmes/{version}"))

    def put_programme(self, version: int, document: bytes) -> Any:
        return self._at.put(f"/v1/programmes/{version}", document)

    # Said again, and dead letters

    def resay(self, member_id: UUID | None) -> int:
        """How much was said. About everybody the service says a moment's worth per request, and where to go on."""
        body = {"member_id": str(member_id)} if member_id else {}
        answer = self._at.post("/v1/resay", body)
        said = int(answer["said"])
        while answer.get("next"):
            answer = self._at.post("/v1/resay", {"after": answer["next"]})
            said += int(answer["said"])
        return said

    def dead_letters(self, state: str | None, limit: int) -> list[dict[str, Any]]:
        found = self._at.get("/v1/dead-letters", state=state, limit=limit)
        return list(found["items"] if isinstance(found, dict) else found)

    def dead_letter(self, letter_id: str) -> dict[str, Any]:
        return dict(self._at.get(f"/v1/dead-letters/{letter_id}"))

    def replay(self, letter_id: str, by: str | None = None) -> Any:
        return self._at.post(f"/v1/dead-letters/{letter_id}/replay", {"by": by} if by else {})

    def discard(self, letter_id: str, by: str | None = None) -> Any:
        return self._at.post(f"/v1/dead-letters/{letter_id}/discard", {"by": by} if by else {})

    def summary(self) -> dict[str, Any]:
        return dict(self._at.get("/v1/summary"))

    def _pages(self, path: str, **query: object) -> Iterator[dict[str, Any]]:
        return self._at.pages(path, **query)
