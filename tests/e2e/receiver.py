"""A receiver of alerts: it fails the first two calls for each alert, then takes it."""

import json
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

FAILS = 2


class Receiver:
    """Serves at `url` until it is closed. `calls` counts them by the alert's id, `taken` are the alerts it has."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.taken: list[dict[str, Any]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/alerts"

    def about(self, order_id: str) -> list[dict[str, Any]]:
        return [alert for alert in self.taken if alert["cause"].get("saga_id") == order_id]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["content-length"]))
                self.send_response(receiver.take(json.loads(content)))
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Silent: the tests look at what was taken."""

        return Handler

    def take(self, alert: dict[str, Any]) -> int:
        """The status of the answer."""
        self.calls[alert["id"]] += 1
        if self.calls[alert["id"]] <= FAILS:
            return 503
        self.taken.append(alert)
        return 204
