"""A simulated API that costs as little as it can: one answer, with the id of the job in it.

It answers after a fixed time, and checks nothing. A job id that begins with ``hang`` is never
answered, one that begins with ``ended`` is a finished job. GET /calls tells how many calls there
were, GET /latency how many seconds an answer took at last, on average.
"""

import argparse
import asyncio
import json
import ssl
from collections import deque
from typing import ClassVar
from urllib.parse import unquote_plus

_ANSWERS = {
    status: json.dumps(
        {
            "RequestId": "ABB39CC3-4488-4857-905D-2E4A051D0521",
            "Status": "success",
            "Message": "success",
            "Job": {
                "Id": "%s",
                "Completed": status == "Success",
                "CreateTime": "2026-01-29 12:52:04.864664",
                "UpdateTime": "2026-01-29 12:53:04.864664",
                "Status": status,
                "Progress": 1600,
            },
        }
    )
    for status in ("Running", "Success")
}


def _http(body: bytes) -> bytes:
    head = (
        "HTTP/1.1 200 OK\r\n"
        "Content-Type: application/json;charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\n"
        "Connection: keep-alive\r\nKeep-Alive: timeout=25\r\n"
        "Access-Control-Allow-Origin: *\r\n"
        "x-acs-request-id: ABB39CC3-4488-4857-905D-2E4A051D0521\r\n"
        "x-acs-trace-id: 4d3b2a190807f6e5d4c3b2a190807f6e\r\n\r\n"
    )
    return head.encode() + body


class _Api(asyncio.Protocol):
    calls = 0
    waited: ClassVar[deque[float]] = deque(maxlen=1000)  # seconds, of the last calls

    def __init__(self, latency: float) -> None:
        self._latency = latency
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what to answer on."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer each request that is whole."""
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = self._received[:end].lower()
            _, _, rest = head.partition(b"content-length:")
            size = int(rest.split(b"\r\n", 1)[0] or 0)
            if len(self._received) < end + 4 + size:
                return
            body = self._received[end + 4 : end + 4 + size]
            self._received = self._received[end + 4 + size :]
            self._answer(head, body)

    def _answer(self, head: bytes, body: bytes) -> None:
        if head.startswith(b"get /calls "):
            self._transport.write(_http(str(_Api.calls).encode()))
            return
        if head.startswith(b"get /latency "):
            mean = sum(_Api.waited) / max(len(_Api.waited), 1)
            self._transport.write(_http(str(mean).encode()))
            return
        _Api.calls += 1
        if b"JobId=hang" in body:
            return
        job = unquote_plus(body.decode().partition("JobId=")[2].partition("&")[0])
        answer = _http(
            (_ANSWERS["Success" if job.startswith("ended") else "Running"] % job).encode()
        )
        loop = asyncio.get_running_loop()
        loop.call_later(self._latency, self._write, answer, loop.time())

    def _write(self, answer: bytes, asked_at: float) -> None:
        self._transport.write(answer)
        _Api.waited.append(asyncio.get_running_loop().time() - asked_at)


async def _serve(options: argparse.Namespace) -> None:
    context = None
    if options.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options.certificate, options.key)
    server = await asyncio.get_running_loop().create_server(
        lambda: _Api(options.latency), "127.0.0.1", 0, ssl=context, backlog=1024
    )
    scheme = "https" if context else "http"
    print(f"ready {scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency", type=float, default=0.05)
    parser.add_argument("--certificate", default="")
    parser.add_argument("--key", default="")
    asyncio.run(_serve(parser.parse_args()))
