"""Would a reader of yesterday's events still be served? Compares two JSON Schemas of one event and names every breaking change.
The one thing not to break: what this module lets pass, a consumer one version behind can read, and old events still decode."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Schema = dict[str, Any]

# Bounds by which a schema may only become wider, and the direction that is wider.
_LOWER_BOUNDS = ("minimum", "minLength", "minItems", "exclusiveMinimum")
_UPPER_BOUNDS = ("maximum", "maxLength", "maxItems", "exclusiveMaximum")


def breaking_changes(old: Schema, new: Schema) -> list[str]:
    """What of `new` breaks a producer or a reader of `old`, one sentence each with its path; empty: additive."""
    return sorted(set(_differences(old, new, old, new, "$")))


def _resolve(schema: Schema, root: Schema) -> Schema:
    while "$ref" in schema:
        found: Any = root
        for part in schema["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        schema = found
    return schema


def _types(schema: Schema) -> set[str]:
    """The JSON types that a schema admits; an empty set stands for any."""
    if "anyOf" in schema:
        return set().union(*(_types(part) for part in schema["anyOf"]))
    declared = schema.get("type")
    if declared is None:
        return {"ref"} if "$ref" in schema else set()
    return set(declared) if isinstance(declared, list) else {declared}


def _differences(old: Schema, new: Schema, old_root: Schema, new_root: Schema, path: str) -> Iterator[str]:
    old, new = _resolve(old, old_root), _resolve(new, new_root)
    yield from _narrowed(old, new, path)
    old_parts, new_parts = old.get("properties", {}), new.get("properties", {})
    for name in old_parts:
        if name not in new_parts:
            yield f"{path}.{name} was removed or renamed"
        else:
            yield from _differences(old_parts[name], new_parts[name], old_root, new_root, f"{path}.{name}")
    for name in set(new.get("required", ())) - set(old.get("required", ())):
        yield f"{path}.{name} is required now"
    for name in set(old.get("required", ())) - set(new.get("required", ())):
        yield f"{path}.{name} may be missing now, and readers rely on it"
    for keyword in ("items", "additionalProperties"):
        if isinstance(old.get(keyword), dict) and isinstance(new.get(keyword), dict):
            yield from _differences(old[keyword], new[keyword], old_root, new_root, f"{path}[]")
    yield from _alternatives(old, new, old_root, new_root, path)


def _alternatives(old: Schema, new: Schema, old_root: Schema, new_root: Schema, path: str) -> Iterator[str]:
    """Parts of an `anyOf` or a tuple, compared pairwise where both still have them."""
    for keyword in ("anyOf", "prefixItems"):
        pairs = zip(old.get(keyword, ()), new.get(keyword, ()), strict=False)
        for position, (before, after) in enumerate(pairs):
            yield from _differences(before, after, old_root, new_root, f"{path}<{position}>")
        if len(new.get(keyword, ())) < len(old.get(keyword, ())):
            yield f"{path} lost an alternative"


def _narrowed(old: Schema, new: Schema, path: str) -> Iterator[str]:
    if _types(old) != _types(new):
        yield f"{path} changed its type from {sorted(_types(old))} to {sorted(_types(new))}"
    for value in set(map(str, old.get("enum", ()))) - set(map(str, new.get("enum", ()))):
        yield f"{path} no longer admits {value}"
    for value in set(map(str, new.get("enum", ()))) - set(map(str, old.get("enum", ()))):
        if "enum" in old:
            yield f"{path} admits {value} now, which readers do not know"
    if "enum" in new and "enum" not in old:
        yield f"{path} is limited to an enumeration now"
    if new.get("pattern") != old.get("pattern"):
        yield f"{path} has another pattern"
    for keyword in _LOWER_BOUNDS:
        if new.get(keyword, float("-inf")) > old.get(keyword, float("-inf")):
            yield f"{path} has a higher {keyword}"
    for keyword in _UPPER_BOUNDS:
        if new.get(keyword, float("inf")) < old.get(keyword, float("inf")):
            yield f"{path} has a lower {keyword}"
