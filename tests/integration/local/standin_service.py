"""A service that only has a `/healthz`: stands in for the real ones in the launcher's tests.

`STANDIN_CHILD=1` makes it start a child of its own, as a worker starts ffmpeg.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer


class Health(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"service": "standin", "ready": true, "checks": {}}')

    def log_message(self, *args: object) -> None:
        """Says nothing."""


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if os.environ.get("STANDIN_CHILD"):
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    HTTPServer(("127.0.0.1", int(os.environ["REELWAY_HEALTH_PORT"])), Health).serve_forever()


if __name__ == "__main__":
    main()
