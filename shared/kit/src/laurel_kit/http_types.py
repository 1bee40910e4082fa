"""Types of what comes in over HTTP, where pydantic's own would take more than the document says."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, BeforeValidator

_LOOKS_LIKE_A_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_LOOKS_LIKE_ONE = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ].+")


def _no_number(value: Any) -> Any:
    """A number would be taken for the seconds since 1970, in a query even as text."""
    if isinstance(value, datetime) or (isinstance(value, str) and _LOOKS_LIKE_ONE.fullmatch(value)):
        return value
    raise ValueError("an instant is written as 2026-11-24T10:00:00Z")


def _no_seconds(value: Any) -> Any:
    """A number would be taken for a day since 1970, in a query even as text."""
    if isinstance(value, date) or (isinstance(value, str) and _LOOKS_LIKE_A_DAY.fullmatch(value)):
        return value
    raise ValueError("a day is written as 2026-11-24")


# A local day.
Day = Annotated[date, BeforeValidator(_no_seconds)]
# RFC 3339, with its zone.
Instant = Annotated[AwareDatetime, BeforeValidator(_no_number)]
