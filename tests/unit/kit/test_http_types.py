"""An instant over HTTP is written out, with its zone. What would break it: pydantic's own type, which takes `0` for 1970."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from pydantic import TypeAdapter, ValidationError

from laurel_kit.http_types import Instant

instant = TypeAdapter(Instant)


@pytest.mark.parametrize(
    "written", ["2026-11-24T10:00:00Z", "2026-11-24t11:00:00.0+01:00", "2026-11-24 10:00:00+00:00"]
)
def test_an_instant_is_taken_in_every_spelling_of_rfc_3339(written: str) -> None:
    assert instant.validate_python(written) == datetime(2026, 11, 24, 10, tzinfo=UTC)


def test_what_is_an_instant_already_stays_one() -> None:
    at = datetime(2026, 11, 24, tzinfo=timezone(timedelta(hours=8)))
    assert instant.validate_python(at) == at


@pytest.mark.parametrize(
    "written", [0, 1.5, "0", "1764000000", "2026-11-24", "2026-11-24T10:00:00", "2026-11-24T25:00:00Z", None, True]
)
def test_a_number_a_day_and_a_time_without_its_zone_are_refused(written: object) -> None:
    with pytest.raises(ValidationError):
        instant.validate_python(written)
