"""A shop whose wires can be cut: every client of Kafka, and every service going to PostgreSQL, comes through a proxy. The one thing not
to break: nobody has another way, or a cut would be no cut."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest

from laurel_cli.stack.assembly import Stack
from laurel_cli.stack.kafka import KafkaNode
from tests.support.proxy import Proxy
from tests.support.shop import Shop, open_shop

LOOPBACK = "127.0.0.1"


@dataclass
class Wires:
    """One proxy before Kafka, one before PostgreSQL for each service."""

    proxies: dict[str, Proxy] = field(default_factory=dict)
    _open: ExitStack = field(default_factory=ExitStack)

    def to(self, name: str, port: int) -> Proxy:
        """The proxy of that name; made at first use."""
        if name not in self.proxies:
            self.proxies[name] = self._open.enter_context(Proxy(LOOPBACK, port))
        return self.proxies[name]

    def close(self) -> None:
        self._open.close()


@contextmanager
def open_shop_behind_proxies(document: dict[str, Any], *, partitions: int) -> Iterator[tuple[Shop, Wires]]:
    """A shop, and its wires. Kafka names the proxy as its address; a service's DSN names that of the proxy."""
    wires = Wires()
    write_settings, environment_of = KafkaNode._write_settings, Stack._environment_of

    def write_with_proxy(node: KafkaNode) -> None:
        write_settings(node)
        file, port = node._root / "server.properties", node.place.port
        shown = f"advertised.listeners=PLAINTEXT://{LOOPBACK}:"
        settings = file.read_text()
        assert f"{shown}{port}\n" in settings
        file.write_text(settings.replace(f"{shown}{port}\n", f"{shown}{wires.to('kafka', port).port}\n"))

    def environment_with_proxy(stack: Stack, name: str) -> dict[str, str]:
        environment = environment_of(stack, name)
        url = urlsplit(environment["LAUREL_DATABASE_URL"])
        login, _, _ = url.netloc.rpartition("@")
        place = f"{login}@{LOOPBACK}:{wires.to(name, url.port or 0).port}"
        return environment | {"LAUREL_DATABASE_URL": urlunsplit(url._replace(netloc=place))}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(KafkaNode, "_write_settings", write_with_proxy)
        patch.setattr(Stack, "_environment_of", environment_with_proxy)
        try:
            with open_shop(document, partitions=partitions) as shop:
                yield shop, wires
        finally:
            wires.close()
