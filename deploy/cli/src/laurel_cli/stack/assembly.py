"""One stack: which parts it has, in which order they start and stop, and how each is reached."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from . import databases, processes
from .cluster import KafkaCluster, all_at_once
from .errors import StackError
from .jars import Progress
from .migrating import make_tables
from .ports import check_port_base, free_port_base
from .postgres import PostgresServer
from .prometheus import PrometheusServer
from .services import SERVICES, ServiceProcess, await_ready, service_named
from .settings import Settings, agree
from .state import Home
from .topics import ensure_topics, wanted_topics

# What `up` chooses from; the nodes of three brokers come and go together as `kafka`.
PARTS = ("postgres", "kafka", *SERVICES, "prometheus")

Say = Callable[[str], None]


class Stack:
    """The local stack in one data directory. All methods are synchronous; several stacks stand side by side."""

    def __init__(self, home: Path, port_base: int | None = None) -> None:
        self.home = Home(home)
        self.settings = Settings.stored(self.home)
        self._port_base_asked = check_port_base(port_base) if port_base is not None else None
        self._wire()

    def _wire(self) -> None:
        """Build the parts for the port base that holds now."""
        self.port_base = self._port_base_asked or self.settings.port_base
        self._postgres = PostgresServer(self.home, self.port_base)
        self._kafka = KafkaCluster(self.home, self.port_base, self.settings.brokers)
        self._prometheus = PrometheusServer(self.home, self.port_base)
        self._services = {name: ServiceProcess(s, self.home, self.port_base) for name, s in SERVICES.items()}

    # What is reached where

    @property
    def kafka_bootstrap(self) -> str:
        """The user's own Kafka when KAFKA_BOOTSTRAP_SERVERS is set, else all nodes of ours."""
        return os.environ.get("KAFKA_BOOTSTRAP_SERVERS") or self._kafka.bootstrap

    @property
    def superuser_url(self) -> str:
        """The DSN that may make databases: LAUREL_DATABASE_URL when set, else the superuser of our own server."""
        return os.environ.get("LAUREL_DATABASE_URL") or self._postgres.superuser_url()

    def database_url(self, service: str) -> str:
        """The DSN of a service's own database, as its owner."""
        return databases.url_for(self.superuser_url, self._owned(service))

    def login_url(self, service: str) -> str:
        """The DSN by which a service itself enters its database: as a login that owns nothing there."""
        return databases.login_url_for(self.superuser_url, self._owned(service))

    def fresh_database(self) -> str:
        """Make an empty database with an owner of its own and give the owner's DSN (for tests; costs about 50 ms)."""
        return databases.fresh(self.superuser_url)

    @property
    def parts(self) -> tuple[str, ...]:
        """Every part that is a process of its own, or that the user brings along."""
        return ("postgres", *(self.kafka_nodes or ("kafka",)), *SERVICES, "prometheus")

    @property
    def kafka_nodes(self) -> tuple[str, ...]:
        """The names of our own Kafka nodes; none where the user brings Kafka along."""
        return () if self.external("kafka") else self._kafka.parts

    def kafka_serves(self, part: str) -> bool:
        """Whether that node of ours answers and belongs to the cluster."""
        return self._kafka.node_of(part).serves()

    def urls(self) -> dict[str, str]:
        """Where each part is reached; without passwords."""
        return {
            "postgres": databases.without_password(os.environ.get("LAUREL_DATABASE_URL") or self._postgres.url),
            "kafka": self.kafka_bootstrap,
            **{node.part: node.place.bootstrap for node in self._kafka.nodes.values() if node.part != "kafka"},
            **{name: service.url for name, service in self._services.items()},
            "prometheus": self._prometheus.url,
        }

    def pids(self) -> dict[str, int]:
        """The processes of this stack that run now."""
        found = {part: self.home.process(part) for part in self.home.recorded_parts()}
        return {part: running.pid for part, running in found.items() if running and processes.is_alive(running)}

    def alive(self, name: str) -> bool:
        """True while the process of that part runs (ready or not)."""
        running = self.home.process(name)
        return running is not None and processes.is_alive(running)

    def external(self, name: str) -> bool:
        """True for a part that the user brings along, so that nothing is started for it."""
        variable = {"postgres": "LAUREL_DATABASE_URL", "kafka": "KAFKA_BOOTSTRAP_SERVERS"}.get(name, "")
        return bool(variable and os.environ.get(variable))

    # Everything at once

    def up(
        self,
        *,
        only: Collection[str] | None = None,
        without: Collection[str] = (),
        clock: str | None = None,
        days: str | None = None,
        partitions: int | None = None,
        brokers: int | None = None,
        topics: bool = True,
        say: Say = lambda _: None,
        progress: Progress | None = None,
    ) -> None:
        """Start what does not run: PostgreSQL and Kafka side by side, then topics, services, Prometheus.

        `only` and `without` choose parts; `clock`, `days`, `partitions` and `brokers` are decided once and stored;
        `topics=False` leaves the topics of the contracts out as long as no service is started. `say` hears what has been reached,
        `progress` (jars there, jars wanted) while Kafka is fetched.
        """
        chosen = _chosen(only, without)
        with self.home.locked():
            self.settings = agree(
                self.home, port_base=self._port_base_asked, clock=clock, days=days, partitions=partitions,
                brokers=brokers, running=set(self.pids()),
            )  # fmt: skip
            self._wire()
            names = [name for name in SERVICES if name in chosen]
            self._start_engines(chosen, say, progress)
            if names or (topics and "kafka" in chosen):
                self._make_topics(say)
            if names:
                self._start_services(names, say)
            if "prometheus" in chosen:
                self._start_prometheus(say)

    def down(self, say: Say = lambda _: None) -> list[str]:
        """Stop what this stack started, the last first; nothing is lost. The parts that ran."""
        if not self.home.exists():
            return []
        with self._changed():
            stopped = list(self.pids())
            self._prometheus.stop()
            all_at_once([service.stop for service in self._services.values()])
            if set(stopped) & set(SERVICES):
                say("the services have stopped")
            all_at_once([self._kafka.stop, self._postgres.stop])
        return stopped

    def wipe(self, say: Say = lambda _: None) -> None:
        """End everything at once and delete the data directory: what is thrown away need not be stopped politely."""
        if not self.home.exists():
            return
        with self._changed():
            self._prometheus.stop()
            all_at_once([service.kill for service in self._services.values()])
            say("the services have ended")
            all_at_once([self._kafka.kill, self._postgres.stop_at_once])
        shutil.rmtree(self.home.root)

    # One part at a time

    def start_service(self, name: str) -> None:
        """Start one service and wait until it is ready."""
        service_named(name)
        with self._changed():
            self._start_services([name], lambda _: None)

    def stop_service(self, name: str) -> None:
        """Stop one service: SIGTERM, after 12 s SIGKILL."""
        service_named(name)
        with self._changed():
            self._services[name].stop()

    def kill_service(self, name: str) -> None:
        """SIGKILL one service."""
        service_named(name)
        with self._changed():
            self._services[name].kill()

    def start_kafka(self, node: int | None = None) -> None:
        """Start Kafka again, or that node of it, and wait until it serves."""
        with self._changed():
            self._kafka.start(node)

    def stop_kafka(self, node: int | None = None) -> None:
        """Stop Kafka, or that node of it, as one stops it for an upgrade."""
        with self._changed():
            self._kafka.stop(node)

    def kill_kafka(self, node: int | None = None) -> None:
        """SIGKILL Kafka, or that node of it; the records stay."""
        with self._changed():
            self._kafka.kill(node)

    def await_copies(self) -> None:
        """Wait until every partition of Kafka has all its copies, so that the next node may die."""
        self._kafka.await_copies()

    def ensure_running(self, name: str) -> None:
        """Start the part of that name unless it runs or the user brings it along."""
        if name not in PARTS:
            raise StackError(f"there is no part {name!r}; there are {', '.join(PARTS)}")
        ours = self._kafka.parts if name == "kafka" else (name,)
        if not all(self.alive(part) for part in ours) and not self.external(name):
            self.up(only={name}, topics=name in SERVICES)

    # How

    @contextmanager
    def _changed(self) -> Iterator[None]:
        """Alone with the stack, wired as it was made, whoever made it since."""
        with self.home.locked():
            self.settings = Settings.stored(self.home)
            self._wire()
            yield

    def _start_engines(self, chosen: set[str], say: Say, progress: Progress | None) -> None:
        starts = {"postgres": lambda: self._start_postgres(say), "kafka": lambda: self._start_kafka(say, progress)}
        all_at_once([start for part, start in starts.items() if part in chosen])

    def _start_postgres(self, say: Say) -> None:
        if not self.external("postgres"):
            self._postgres.start()
            databases.close_to_everybody(self.superuser_url, ["postgres", "template1"])
        databases.ensure(self.superuser_url, [self._owned(name) for name in SERVICES])
        say(f"postgres is ready at {databases.without_password(self.superuser_url)}")

    def _start_kafka(self, say: Say, progress: Progress | None) -> None:
        if not self.external("kafka"):
            self._kafka.start(progress=progress)
        say(f"kafka is ready at {self.kafka_bootstrap}")

    def _start_prometheus(self, say: Say) -> None:
        if self._prometheus.start():
            say(f"prometheus is at {self._prometheus.url}")
        else:
            say("prometheus is not on PATH, so it is left out")

    def _start_services(self, names: list[str], say: Say) -> None:
        self.home.set(services_began=True)
        self._make_tables(names)
        for name in names:
            self._services[name].launch(self._environment_of(name))
        await_ready([self._services[name] for name in names], say)

    def _make_topics(self, say: Say) -> None:
        made = ensure_topics(self.kafka_bootstrap, wanted_topics(self.settings.partitions))
        if made:
            say(f"topics made: {', '.join(made)}")

    def _environment_of(self, name: str) -> dict[str, str]:
        return {
            "LAUREL_DATABASE_URL": self.login_url(name),
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka_bootstrap,
            "LAUREL_LOG_LEVEL": os.environ.get("LAUREL_LOG_LEVEL", "info"),
            **self.settings.environment(),
        }

    def _owned(self, name: str) -> databases.Owned:
        service = service_named(name)
        secret = self.home.secret
        return databases.Owned(
            service.database, service.role, secret(f"database-{service.database}"), service.login,
            secret(f"login-{service.database}"),
        )  # fmt: skip

    def _make_tables(self, names: Collection[str]) -> None:
        make_tables(self.superuser_url, {service_named(name).package: self._owned(name) for name in names})


def _chosen(only: Collection[str] | None, without: Collection[str]) -> set[str]:
    unknown = (set(only or ()) | set(without)) - set(PARTS)
    if unknown:
        raise StackError(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    return (set(only) if only is not None else set(PARTS)) - set(without)


@contextmanager
def throwaway_stack(
    only: Collection[str] = ("postgres", "kafka"), *, topics: bool = False, brokers: int = 1
) -> Iterator[Stack]:
    """A stack in a temporary directory on free ports, for tests; stopped and wiped at the end."""
    home = Path(tempfile.mkdtemp(prefix="laurel-"))
    stack = Stack(home, free_port_base())
    try:
        stack.up(only=only, topics=topics, brokers=brokers)
        yield stack
    finally:
        stack.wipe()
