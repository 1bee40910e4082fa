"""Pictures of commands, made by running them: what they write to a terminal of a given width becomes an SVG."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

from laurel_cli.refusal import CommandError

LIMIT_SECONDS = 900.0  # a demo that has still to be performed takes some minutes

# Without the fonts that Rich would have the reader's browser fetch from elsewhere; the machine's own monospace serves.
_FORMAT = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)


@dataclass(frozen=True, slots=True)
class Screen:
    """One picture: the file's name and the command that is run for it."""

    name: str
    arguments: tuple[str, ...]

    @property
    def title(self) -> str:
        return " ".join(("laurel", *self.arguments))


def render(screen: Screen, home: Path, columns: int, folder: Path) -> Path:
    """Run the command and keep what it shows."""
    shown = _run(screen.arguments, home, columns)
    console = Console(record=True, width=columns, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(Text.from_ansi(shown.rstrip()), soft_wrap=False)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{screen.name}.svg"
    # The id makes class names in the picture the same at every run, so that only what changed shows up as a change.
    console.save_svg(str(path), title=screen.title, unique_id=screen.name, code_format=_FORMAT)
    return path


def _run(arguments: Sequence[str], home: Path, columns: int) -> str:
    env = {
        **os.environ,
        "COLUMNS": str(columns),
        "FORCE_COLOR": "1",
        "COLORTERM": "truecolor",
        "LAUREL_HOME": str(home),
    }
    env.pop("NO_COLOR", None)
    command = [sys.executable, "-c", "from laurel_cli.main import main; main()", *arguments]
    try:
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise CommandError(f"laurel {' '.join(arguments)} did not end within {LIMIT_SECONDS:.0f} s") from error
    if done.returncode != 0:
        raise CommandError(f"laurel {' '.join(arguments)} ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout
