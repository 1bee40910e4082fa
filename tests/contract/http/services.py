"""The four applications as they run, built without a server: nothing here connects to anything."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from laurel_kit.http import create_app
from laurel_kit.service import Service

SERVICES = ("member-svc", "points-svc", "tier-svc", "campaign-svc")
SECRET = "canary-3f9c1b7e"
HOST = "db-canary.invalid"
NOBODY_LISTENS = 9  # the discard port
ENVIRONMENT: Mapping[str, str] = {
    "LAUREL_SERVICE_PORT": "1",
    "LAUREL_DATABASE_URL": f"postgresql://canary:{SECRET}@127.0.0.1:{NOBODY_LISTENS}/canary",
    "KAFKA_BOOTSTRAP_SERVERS": f"{HOST}:{NOBODY_LISTENS}",
}
FRAME = {
    ("GET", "/openapi.json"),
    ("HEAD", "/openapi.json"),
    ("GET", "/docs"),
    ("HEAD", "/docs"),
}  # the document itself


def app_of(name: str, *, more_routers: Any = ()) -> FastAPI:
    """The application of a service, as laurel_kit.service serves it."""
    service: Service = importlib.import_module(f"{name.replace('-', '_')}.main").build(ENVIRONMENT)
    return create_app(
        service.name, database=service.database, routers=[*service.routers, *more_routers], metrics=service.metrics,
        reader=service.reader, relay=service.relay, migrations=service.migrations, resay=service.resay,
        count_waiting=service.count_waiting, body_bytes_max=service.body_bytes_max,
    )  # fmt: skip


def routes_of(app: FastAPI) -> Iterator[tuple[str, str]]:
    """(method, path) of everything that is served."""
    for context in iter_route_contexts(app.routes):
        for method in context.methods or ():
            yield method, str(context.path_format)


def operations_of(app: FastAPI) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(method, path, operation) of everything that the OpenAPI document names."""
    for path, operations in app.openapi()["paths"].items():
        for method, operation in operations.items():
            yield method.upper(), path.replace(":path}", "}"), operation
