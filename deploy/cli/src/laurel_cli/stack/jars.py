"""The locked jars of Kafka: read the lock, fetch by coordinates into the user's cache, believe nothing without its hash.

The lock was resolved once by Maven and holds coordinates and SHA-256 only. Where to fetch from is the user's business:
Maven Central, or the repositories in the configuration file of jgo (for a mirror).
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from string import hexdigits
from typing import Any

from .errors import StackError

# Eight fetchers bring the 46 jars (44 MB) in 5 to 7 s; more did not help and would be rude to the repository.
FETCHERS = 8
# Seconds without an answer before a fetch is given up (per request, not per jar).
FETCH_LIMIT_SECONDS = 30
# A lost connection is common over 46 fetches; three failures in a row are not bad luck.
ATTEMPTS = 3
PAUSE_SECONDS = 0.5
_SHA256_DIGITS = 64
# A coordinate becomes a part of a path and of an address, so nothing that could leave its place is let through.
_COORDINATE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Jar:
    """One line of the lock."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def file_name(self) -> str:
        return f"{self.artifact}-{self.version}.jar"

    @property
    def coordinates(self) -> str:
        return f"{self.group}:{self.artifact}:{self.version}"


def read_lock() -> list[Jar]:
    """The lock that is shipped with this package."""
    return parse_lock(files(__package__).joinpath("kafka_jars.lock").read_text())


def parse_lock(text: str) -> list[Jar]:
    """Lines `group:artifact:version sha256`; empty lines and lines that begin with # are skipped."""
    jars: list[Jar] = []
    seen: set[str] = set()
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        if not words or line.startswith("#"):
            continue
        coordinates = words[0].split(":")
        if len(words) != 2 or len(coordinates) != 3 or not all(map(_COORDINATE.fullmatch, coordinates)):
            raise StackError(f"kafka_jars.lock line {number}: expected 'group:artifact:version sha256', got {line!r}")
        if len(words[1]) != _SHA256_DIGITS or not set(words[1]) <= set(hexdigits.lower()):
            raise StackError(f"kafka_jars.lock line {number}: {words[1]!r} is not a SHA-256 in lower-case hex")
        group, artifact, version = coordinates
        jar = Jar(group, artifact, version, words[1])
        if jar.file_name in seen:
            raise StackError(f"kafka_jars.lock line {number}: {jar.file_name} is there twice")
        seen.add(jar.file_name)
        jars.append(jar)
    if not jars:
        raise StackError("kafka_jars.lock names no jar")
    return jars


def cache_directory() -> Path:
    """Where fetched jars are kept for all stacks of this user."""
    chosen = os.environ.get("LAUREL_CACHE_DIR")
    if chosen:
        return Path(chosen).expanduser().absolute()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "laurel"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "laurel"


def ensure_jars(jars: list[Jar], cache: Path, progress: Progress | None = None) -> list[Path]:
    """The paths of all jars, in the order of the lock; what is missing is fetched, everything is checked.

    `progress` is called with (jars there, jars wanted) whenever one more has been fetched.
    """
    directory = cache / "jars"
    directory.mkdir(parents=True, exist_ok=True)
    missing = [jar for jar in jars if not (directory / jar.file_name).exists()]
    there = len(jars) - len(missing)
    if missing:
        with ThreadPoolExecutor(max_workers=FETCHERS) as pool:
            under_way = [pool.submit(_fetch, jar, directory) for jar in missing]
            try:
                for done in as_completed(under_way):
                    done.result()
                    there += 1
                    if progress:
                        progress(there, len(jars))
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    for jar in jars:
        _check(jar, directory / jar.file_name)
    return [directory / jar.file_name for jar in jars]


def _check(jar: Jar, path: Path) -> None:
    """Refuse a file that is not what the lock says."""
    with path.open("rb") as handle:
        found = hashlib.file_digest(handle, "sha256").hexdigest()
    if found != jar.sha256:
        raise StackError(
            f"{path.name} is not what the lock says: expected SHA-256 {jar.sha256}, found {found}. Nothing was started. "
            f"If {path} is still there, delete it to fetch it again; if the answer stays the same, do not trust where it "
            "comes from."
        )


def _fetch(jar: Jar, directory: Path) -> None:
    """Fetch one jar beside its place, check it, and move it there in one step."""
    from jgo.config import GlobalSettings  # imported here: needed once per machine, costs 0.1 s
    from jgo.maven import MavenContext

    staging = Path(tempfile.mkdtemp(prefix=".fetch-", dir=directory))
    try:
        context = MavenContext(
            repo_cache=staging,
            remote_repos=GlobalSettings.load().repositories or None,
            timeout=FETCH_LIMIT_SECONDS,
        )
        fetched = _fetched(
            context.project(jar.group, jar.artifact).at_version(jar.version).artifact(packaging="jar"), jar
        )
        _check(jar, fetched)
        fetched.replace(directory / jar.file_name)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _fetched(artifact: Any, jar: Jar) -> Path:
    """Where jgo has put the file; a fetch that fails is tried again."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return Path(artifact.resolve())
        except Exception as error:  # jgo raises RuntimeError, requests its own family, the disk OSError
            Path(artifact.cached_path).unlink(missing_ok=True)  # what has arrived of it is not the file
            if attempt == ATTEMPTS:
                raise StackError(
                    f"cannot fetch {jar.coordinates} for Kafka: {error}. Check the network (proxy settings are honoured) "
                    "and run the command again, what has arrived is kept; a mirror can be named in jgo's configuration "
                    "file. Or use a Kafka of your own: KAFKA_BOOTSTRAP_SERVERS=host:port."
                ) from error
            time.sleep(PAUSE_SECONDS * attempt)
    raise AssertionError("unreachable")
