"""The house rules as functions: each takes a file's path (from the root) and text and names what is wrong. `test_house_rules.py` runs
them over the tree and shows each of them failing once. The one thing not to break: a rule that cannot fail is a comment."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILE_LINES_MAX = 400  # one file holds one thing
FUNCTION_LINES_MAX = 60  # one screen
REFUSED_NAMES = {"utils", "util", "helpers", "helper", "common", "base", "manager", "misc", "core"}
RETAIL_NOUNS = re.compile(r"\b(members?|points?|tiers?|campaigns?|purchases?|coupons?|loyalty)\b", re.IGNORECASE)
HIDDEN_INPUTS = {
    ("datetime", "now"),
    ("datetime", "utcnow"),
    ("date", "today"),
    ("time", "time"),
    ("time", "monotonic"),
    ("uuid", "uuid1"),
    ("uuid", "uuid4"),
    ("os", "environ"),
    ("os", "getenv"),
}
# Put together from parts, so that the rule itself holds nothing that looks like an address.
_INDEX_FLAGS = "|".join("--" + flag for flag in ("index" + "-url", "extra-index" + "-url", "find" + "-links"))
_INDEX_PATHS = "|".join("/" + path for path in ("simp" + "le", "maven" + "2", "packages/[0-9a-f]{2}/"))
REGISTRY_ADDRESS = re.compile(rf"({_INDEX_FLAGS}|https?://[^\s\"']*({_INDEX_PATHS}))")

Rule = Callable[[Path, str], Iterator[str]]


def parsed(path: Path, text: str) -> ast.Module | None:
    """The syntax tree of a Python file, None for any other file."""
    return ast.parse(text) if path.suffix == ".py" else None


def refused_names(path: Path, _text: str) -> Iterator[str]:
    """No room whose name says nothing."""
    if path.suffix == ".py" and (path.stem in REFUSED_NAMES or REFUSED_NAMES & set(path.parts[:-1])):
        yield f"{path}: a name that says nothing; the design is not finished"


def too_long(path: Path, text: str) -> Iterator[str]:
    """No file over 400 lines, no function over 60."""
    tree = parsed(path, text)
    if tree is None:
        return
    if len(text.splitlines()) > FILE_LINES_MAX:
        yield f"{path}: more than {FILE_LINES_MAX} lines"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
            length = node.end_lineno - node.lineno + 1
            if length > FUNCTION_LINES_MAX:
                yield f"{path}: {node.name} has {length} lines"


def hidden_inputs(path: Path, text: str) -> Iterator[str]:
    """No clock, no random and no environment in domain and handlers."""
    if not ({"domain", "handlers"} & set(path.parts)) or "services" not in path.parts:
        return
    tree = parsed(path, text)
    if tree is None:
        return
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and (node.value.id, node.attr) in HIDDEN_INPUTS
        ):
            yield f"{path}:{node.lineno}: {node.value.id}.{node.attr} is a hidden input"
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
            if "random" in names or "secrets" in names:
                yield f"{path}:{node.lineno}: random is a hidden input"


def commits(path: Path, text: str) -> Iterator[str]:
    """Nobody but the kit commits."""
    if "services" in path.parts and path.suffix == ".py" and re.search(r"\.(commit|rollback)\(", text):
        yield f"{path}: commits; only the kit does"


def retail_in_the_kit(path: Path, text: str) -> Iterator[str]:
    """The kit knows how any service runs, and nothing of retail."""
    if path.parts[:4] == ("shared", "kit", "src", "laurel_kit") and path.suffix == ".py":
        for number, line in enumerate(text.splitlines(), 1):
            if RETAIL_NOUNS.search(line):
                yield f"{path}:{number}: a retail noun in the kit: {line.strip()}"


def sleeping_tests(path: Path, text: str) -> Iterator[str]:
    """Tests wait for a condition with a deadline, or move a clock."""
    if path.parts[0] == "tests" and path.name.startswith("test_") and re.search(r"\btime\.sleep\(", text):
        yield f"{path}: sleeps"


def missing_module_docstring(path: Path, text: str) -> Iterator[str]:
    """A module says what its room is for."""
    tree = parsed(path, text)
    if tree is not None and tree.body and ast.get_docstring(tree) is None:
        yield f"{path}: no module docstring"


def registry_addresses(path: Path, text: str) -> Iterator[str]:
    """No package registry's address anywhere."""
    if path.name in {"house_rules.py", "Makefile", "test_house_rules.py"}:
        return
    for number, line in enumerate(text.splitlines(), 1):
        if REGISTRY_ADDRESS.search(line) and "--no-emit" not in line:
            yield f"{path}:{number}: a package registry's address"


RULES: tuple[Rule, ...] = (
    refused_names,
    too_long,
    hidden_inputs,
    commits,
    retail_in_the_kit,
    sleeping_tests,
    missing_module_docstring,
    registry_addresses,
)
