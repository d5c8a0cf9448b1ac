"""Open pages without a browser: websockets that follow a stream and note when each change arrives."""

import asyncio
import json
import re
import struct
import time
from collections.abc import Callable
from typing import Any

from bench.people import Person

Packet = dict[str, Any]
Heard = Callable[[str, Packet, float], None]
"""Told the event's name, its payload and when it arrived (time.perf_counter)."""

SUBSCRIBED = re.compile(r"43\d+\[")
OPENING_AT_ONCE = 20
NOTHING_MISSED = 2**52
"""A `since` that no stream has reached: the page is told where the stream is, and nothing of the past."""


def frame(text: str) -> bytes:
    """A client's frame must be masked; a mask of zeros changes nothing (RFC 6455, 5.3)."""
    data = text.encode()
    head = bytes((0x81, 0x80 | len(data))) if len(data) < 126 else struct.pack("!BBH", 0x81, 0xFE, len(data))
    return head + bytes(4) + data


class Screen(asyncio.Protocol):
    """One page: opens its websocket, subscribes, and checks that nothing is missing between packets."""

    def __init__(self, port: int, person: Person, stream: str, heard: Heard) -> None:
        self._port, self._person, self._stream, self._heard = port, person, stream, heard
        self._buffer = b""
        self._transport: Any = None
        self._upgraded = False
        self.at = -1
        self.gaps = 0
        self.open: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        host = f"127.0.0.1:{self._port}"
        lines = (
            "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1",
            f"Host: {host}",
            f"Origin: http://{host}",
            f"Cookie: tr_sid={self._person.cookie}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: dGVhbSByb29tIGJlbmNoMQ==",
        )
        transport.write("\r\n".join(lines).encode() + b"\r\n\r\n")

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._upgraded:
            head, found, rest = self._buffer.partition(b"\r\n\r\n")
            if not found:
                return
            if b" 101 " not in head.partition(b"\r\n")[0]:
                self._fail(head.decode(errors="replace"))
                return
            self._upgraded, self._buffer = True, rest
        at = time.perf_counter()
        while (text := self._next()) is not None:
            self._on_text(text, at)

    def connection_lost(self, error: Exception | None) -> None:
        self._fail(f"the connection ended: {error}")

    def close(self) -> None:
        self._transport.close()

    def _fail(self, why: str) -> None:
        if not self.open.done():
            self.open.set_exception(SystemExit(f"bench: a page could not open: {why}"))

    def _next(self) -> str | None:
        """The next whole text frame; what the server sends is neither masked nor cut into parts."""
        if len(self._buffer) < 2:
            return None
        size, head = self._buffer[1], 2
        if size == 126:
            size, head = int.from_bytes(self._buffer[2:4]), 4
        elif size == 127:
            size, head = int.from_bytes(self._buffer[2:10]), 10
        if len(self._buffer) < head + size:
            return None
        text, self._buffer = self._buffer[head : head + size], self._buffer[head + size :]
        return text.decode()

    def _on_text(self, text: str, at: float) -> None:
        if text == "2":
            self._say("3")
        elif text.startswith("0"):
            self._say("40" + json.dumps({"ticket": self._person.ticket()}))
        elif text.startswith("40"):
            self._say("421" + json.dumps(["subscribe", {"stream": self._stream, "since": NOTHING_MISSED}]))
        elif SUBSCRIBED.match(text):
            self._on_subscribed(json.loads(text[text.index("[") :])[0])
        elif text.startswith("42"):
            name, packet = parsed(text)
            if name == "changes":
                self._follow(packet)
            self._heard(name, packet, at)

    def _on_subscribed(self, answer: Packet) -> None:
        if not answer.get("ok"):
            self._fail(str(answer))
            return
        self.at = answer["seq"]
        if not self.open.done():
            self.open.set_result(None)

    def _follow(self, packet: Packet) -> None:
        if packet["from"] > self.at >= 0:
            self.gaps += 1
        self.at = max(self.at, packet["to"])

    def _say(self, text: str) -> None:
        self._transport.write(frame(text))


_parsed: dict[str, tuple[str, Packet]] = {}


def parsed(text: str) -> tuple[str, Packet]:
    """An event's name and payload; the same text comes once for every page, and is read once."""
    if text not in _parsed:
        _parsed.clear()
        name, packet = json.loads(text[2:])
        _parsed[text] = name, packet
    return _parsed[text]


async def open_screens(
    port: int, people: list[Person], count: int, stream: str, heard: Heard
) -> list[Screen]:
    """Open `count` pages, the people taking turns, and wait until each follows the stream."""
    loop, screens = asyncio.get_running_loop(), []
    for first in range(0, count, OPENING_AT_ONCE):
        batch = [
            (
                await loop.create_connection(
                    lambda p=people[n % len(people)]: Screen(port, p, stream, heard), "127.0.0.1", port
                )
            )[1]
            for n in range(first, min(count, first + OPENING_AT_ONCE))
        ]
        await asyncio.wait_for(asyncio.gather(*(screen.open for screen in batch)), 30)
        screens += batch
    return screens


def nobody(name: str, packet: Packet, at: float) -> None:
    """For pages whose packets are only counted."""
