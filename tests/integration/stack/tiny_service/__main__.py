"""Serve /readyz on LAUREL_SERVICE_PORT; TINY_MODE=broken ends at once with a word in the log."""

from __future__ import annotations

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer


class Tiny(BaseHTTPRequestHandler):
    """Answers every GET with its settings."""

    def do_GET(self) -> None:
        """The environment that the stack has given, as JSON."""
        settings = {name: value for name, value in os.environ.items() if name.startswith(("LAUREL_", "KAFKA_"))}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"status": "ready", **settings}).encode())


if __name__ == "__main__":
    if os.environ.get("TINY_MODE") == "broken":
        sys.exit("the tiny service is broken on purpose")
    HTTPServer(("127.0.0.1", int(os.environ["LAUREL_SERVICE_PORT"])), Tiny).serve_forever()
