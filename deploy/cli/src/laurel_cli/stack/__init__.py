"""The local stack: PostgreSQL, Kafka, the four services and Prometheus as plain processes, without root and Docker."""

from .assembly import PARTS, Stack, throwaway_stack
from .errors import StackError

__all__ = ["PARTS", "Stack", "StackError", "throwaway_stack"]
