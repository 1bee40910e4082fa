"""Callers at a till: each asks one thing after another, and on "busy" or "still running" the same again under the same key."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import httpx

from tests.integration.points_svc.till import Checkout

TRIES_SECONDS_MAX = 60.0
AGAIN_SECONDS = (0.02, 0.3)


def is_passing(answer: httpx.Response) -> bool:
    """Whether the same again, under the same key, is what the answer asks for."""
    return answer.status_code == 503 or (answer.status_code == 409 and answer.json()["type"] == "request_in_flight")


async def until_answered(till: Checkout, path: str, body: Any, answers: Counter[int] | None = None) -> httpx.Response:
    """One request under a key of its own, until it is decided. `answers` counts every single answer by its status."""
    key = till.key()
    async with asyncio.timeout(TRIES_SECONDS_MAX):
        while True:
            answer = await till.post(path, body, key)
            if answers is not None:
                answers[answer.status_code] += 1
            if not is_passing(answer):
                return answer
            await asyncio.sleep(random.uniform(*AGAIN_SECONDS))  # as the answer says: later; not all at the same time


async def all_at_once(jobs: Iterable[Callable[[], Awaitable[None]]], clients: int) -> None:
    """So many callers do these jobs, each the next one that is left."""
    left = iter(jobs)

    async def caller() -> None:
        for job in left:
            await job()

    await asyncio.gather(*(caller() for _ in range(clients)))
