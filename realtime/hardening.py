"""Stands before the Socket.IO server: lets in what we speak, and bounds what one client may cost.

The library takes more than we do: client-sent `connect` and `disconnect` run the handlers of those
names, binary packets may wait for attachments without end, and a refused client keeps its websocket.
"""

import logging
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import socketio
from socketio.packet import ACK, CONNECT, DISCONNECT, EVENT, Packet
from werkzeug.exceptions import SecurityError
from werkzeug.wsgi import get_host

log = logging.getLogger(__name__)

Environ = dict[str, Any]
LONGEST_PACKET = 64 << 10
CONNECT_SECONDS = 10
MOST_PENDING = 200
SOCKETS_PER_USER = 10
CONNECTS_PER_MINUTE = 60
STRIKES = 20
STRIKES_SECONDS = 60
EVENTS = (60, 10.0)
MALFORMED = {
    "ok": False,
    "error": {"code": "invalid", "message": "an event has a name and one object", "fields": {}},
}
_TYPES = frozenset("01234")


class Rate:
    """At most `most` in any `seconds`."""

    __slots__ = ("_most", "_seconds", "_times")

    def __init__(self, most: int, seconds: float) -> None:
        self._most, self._seconds = most, seconds
        self._times: deque[float] = deque()

    def allows(self) -> bool:
        """Count one more, or say that it is one too many."""
        now, times = time.monotonic(), self._times
        while times and times[0] <= now - self._seconds:
            times.popleft()
        if len(times) >= self._most:
            return False
        times.append(now)
        return True

    @property
    def idle(self) -> bool:
        """Whether nothing was counted lately, so that it may be forgotten."""
        return not self._times or self._times[-1] <= time.monotonic() - self._seconds


class TextPacket(Packet):
    """Packets of text: binary ones are neither read nor written."""

    uses_binary_events = False

    def decode(self, encoded_packet: Any) -> int:
        if not isinstance(encoded_packet, str) or encoded_packet[:1] not in _TYPES:
            raise ValueError("not a text packet")
        if len(encoded_packet) > LONGEST_PACKET:
            raise ValueError("too long")
        if super().decode(encoded_packet):
            raise ValueError("no attachments here")
        return 0


def origin_allowed(environ: Environ, public_url: str = "") -> bool:
    """Whether one of our pages opens this websocket. What trusted proxies say stands in `environ` already."""
    try:
        asked = f"{environ['wsgi.url_scheme']}://{get_host(environ)}"
    except SecurityError:  # no name of a host
        asked = ""
    return is_ours(environ.get("HTTP_ORIGIN", ""), asked, public_url)


def is_ours(origin: str, asked: str, public_url: str) -> bool:
    """Whether a page of this origin is exactly of the host that was asked, or of PUBLIC_URL."""
    return bool(origin) and origin.lower() in (asked.lower(), public_url.lower())


@dataclass(eq=False)
class Link:
    """One websocket, from its handshake to its end."""

    eio_sid: str
    owner: Any
    born: float = field(default_factory=time.monotonic)
    sid: str | None = None
    """Set once it has connected for good."""
    strikes: Rate = field(default_factory=lambda: Rate(STRIKES, STRIKES_SECONDS))
    events: Rate = field(default_factory=lambda: Rate(*EVENTS))


class Refused(Exception):
    """What a client asked is malformed: a strike, and the answer if it waits for one."""

    def __init__(self, answer: dict[str, Any]) -> None:
        super().__init__()
        self.answer = answer


class Gate:
    """Takes the place of the Socket.IO server at the Engine.IO server's three events.

    `admit` makes the Link of a handshake or None; `answer` answers an event; `left` is told the end.
    """

    def __init__(
        self,
        server: socketio.Server,
        admit: Callable[[str, Environ], Link | None],
        answer: Callable[[Any, str, Any], dict[str, Any]],
        left: Callable[[Any], None],
    ) -> None:
        self.server, self.admit, self.answer, self.left = server, admit, answer, left
        self.links: dict[str, Any] = {}
        self._connects: dict[Any, Rate] = {}
        server.eio.on("connect", self._handshake)
        server.eio.on("message", self._message)
        server.eio.on("disconnect", self._ended)

    def close(self, link: Link) -> None:
        """End the connection: the client is told, and nothing more goes to it."""
        if link.eio_sid in self.links:
            if link.sid is not None:
                self.server.eio.send(link.eio_sid, TextPacket(DISCONNECT).encode())
            self.server.eio.disconnect(link.eio_sid)

    def reap(self) -> None:
        """Close what did not connect in time; called about every second."""
        latest = time.monotonic() - CONNECT_SECONDS
        for link in list(self.links.values()):
            if link.sid is None and link.born < latest:
                self.close(link)
        self._connects = {owner: rate for owner, rate in self._connects.items() if not rate.idle}

    def _handshake(self, eio_sid: str, environ: Environ) -> bool | None:
        link = self.admit(eio_sid, environ)
        if link is None or not self._has_room(link.owner):
            return False
        self.links[eio_sid] = link
        self.server._handle_eio_connect(eio_sid, environ)
        return None

    def _has_room(self, owner: Any) -> bool:
        pending = sum(link.sid is None for link in self.links.values())
        sockets = Counter(link.owner for link in self.links.values())
        rate = self._connects.setdefault(owner, Rate(CONNECTS_PER_MINUTE, 60))
        return pending < MOST_PENDING and sockets[owner] < SOCKETS_PER_USER and rate.allows()

    def _message(self, eio_sid: str, data: Any) -> None:
        link = self.links.get(eio_sid)
        if link is None:
            return
        try:
            packet = TextPacket(encoded_packet=data) if data else None
        except (ValueError, RecursionError):
            packet = None
        if packet is None or (packet.namespace or "/") != "/":
            self._strike(link)
        elif packet.packet_type == CONNECT:
            self._connect(link, packet.data)
        elif packet.packet_type == DISCONNECT:
            self.close(link)
        elif packet.packet_type == EVENT and link.sid is not None:
            self._event(link, packet)
        else:
            self._strike(link)

    def _connect(self, link: Link, auth: Any) -> None:
        if link.sid is not None:
            self._strike(link)
            return
        self.server._handle_connect(link.eio_sid, "/", auth)
        if link.sid is None:  # refused: the library would leave the websocket open
            self.close(link)

    def _event(self, link: Link, packet: TextPacket) -> None:
        match packet.data:
            case [str(name)]:
                payload = None
            case [str(name), payload]:
                pass
            case _:
                self._strike(link)
                self._acknowledge(link, packet, MALFORMED)
                return
        try:
            answer = self.answer(link, name, payload)
        except Refused as refused:
            answer = refused.answer
            self._strike(link)
        self._acknowledge(link, packet, answer)

    def _acknowledge(self, link: Link, packet: TextPacket, answer: dict[str, Any]) -> None:
        if packet.id is not None and link.eio_sid in self.links:
            self.server.eio.send(link.eio_sid, TextPacket(ACK, data=[answer], id=packet.id).encode())

    def _strike(self, link: Link) -> None:
        if not link.strikes.allows():
            log.info("a client sent too much that we do not speak")
            self.close(link)

    def _ended(self, eio_sid: str, reason: str) -> None:
        self.server._handle_eio_disconnect(eio_sid, reason)
        link = self.links.pop(eio_sid, None)
        if link is not None:
            self.left(link)
