"""A scripted Messages API over a real socket, for tests and benchmarks of the whole product.

`python -m agents.scripted_server --port 0 --script file.json` prints its address and serves on
the loopback only. `GET /_requests` gives what it was asked; `PUT /_script` takes another script.
"""

import argparse
import asyncio
import json
import sys
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Any

from agents.scripted_rules import Rules
from agents.wire import Dropped, Fail, play

REASONS = {200: "OK", 404: "Not Found"}
LARGEST_BODY = 64 * 2**20
REMEMBERED = 1_000


class ScriptedServer:
    """Serves one script; `url` is its address once it was started."""

    def __init__(self, script: dict[str, Any]) -> None:
        self._rules = Rules(script)
        self._requests: deque[dict[str, Any]] = deque(maxlen=REMEMBERED)
        self.url = ""

    async def start(self, port: int = 0) -> asyncio.Server:
        server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        return server

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection until either side ends it."""
        with suppress(Dropped, asyncio.IncompleteReadError, ConnectionError, ValueError):
            try:
                while True:
                    await self._answer(writer, *await _request(reader))
            finally:
                writer.transport.abort()

    async def _answer(self, writer: asyncio.StreamWriter, method: str, path: str, body: Any) -> None:
        match method, path.partition("?")[0]:
            case "POST", "/v1/messages":
                await self._message(writer, body)
            case "GET", "/v1/models":
                await _send_json(writer, 200, {"data": [], "has_more": False})
            case "GET", "/_requests":
                await _send_json(writer, 200, list(self._requests))
            case "PUT", "/_script":
                self._rules = Rules(body)
                self._requests.clear()
                await _send_json(writer, 200, {})
            case _:
                await _send_json(writer, 404, Fail(404).body)

    async def _message(self, writer: asyncio.StreamWriter, body: dict[str, Any]) -> None:
        self._requests.append(body)
        step = self._rules(body)
        if isinstance(step, Fail):
            await _send_json(writer, step.status, step.body, step.headers)
            return
        await asyncio.sleep(step.first_delay)
        head = "Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"
        writer.write(f"HTTP/1.1 200 OK\r\n{head}Request-Id: req_scripted\r\n\r\n".encode())
        async for chunk in play(step, body["model"]):
            writer.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
            await writer.drain()
        writer.write(b"0\r\n\r\n")
        await writer.drain()


async def _request(reader: asyncio.StreamReader) -> tuple[str, str, Any]:
    """One request: method, path and parsed body. Raises ValueError when it is none."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.strip().split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    length = int(headers.get("content-length", "0"))
    if length > LARGEST_BODY:
        raise ValueError("the body is too large")
    body = await reader.readexactly(length)
    return method, path, json.loads(body) if body else None


async def _send_json(
    writer: asyncio.StreamWriter, status: int, data: Any, headers: dict[str, str] | None = None
) -> None:
    body = json.dumps(data).encode()
    lines = [
        f"HTTP/1.1 {status} {REASONS.get(status, 'Scripted')}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in (headers or {}).items()),
    ]
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
    await writer.drain()


async def serve(port: int, script: dict[str, Any]) -> None:
    server = ScriptedServer(script)
    listening = await server.start(port)
    sys.stdout.write(f"listening on {server.url}\n")
    sys.stdout.flush()
    async with listening:
        await listening.serve_forever()


def main() -> None:
    options = argparse.ArgumentParser(description="A scripted Messages API on the loopback.")
    options.add_argument("--port", type=int, default=0, help="0 takes a free one")
    options.add_argument("--script", type=Path, help="a JSON file; see agents/scripted_rules.py")
    given = options.parse_args()
    script = json.loads(given.script.read_text(encoding="utf-8")) if given.script else {}
    asyncio.run(serve(given.port, script))


if __name__ == "__main__":
    main()
