"""A connection to Kafka that has just been closed under us. aiokafka expects an OSError when it writes to one; uvloop raises a RuntimeError
(aiokafka issue 1038), which ends the task that keeps the metadata: from then on the client waits for ever, and only the watchdog, a minute
later, ends the process. The one thing not to break: any other RuntimeError stays what it is."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaConnectionError

_send: Callable[..., Any] = AIOKafkaConnection.send


@wraps(_send)
def _send_or_say_closed(connection: Any, *arguments: Any, **named: Any) -> Any:
    try:
        return _send(connection, *arguments, **named)
    except RuntimeError as error:
        if connection._writer is None or not connection._writer.transport.is_closing():
            raise
        connection.close(reason=CloseReason.CONNECTION_BROKEN)
        raise KafkaConnectionError(f"Connection at {connection.host}:{connection.port} closed: {error}") from error


def tolerate() -> None:
    """From now on every client of this process connects again instead. Safe to call again."""
    AIOKafkaConnection.send = _send_or_say_closed
