"""How a plain twin serves: on uvicorn with uvloop and httptools, like ours."""

from __future__ import annotations

import sys
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI

POOL_SIZE = 12  # connections to the database, as many as a service of ours has


def serve(build: Callable[[str], FastAPI]) -> None:
    """What `build` makes of a database's address, on the port beside it in the arguments, until SIGTERM."""
    dsn, port = sys.argv[1:]
    uvicorn.run(
        build(dsn),
        host="127.0.0.1",
        port=int(port),
        loop="uvloop",
        http="httptools",
        log_level="warning",
        access_log=False,
    )
