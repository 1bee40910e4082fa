"""T-H01: schemathesis on the OpenAPI documents of all four services as they run: examples, coverage, fuzzing and stateful, all checks but
one (`schemathesis.toml` says which and why). Authorization is not built yet, so `ignored_auth` has nothing to find."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.fault.input.known_member import MEMBER
from tests.fault.input.malformed import sale, text
from tests.fault.input.sending import exchange, request_of, settle
from tests.fault.report import record, seed_of, sized
from tests.support.shop import ROOT, Shop

SERVICES = ("member-svc", "points-svc", "tier-svc", "campaign-svc")
CONFIG = Path(__file__).with_name("schemathesis.toml")
JSON = ((b"content-type", b"application/json"),)
START_SECONDS = 120  # of schemathesis itself, and of a phase that is just being ended
RUNS = [
    pytest.param(
        "examples,coverage,fuzzing,stateful", 25, marks=[pytest.mark.fault, pytest.mark.long], id="100-s-in-all"
    ),
    pytest.param(
        "examples,coverage,fuzzing,stateful", sized(1800), marks=[pytest.mark.nightly, pytest.mark.long], id="30-min"
    ),
]


@pytest.fixture(scope="module")
def member(shop: Shop) -> str:
    """A member of whom every service has heard."""
    reply = exchange(shop.url("member-svc"), request_of("POST", "/v1/activities", text(sale("h01-known")), JSON))
    settle(shop)
    return str(reply.document["outcomes"][0]["member_id"])


@pytest.mark.timeout(2400)
@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize(("phases", "seconds"), RUNS)
def test_no_request_that_the_document_allows_or_forbids_finds_a_5xx_or_a_lie(
    shop: Shop, member: str, service: str, phases: str, seconds: int
) -> None:
    """T-H01: broken by an input that gives a 5xx, one that should be refused and is not, or an answer that the document does not name."""
    began, seed = time.monotonic(), seed_of("T-H01", 7)
    program = Path(sys.executable).with_name("schemathesis")
    command = [
        str(program), "--config-file", str(CONFIG), "run", f"{shop.url(service)}/openapi.json", "--phases", phases,
        "--seed", str(seed), "--continue-on-failure", "--no-color", "--workers", "1", "--max-time", str(seconds),
    ]  # fmt: skip
    environment = os.environ | {MEMBER: member, "PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}"}
    ran = subprocess.run(
        command, capture_output=True, text=True, env=environment, cwd=shop.stack.home.root, check=False,
        timeout=seconds + START_SECONDS,
    )  # fmt: skip
    found = re.search(r"^\s+(\d+) generated.*$", ran.stdout, re.MULTILINE)
    cases = found.group(0).strip() if found else "nothing was generated"
    good = ran.returncode == 0 and found is not None and int(found.group(1)) > 0
    record(
        f"T-H01 {service}", cases, "0 failures, 0 responses ≥ 500", good, seed=seed, seconds=time.monotonic() - began
    )
    assert good, f"{ran.stdout[-8000:]}\n{ran.stderr[-2000:]}"
