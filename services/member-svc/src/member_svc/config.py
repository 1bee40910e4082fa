"""Settings, read once, seen by main only. The one thing not to break: member-svc needs nothing beyond what every service needs; a new
setting is a new way to be wrong."""

from __future__ import annotations

from collections.abc import Mapping

from laurel_kit.settings import KitSettings


def read(env: Mapping[str, str]) -> KitSettings:
    """The settings from the environment. Raises SettingsError."""
    return KitSettings.read(env)
