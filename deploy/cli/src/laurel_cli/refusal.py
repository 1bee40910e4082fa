"""The one error that a command shows without a traceback."""

from __future__ import annotations


class CommandError(Exception):
    """The command cannot do what was asked; the message says why and what to do next. Exit code 1."""
