"""All 110 kinds, in the order of the catalogue."""

from __future__ import annotations

from tests.fault.input.kinds_of_business import AMOUNTS, BUSINESS
from tests.fault.input.kinds_of_bytes import BYTES
from tests.fault.input.kinds_of_envelopes import ENVELOPES
from tests.fault.input.malformed import Kind

KINDS: tuple[Kind, ...] = (*BYTES, *ENVELOPES, *AMOUNTS, *BUSINESS)
