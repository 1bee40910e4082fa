"""One shop for all tests of this folder; each test uses sources, orders and cards that no other uses."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import pytest

from tests.fault.input.kinds_of_envelopes import ERASED
from tests.fault.input.sending import ask
from tests.support.shop import Shop, open_shop, reference


@pytest.fixture(scope="package")
def shop() -> Iterator[Shop]:
    with open_shop(reference(campaigns=False), partitions=4) as opened:
        ask(
            opened,
            "INSERT INTO member (member_id, partition, last_seq, state, enrolled_at) VALUES ($1, 0, 0, 'erased', now())",
            UUID(ERASED),
        )
        yield opened
