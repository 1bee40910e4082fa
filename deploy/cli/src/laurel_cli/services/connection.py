"""One keep-alive connection to one service: JSON in and out, a time limit on everything, and every problem as a sentence."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import msgspec

from laurel_cli.refusal import CommandError

# An answer takes milliseconds; a batch of 500 reports some tens. Beyond this the service is not well.
ANSWER_LIMIT_SECONDS = 30.0
CONNECT_LIMIT_SECONDS = 5.0
# Audits of the ledger run one at a time, and one of ten million entries takes a minute; a question may be asked again.
BUSY_SECONDS_MAX = 90.0
BUSY = "busy"  # the kind of problem
PAGE_ROWS = 1000  # the largest page that the services give


class Unreachable(CommandError):
    """Nobody answered: the service does not run, or its answer did not come in time. A report may or may not have been taken."""


class Refused(CommandError):
    """The service answered with a problem (RFC 9457). `retry_after_seconds` is what it asked for, or None."""

    def __init__(
        self, sentence: str, status: int, problem: Mapping[str, Any], retry_after_seconds: float | None
    ) -> None:
        super().__init__(sentence)
        self.status = status
        self.problem = dict(problem)
        self.retry_after_seconds = retry_after_seconds

    @property
    def kind(self) -> str:
        """The last word of the problem's type, e.g. `no_programme`."""
        return str(self.problem.get("type", "")).rstrip("/").replace("#", "/").replace(":", "/").rpartition("/")[2]


class Connection:
    """A service at an address. One of these per thread."""

    def __init__(
        self,
        service: str,
        url: str,
        *,
        limit_seconds: float = ANSWER_LIMIT_SECONDS,
        busy_seconds_max: float = BUSY_SECONDS_MAX,
    ) -> None:
        self._busy_seconds_max = busy_seconds_max
        self.service = service
        self.url = url
        self._client = httpx.Client(
            base_url=url,
            timeout=httpx.Timeout(limit_seconds, connect=CONNECT_LIMIT_SECONDS),
            trust_env=False,  # a proxy of the machine has no business between us and a local service
            limits=httpx.Limits(max_connections=1, keepalive_expiry=60.0),
        )

    def close(self) -> None:
        self._client.close()

    def get(self, path: str, **query: object) -> Any:
        """The decoded answer; query parameters that are None are left out. Asked again for a while where the service is busy."""
        wanted = {name: str(value) for name, value in query.items() if value is not None}
        until = time.monotonic() + self._busy_seconds_max
        while True:
            try:
                return _decoded(self.send("GET", path, query=wanted))
            except Refused as refused:
                pause = refused.retry_after_seconds
                if refused.kind != BUSY or pause is None or time.monotonic() + pause > until:
                    raise
            time.sleep(pause)

    def put(self, path: str, value: object) -> Any:
        return _decoded(self.send("PUT", path, _json(value)))

    def post(self, path: str, value: object, *, headers: Mapping[str, str] | None = None) -> Any:
        return _decoded(self.send("POST", path, _json(value), headers=headers))

    def delete(self, path: str) -> None:
        self.send("DELETE", path)

    def pages(self, path: str, **query: object) -> Iterator[dict[str, Any]]:
        """All items of a paged list."""
        after: object = None
        while True:
            page = self.get(path, **{"limit": PAGE_ROWS, **query, "after": after})
            yield from page["items"]
            after = page.get("next")
            if after is None:
                return

    def send(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        kind: str = "application/json",
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> bytes:
        """The bytes of a good answer. Raises Unreachable or Refused."""
        chosen = {
            "accept": "application/json",
            **({"content-type": kind} if body is not None else {}),
            **(headers or {}),
        }
        try:
            answer = self._client.request(method, path, content=body, headers=chosen, params=query or None)
        except httpx.TimeoutException as error:
            raise Unreachable(f"{self.service} did not answer {method} {path} in time ({self.url})") from error
        except httpx.TransportError as error:
            raise Unreachable(
                f"{self.service} cannot be reached at {self.url} ({error}); is the stack up? See: laurel status"
            ) from error
        if answer.is_success:
            return answer.content
        raise self._refusal(method, path, answer)

    def _refusal(self, method: str, path: str, answer: httpx.Response) -> Refused:
        problem: dict[str, Any] = {}
        try:
            found = msgspec.json.decode(answer.content)
            if isinstance(found, dict):
                problem = found
        except msgspec.DecodeError:
            pass
        title = problem.get("title") or answer.reason_phrase
        detail = problem.get("detail")
        sentence = f"{self.service} refused {method} {path}: {title}"
        if detail and str(detail).casefold() != str(title).casefold():
            sentence += f": {detail}"
        for further in ("problems", "errors", "imports"):  # what was found, one by one
            if problem.get(further):
                sentence += "".join(f"\n  {one}" for one in problem[further])
        wait = answer.headers.get("retry-after", "")
        return Refused(sentence, answer.status_code, problem, float(wait) if wait.isdigit() else None)


def _json(value: object) -> bytes:
    return value if isinstance(value, bytes) else msgspec.json.encode(value)


def _decoded(body: bytes) -> Any:
    return msgspec.json.decode(body) if body else None
