"""A Socket.IO client as thin as can be, so that tests may also send what no library would."""

import json
import socket
import struct
import time
from typing import Any, ClassVar
from uuid import UUID

import websocket

from realtime import tickets
from tests.support.databases import SECRET_KEY

Event = tuple[str, dict[str, Any]]
PATH = "/socket.io/?EIO=4&transport=websocket"


class Closed(AssertionError):
    """The server ended the connection."""


class Wire:
    """One websocket up to the Engine.IO OPEN packet; `connect` does the rest."""

    ever: ClassVar[list["Wire"]] = []

    def __init__(self, url: str, secret: str = "", origin: str | None = "same", **options: Any) -> None:
        self.url = url
        self._acks = 0
        self.events: list[Event] = []
        # Another name than Origin suppresses the library's own header.
        shown = url if origin == "same" else origin
        self._ws = websocket.create_connection(
            url.replace("http", "ws", 1) + options.pop("path", PATH),
            cookie=f"tr_sid={secret}" if secret else None,
            origin=shown,
            suppress_origin=shown is None,
            timeout=10,
            **options,
        )
        Wire.ever.append(self)
        self.opened = json.loads(self.read()[1:])

    def connect(self, ticket: object) -> str:
        """The server's answer to CONNECT: `40{…}` or `44{…}`."""
        self.send("40" + json.dumps({"ticket": ticket}))
        return self.read()

    def send(self, text: str) -> None:
        self._ws.send(text)

    def send_binary(self, data: bytes) -> None:
        self._ws.send_binary(data)

    def raw(self, data: bytes) -> None:
        self._ws.sock.sendall(data)

    def read(self, timeout: float = 10) -> str:
        """The next message that is not a ping; Closed at the end."""
        while True:
            self._ws.settimeout(timeout)
            try:
                text = self._ws.recv()
            except (websocket.WebSocketConnectionClosedException, ConnectionError):
                raise Closed from None
            if text in ("", "1"):
                raise Closed
            if text != "2":
                return str(text)
            self._ws.send("3")

    def ask(self, event: str, payload: Any, timeout: float = 10) -> Any:
        """Emit and wait for the ack; events that come meanwhile are kept."""
        self._acks += 1
        self.send(f"42{self._acks}" + json.dumps([event, payload]))
        return self.answer(self._acks, timeout)

    def answer(self, number: int, timeout: float = 10) -> Any:
        while True:
            text = self.read(timeout)
            if text.startswith(f"43{number}["):
                return json.loads(text[2 + len(str(number)) :])[0]
            self._keep(text)

    def wait(self, event: str, timeout: float = 10) -> dict[str, Any]:
        """The next event of this name, kept or to come."""
        deadline = time.monotonic() + timeout
        while True:
            for index, (name, payload) in enumerate(self.events):
                if name == event:
                    del self.events[index]
                    return payload
            self._keep(self.read(max(0.01, deadline - time.monotonic())))

    def wait_closed(self, timeout: float = 10) -> float:
        """Until the server ends it; how many seconds that took."""
        began = time.monotonic()
        while True:
            try:
                self._keep(self.read(max(0.01, timeout - (time.monotonic() - began))))
            except Closed:
                return time.monotonic() - began

    def reset(self) -> None:
        """Vanish without a word, unless it is closed already."""
        if (connection := self._ws.sock) is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._ws.shutdown()

    def close(self) -> None:
        self._ws.shutdown()

    @classmethod
    def close_all(cls) -> None:
        while cls.ever:
            cls.ever.pop().close()

    def _keep(self, text: str) -> None:
        if text.startswith("42"):
            name, payload = json.loads(text[2:])
            self.events.append((name, payload))


class Page(Wire):
    """A connected page of a signed-in person."""

    def __init__(self, url: str, session: tuple[UUID, str], **options: Any) -> None:
        session_id, secret = session
        super().__init__(url, secret, **options)
        answer = self.connect(tickets.issue(SECRET_KEY, session_id))
        assert answer.startswith("40"), answer

    def follow(self, stream: str, since: int = 0) -> Any:
        answer = self.ask("subscribe", {"stream": stream, "since": since})
        assert answer["ok"], answer
        return answer
