"""The HTTP frame of every service: health, metrics, progress and dead letters, around the service's own routers. The one thing not to
break: the routes and error shapes are the same in all services."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI

from laurel_kit import routes
from laurel_kit.applying import Applier
from laurel_kit.outbox import Relay
from laurel_kit.postgres import Database
from laurel_kit.problems import PROBLEM_RESPONSES, Problem, handle_errors, problem_response
from laurel_kit.reading import Reader
from laurel_kit.resaying import Resay
from laurel_kit.routes import CountUnfinished, CountWaiting
from laurel_kit.telemetry import KitMetrics
from laurel_kit.web_frame import BodyKind, BodyLimit, RequestIds

BODY_BYTES_MAX = 1 * 1024 * 1024
ACTIVITIES_BODY_BYTES_MAX = 8 * 1024 * 1024  # a thousand reports with their lines

__all__ = [
    "ACTIVITIES_BODY_BYTES_MAX",
    "BODY_BYTES_MAX",
    "CountUnfinished",
    "CountWaiting",
    "Problem",
    "Resay",
    "create_app",
    "problem_response",
]


def create_app(
    name: str,
    *,
    database: Database,
    routers: Sequence[APIRouter] = (),
    metrics: KitMetrics | None = None,
    reader: Reader[Any] | None = None,
    applier: Applier[Any] | None = None,
    relay: Relay | None = None,
    migrations: Path | None = None,
    resay: Resay | None = None,
    count_waiting: CountWaiting | None = None,
    count_unfinished: CountUnfinished | None = None,
    body_bytes_max: int = BODY_BYTES_MAX,
    version: str = "0.1.0",
) -> FastAPI:
    """The service's HTTP application. `applier` (or the reader's) is what the dead-letter routes replay with; without either there are
    none. `app.state.database` is the database."""
    app = FastAPI(
        title=name, version=version, redoc_url=None, swagger_ui_oauth2_redirect_url=None, responses=PROBLEM_RESPONSES,
        redirect_slashes=False,  # a redirect would be built from the caller's own Host header
    )  # fmt: skip
    app.state.database = database
    parts = routes.Parts(
        name,
        database,
        metrics or KitMetrics(name),
        reader=reader,
        relay=relay,
        migrations=migrations,
        count_waiting=count_waiting,
        count_unfinished=count_unfinished,
    )
    app.include_router(routes.of_health(parts))
    if applier is None and reader is not None:
        applier = reader.applier
    if applier is not None:
        app.include_router(routes.of_dead_letters(applier))
    if resay is not None:
        app.include_router(routes.of_resay(resay))
    for router in routers:
        app.include_router(router)
    handle_errors(app)
    app.add_middleware(BodyKind)
    app.add_middleware(BodyLimit, bytes_max=body_bytes_max)
    app.add_middleware(RequestIds)
    return app
