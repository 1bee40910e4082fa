"""A door for tests: speaks as much of member-svc's HTTP as an import uses, remembers what it was told, and fails on demand."""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from laurel_cli.services import MemberService
from laurel_cli.services.connection import Connection


class DoorDouble:
    """What the tests ask for and look at. `failures` are answered first, one per request: (status, headers)."""

    def __init__(self) -> None:
        self.url = ""
        self.lock = threading.Lock()
        self.taken: dict[str, dict[str, Any]] = {}
        self.by_member: dict[str, list[str]] = defaultdict(list)
        self.requests = 0
        self.in_flight = self.in_flight_max = 0
        self.failures: list[tuple[int, dict[str, str]]] = []
        self.fail_after: int | None = None  # every request beyond this one is answered 500
        self.lose_answers = 0  # so many requests take effect, and then the connection breaks
        self.leases: list[str] = []
        self.dead_leases: set[str] = set()
        self.outcome_of: Callable[[dict[str, Any]], str] = lambda report: "accepted"

    def connect(self) -> MemberService:
        return MemberService(Connection("member-svc", self.url))

    def take(self, reports: list[dict[str, Any]]) -> dict[str, Any]:
        outcomes = []
        counts: dict[str, int] = defaultdict(int)
        with self.lock:
            for index, report in enumerate(reports):
                outcome = "duplicate" if report["id"] in self.taken else self.outcome_of(report)
                if outcome == "accepted":
                    self.taken[report["id"]] = report
                    self.by_member[report["data"]["identifier"]["value"]].append(report["id"])
                counts[outcome] += 1
                reason = {"reason": "amount", "detail": "no"} if outcome in {"refused", "conflict"} else {}
                outcomes.append({"index": index, "id": report["id"], "outcome": outcome, **reason})
        return {"outcomes": outcomes, "counts": dict(counts)}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    door: DoorDouble

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        door = self.door
        if self.path == "/v1/imports":
            door.leases.append("taken")
            return self._answer(201, {"lease_id": "lease-1"})
        with door.lock:
            door.requests += 1
            door.in_flight += 1
            door.in_flight_max = max(door.in_flight_max, door.in_flight)
            failure = door.failures.pop(0) if door.failures else None
            if door.fail_after is not None and door.requests > door.fail_after:
                failure = (500, {})
            lost = door.lose_answers > 0 and failure is None
            door.lose_answers -= lost
        try:
            if failure is not None:
                status, headers = failure
                return self._answer(status, {"type": headers.get("x-kind", "busy"), "title": "Not now"}, headers)
            answer = door.take([json.loads(line) for line in body.splitlines()])
        finally:
            with door.lock:
                door.in_flight -= 1
        if lost:
            self.close_connection = True
            return None
        return self._answer(202, answer)

    def do_GET(self) -> None:
        with self.door.lock:
            self.door.requests += 1
            status, headers = self.door.failures.pop(0) if self.door.failures else (200, {})
        if status == 200:
            return self._answer(200, {"reports": len(self.door.taken)})
        return self._answer(status, {"type": headers.get("x-kind", "busy"), "title": "Not now"}, headers)

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        lease = self.path.rpartition("/")[2]
        if lease in self.door.dead_leases:
            return self._answer(404, {"type": "no_such_lease", "title": "There is no such lease"})
        self.door.leases.append(f"renewed {lease}")
        return self._answer(200, {})

    def do_DELETE(self) -> None:
        self.door.leases.append("given back")
        self._answer(204, None)

    def _answer(self, status: int, value: object, headers: dict[str, str] | None = None) -> None:
        body = b"" if value is None else json.dumps(value).encode()
        self.send_response(status)
        for name, text in (headers or {}).items():
            self.send_header(name, text)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def serving() -> Iterator[DoorDouble]:
    """A door on a free port of this machine."""
    door = DoorDouble()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"door": door}))
    server.daemon_threads = True
    door.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield door
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
