"""Spot a report in which an object names a key twice: two readers could take two different amounts from it, so it is taken by none. The
decoder keeps the last one and says nothing; parsing everything twice would cost more than the door. So quotes are counted first: what
was decoded, encoded again, has as many as what came, unless something more came. Only then is it parsed in full.
The one thing not to break: whatever is not counted exactly goes the slow way."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec

from laurel_contracts.envelope import Identifier, Report

QUOTE = b'"'
ESCAPED_QUOTE = b"\\u0022"  # the only other way to write one
_ENVELOPE_QUOTES = 22  # around specversion, id, source, type, time and data, and the values of all but the last
_SUBJECT_QUOTES = 4
_IDENTIFIER_KEY_QUOTES = 2

_encode = msgspec.json.encode


class RepeatedKey(ValueError):
    """An object names a key twice."""


def refuse_repeated_keys(document: bytes) -> None:
    """Parse in full. Raises RepeatedKey."""
    json.loads(document, object_pairs_hook=_unique)


def envelopes_are_plain(body: bytes, envelopes: Sequence[Report]) -> bool:
    """Whether the envelopes hold what was decoded of them and nothing else, so that no key can stand in them twice."""
    quotes = versions = 0
    for envelope in envelopes:
        data = bytes(envelope.data)
        quotes += _ENVELOPE_QUOTES + data.count(QUOTE) + (0 if envelope.subject is None else _SUBJECT_QUOTES)
        versions += 1 + data.count(b'"specversion"')
    # specversion may be left out: then the counts differ, and the slow way is taken.
    return body.count(QUOTE) == quotes and body.count(b'"specversion"') == versions and ESCAPED_QUOTE not in body


def refuse_repeated_in_data(raw: bytes, data: Any, identifier: Identifier | None) -> bytes:
    """The same for what a report is about. Returns `data` encoded again, as it will be said. Raises RepeatedKey."""
    again = _encode(data)
    quotes = again.count(QUOTE)
    if identifier is not None:
        quotes += _IDENTIFIER_KEY_QUOTES + _encode(identifier).count(QUOTE)
    if raw.count(QUOTE) != quotes or ESCAPED_QUOTE in raw:
        refuse_repeated_keys(raw)
    return again


def _unique(pairs: list[tuple[str, Any]]) -> None:
    if len(pairs) > 1 and len({key for key, _ in pairs}) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise RepeatedKey(f"the key {twice[:100]!r} stands twice in one object")
