"""Settings every service has, read once from a mapping. The one thing not to break: a setting that is missing or wrong stops the start
with its name and the reason; nothing is guessed, and nobody but `main` sees the environment."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

OWNER = "LAUREL_OWNER_DATABASE_URL"
PORT_MAX = 65_535
PARTITIONS_DEFAULT = 16
PARTITIONS_MAX = 1_024
KAFKA_SESSION_SECONDS_DEFAULT = 10.0
KAFKA_SESSION_SECONDS_MIN = 1.0  # below the broker's own limit it refuses the join


class SettingsError(Exception):
    """A setting is missing or cannot be used; the text names it."""


def require(env: Mapping[str, str], name: str) -> str:
    """The setting, which must be there and not be blank."""
    value = env.get(name, "").strip()
    if not value:
        raise SettingsError(f"{name} is not set")
    return value


def database_address(env: Mapping[str, str], name: str) -> str:
    """A PostgreSQL address. What cannot be read is not quoted: a password stands in it."""
    text = require(env, name)
    try:
        readable = make_url(text).get_backend_name() == "postgresql"
    except (ArgumentError, ValueError):
        readable = False
    if not readable:
        raise SettingsError(f"{name} is not of the form postgresql://user:password@host:port/database")
    return text


def integer(
    env: Mapping[str, str], name: str, default: int | None = None, *, low: int = 0, high: int = 2**63 - 1
) -> int:
    """A whole number within [low, high]."""
    text = require(env, name) if default is None else env.get(name, "").strip() or str(default)
    try:
        value = int(text)
    except ValueError:
        raise SettingsError(f"{name} must be a whole number, not {text!r}") from None
    if not low <= value <= high:
        raise SettingsError(f"{name} must be between {low} and {high}, not {value}")
    return value


def seconds(env: Mapping[str, str], name: str, default: float | None = None, *, low: float = 0.0) -> float:
    """A length of time in seconds; fractions are allowed."""
    text = require(env, name) if default is None else env.get(name, "").strip() or str(default)
    try:
        value = float(text)
    except ValueError:
        raise SettingsError(f"{name} must be a number of seconds, not {text!r}") from None
    if not math.isfinite(value) or value < low:
        raise SettingsError(f"{name} must be a finite number of seconds, at least {low}, not {text!r}")
    return value


def one_of(env: Mapping[str, str], name: str, choices: tuple[str, ...], default: str) -> str:
    """One of a few words."""
    value = env.get(name, "").strip() or default
    if value not in choices:
        raise SettingsError(f"{name} must be one of {', '.join(choices)}, not {value!r}")
    return value


@dataclass(frozen=True, slots=True)
class KitSettings:
    """What the kit needs to run a service. `days`: who ends a day, the clock or a command. `kafka_session_seconds`: how long a consumer
    group waits for a process that died without a word."""

    service_port: int
    database_url: str
    kafka_bootstrap: str
    clock_offset_seconds: float
    days: Literal["clock", "command"]
    partitions: int
    log_level: str
    service_host: str = "127.0.0.1"
    kafka_session_seconds: float = KAFKA_SESSION_SECONDS_DEFAULT
    owner_database_url: str | None = (
        None  # who owns the tables: for `--only migrations` alone; a running service has no need of it
    )

    @classmethod
    def read(cls, env: Mapping[str, str]) -> KitSettings:
        """From the environment. Raises SettingsError."""
        return cls(
            service_port=integer(env, "LAUREL_SERVICE_PORT", low=1, high=PORT_MAX),
            database_url=database_address(env, "LAUREL_DATABASE_URL"),
            kafka_bootstrap=require(env, "KAFKA_BOOTSTRAP_SERVERS"),
            clock_offset_seconds=seconds(env, "LAUREL_CLOCK_OFFSET_SECONDS", 0.0, low=-math.inf),
            days=cast(Literal["clock", "command"], one_of(env, "LAUREL_DAYS", ("clock", "command"), "clock")),
            partitions=integer(env, "LAUREL_PARTITIONS", PARTITIONS_DEFAULT, low=1, high=PARTITIONS_MAX),
            log_level=one_of(env, "LAUREL_LOG_LEVEL", ("debug", "info", "warning", "error"), "info"),
            service_host=env.get("LAUREL_SERVICE_HOST", "").strip() or "127.0.0.1",
            kafka_session_seconds=seconds(
                env, "LAUREL_KAFKA_SESSION_SECONDS", KAFKA_SESSION_SECONDS_DEFAULT, low=KAFKA_SESSION_SECONDS_MIN
            ),
            owner_database_url=database_address(env, OWNER) if env.get(OWNER, "").strip() else None,
        )
