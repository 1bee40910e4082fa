"""Topics that only the bench has."""

from __future__ import annotations

CLEAN = "bench-clean"  # the purchases alone, each once, for floor and naive
SINK = "bench-points"  # where floor and naive say what they say
