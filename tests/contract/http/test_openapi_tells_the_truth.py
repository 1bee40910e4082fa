"""T-H12, T-H13: what is served is what the OpenAPI documents name and what the inventory beside this file lists; and every way in which a
route refuses is a problem."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from fastapi import APIRouter
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from tests.contract.http.services import FRAME, HOST, SECRET, SERVICES, app_of, operations_of, routes_of

INVENTORY = Path(__file__).with_name("inventory.txt")
PROBLEM = "application/problem+json"
MEMBER = "7b3f6f0a-47cb-4a51-9d24-4c2b8c6f1d11"


def listed(service: str) -> set[tuple[str, str]]:
    """The inventory's lines for a service: `service METHOD path`."""
    lines = [line.split() for line in INVENTORY.read_text(encoding="utf-8").splitlines() if line and line[0] != "#"]
    return {(method, path) for name, method, path in lines if name == service}


@pytest.mark.parametrize("service", SERVICES)
def test_what_is_served_is_what_is_documented_and_what_is_listed(service: str) -> None:
    """T-H12: broken by a route that nobody has written down, or one that is written down and gone."""
    app = app_of(service)
    documented = {(method, path) for method, path, _ in operations_of(app)}
    assert set(routes_of(app)) - FRAME == documented
    assert documented == listed(service)


def test_a_hidden_route_is_noticed() -> None:
    """The check above has been seen to fail."""
    hidden = APIRouter()
    hidden.get("/v1/hidden", include_in_schema=False)(lambda: None)
    app = app_of("tier-svc", more_routers=[hidden])
    assert set(routes_of(app)) - FRAME - {(method, path) for method, path, _ in operations_of(app)} == {
        ("GET", "/v1/hidden")
    }


@pytest.mark.parametrize("service", SERVICES)
def test_every_operation_declares_its_problems_and_nothing_that_no_route_says(service: str) -> None:
    """T-H01: broken by the framework's own 422, which is no problem, or by a raw body that the document does not mention."""
    for method, path, operation in operations_of(app_of(service)):
        where = f"{method} {path}"
        assert {"4XX", "5XX"} <= operation["responses"].keys(), where
        assert PROBLEM in operation["responses"]["4XX"]["content"], where
        assert "422" not in operation["responses"], where
        if method in ("PUT", "POST") and ("programmes/{version}" in path or path == "/v1/activities"):
            assert "requestBody" in operation, where


def test_the_door_and_the_key_are_documented_by_hand() -> None:
    """T-H01: the raw hot route says what it takes; a spending says that it needs a key."""
    member = app_of("member-svc").openapi()["paths"]["/v1/activities"]["post"]
    assert set(member["requestBody"]["content"]) == {"application/json", "application/x-ndjson"}
    points = app_of("points-svc").openapi()["paths"]["/v1/members/{member_id}/spendings"]["post"]
    (key,) = [one for one in points["parameters"] if one["name"] == "Idempotency-Key"]
    assert (key["in"], key["required"], key["schema"]["minLength"]) == ("header", True, 16)


@pytest.mark.parametrize("service", SERVICES)
async def test_an_injected_defect_and_a_database_that_is_away_show_nothing_of_the_inside(service: str) -> None:
    """T-H13: broken by a traceback, a statement, an address or a password in an answer."""
    broken = APIRouter()

    @broken.get("/v1/defect")
    async def defect() -> None:
        raise ProgrammingError("SELECT secret FROM vault", {"password": SECRET}, Exception(HOST))

    @broken.get("/v1/slip")
    async def slip() -> None:
        raise KeyError(SECRET, str(text("SELECT 1")))

    transport = httpx.ASGITransport(app_of(service, more_routers=[broken]), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=f"http://{service}") as client:
        answers = [await client.get(path) for path in ("/v1/slip", "/v1/defect", "/v1/programmes")]
    assert [answer.status_code for answer in answers] == [500, 503, 503]
    for answer in answers:
        assert answer.headers["content-type"] == PROBLEM
        assert answer.json()["request_id"] == answer.headers["x-request-id"]
        assert not [
            word for word in (SECRET, HOST, "SELECT", "Traceback", "canary", "127.0.0.1") if word in answer.text
        ]
