"""The Kafka of a stack: one node, or three that keep three copies of everything and go on when one of them dies."""

from __future__ import annotations

import base64
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from aiokafka.errors import KafkaError

from . import broker, processes
from .errors import StackError
from .jars import Progress, cache_directory, ensure_jars, read_lock
from .kafka import KafkaNode, Place
from .ports import port_of
from .state import Home

PART = "kafka"
# A node that was away fetches what it missed: seconds. With millions of records longer.
COPIES_LIMIT_SECONDS = 120.0


class KafkaCluster:
    """All Kafka nodes of one stack; with one of them the part is called `kafka`, with three kafka-1, kafka-2, kafka-3."""

    def __init__(self, home: Home, port_base: int, brokers: int) -> None:
        self.home = home
        places = {node_id: _place(node_id, port_base, brokers) for node_id in range(1, brokers + 1)}
        self.nodes = {node_id: KafkaNode(home, node_id, places) for node_id in places}

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of the nodes."""
        return tuple(node.part for node in self.nodes.values())

    @property
    def bootstrap(self) -> str:
        """The addresses of all nodes."""
        return ",".join(node.place.bootstrap for node in self.nodes.values())

    def node_of(self, part: str) -> KafkaNode:
        """The node of that name."""
        return next(node for node in self.nodes.values() if node.part == part)

    def start(self, node: int | None = None, progress: Progress | None = None) -> None:
        """Fetch the jars and format the storage at first use, start the nodes (or one) and wait until they serve."""
        chosen = self._chosen(node)
        if missing := [one for one in chosen if not one.alive()]:
            cluster_id = self._cluster_id()
            jars = ensure_jars(read_lock(), cache_directory(), progress)
            all_at_once([partial(one.launch, cluster_id, jars) for one in missing])
        all_at_once([one.await_ready for one in chosen])

    def stop(self, node: int | None = None) -> None:
        """Controlled shutdown of all nodes (or one)."""
        all_at_once([one.stop for one in self._chosen(node)])

    def kill(self, node: int | None = None) -> None:
        """SIGKILL all nodes (or one); the records stay."""
        all_at_once([one.kill for one in self._chosen(node)])

    def await_copies(self, limit_seconds: float = COPIES_LIMIT_SECONDS) -> None:
        """Wait until every partition has all its copies: only then may the next node die without anybody noticing."""
        deadline = time.monotonic() + limit_seconds
        behind: object = None
        while time.monotonic() < deadline:
            try:
                behind = broker.copies_behind(self.bootstrap)
            except (KafkaError, OSError) as error:  # a node that has just died is still asked
                behind = error
            if behind == 0:
                return
            time.sleep(processes.POLL_SECONDS)
        raise StackError(f"Kafka's copies are not in sync after {limit_seconds:.0f} s: {behind!r} behind")

    def _chosen(self, node: int | None) -> list[KafkaNode]:
        if node is None:
            return list(self.nodes.values())
        if node not in self.nodes:
            raise StackError(f"there is no Kafka node {node}; there are {', '.join(map(str, self.nodes))}")
        return [self.nodes[node]]

    def _cluster_id(self) -> str:
        """Made once, the same for every node."""
        found = self.home.setting("kafka_cluster_id")
        if not found:
            found = _new_cluster_id()
            self.home.set(kafka_cluster_id=found)
        return str(found)


def all_at_once(jobs: list[Callable[[], None]]) -> None:
    """Do all jobs side by side, each to its end; the first failure is raised afterwards."""
    with ThreadPoolExecutor(max_workers=max(1, len(jobs))) as pool:
        under_way = [pool.submit(job) for job in jobs]
    for work in under_way:
        work.result()


def _place(node_id: int, port_base: int, brokers: int) -> Place:
    part = PART if brokers == 1 else f"{PART}-{node_id}"
    offset = PART if node_id == 1 else f"{PART}-{node_id}"
    return Place(node_id, part, port_of(offset, port_base), port_of(f"{offset}-controller", port_base))


def _new_cluster_id() -> str:
    """22 characters of URL-safe base64 over 16 random bytes, as Kafka's own tool makes them; never beginning with '-'."""
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not text.startswith("-"):
            return text
