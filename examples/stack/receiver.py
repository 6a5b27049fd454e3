"""Prints what Alertmanager sends: it stands in for the pager, the chat and the mailbox.

Usage: receiver.py HOST:PORT
"""

import json
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

INDENT = " " * 9


class Receiver(BaseHTTPRequestHandler):
    """Takes Alertmanager's webhook; the path says for whom it is."""

    def do_POST(self) -> None:
        """Print one notification."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
        print("\n".join(lines(self.path.strip("/"), json.loads(body))), flush=True)

    def log_message(self, *_: object) -> None:
        """Leave the log of requests out."""


def lines(severity: str, notification: dict[str, Any]) -> Iterator[str]:
    """Yield a notification's lines for people: each alert, of which job, and what it tells.

    Args:
        severity: of the receiver.
        notification: as Alertmanager sends it to webhooks.
    """
    for alert in notification["alerts"]:
        labels, annotations = alert["labels"], alert["annotations"]
        about = [labels.get(name) for name in ("target", "collection", "job_id")]
        name = f"{labels['alertname']} {' / '.join(filter(None, about))}".rstrip()
        yield f"{time.strftime('%H:%M:%S')} {severity:8} {alert['status']:8} {name}"
        if alert["status"] == "firing":
            text = f"{annotations.get('summary', '')} {annotations.get('description', '')}"
            yield textwrap.fill(text, 100, initial_indent=INDENT, subsequent_indent=INDENT)


if __name__ == "__main__":
    host, _, port = sys.argv[1].rpartition(":")
    with ThreadingHTTPServer((host, int(port)), Receiver) as server, suppress(KeyboardInterrupt):
        server.serve_forever()
