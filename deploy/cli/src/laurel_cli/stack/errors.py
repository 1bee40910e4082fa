"""The one error of the stack: something a person can act on."""

from __future__ import annotations

from laurel_cli.refusal import CommandError


class StackError(CommandError):
    """A part cannot do what was asked; the message says why and what to do next."""
