"""Sends one packet to many websockets at the price of one: encoded once, written straight to idle sockets."""

import contextlib
import logging
import socket
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

import socketio
from engineio.async_drivers.eventlet import WebSocketWSGI
from eventlet import Timeout, wsgi
from eventlet.event import Event
from eventlet.hubs import get_hub
from eventlet.queue import Empty
from eventlet.websocket import FailedConnectionError
from flask_socketio import SocketIO
from socketio.packet import EVENT

from realtime.frames import frame, unmask
from realtime.hardening import Rate

log = logging.getLogger(__name__)

MOST_PACKETS = 2000
MOST_BYTES = 8 << 20
"""What may wait for one reader; who falls further behind is cut off and catches up from its seq."""
CHUNK_BYTES = 256 << 10
PUT_OFF_AT_ONCE = 64
HEAD_SECONDS = 20
FRAMES_PER_10_SECONDS = 600
TOO_BIG, TOO_MANY = 1009, 1008


class Frames(bytes):
    """Finished frames on their way through Engine.IO's writer, which would encode a packet here."""

    def encode(self, *_: Any) -> "Frames":
        return self


class Outbox:
    """What waits for one socket; stands in for the queue between an Engine.IO socket and its writer.

    While the writer has nothing to do, frames go straight into the socket. What the socket did not
    take waits here for the writer, and everything later queues up behind it: order holds always.
    """

    __slots__ = ("_bytes", "_ended", "_frames", "_pause", "_send_late", "_socket", "free", "send")

    def __init__(self, send_late: Callable[[], None]) -> None:
        self._send_late = send_late
        self._frames: deque[bytes] = deque()
        self._bytes = 0
        self._ended = False
        self._socket: Any = None
        self._pause: Event | None = None
        """What the writer waits on; None while it works."""
        self.free = False
        """Nothing waits or is on its way: whoever has something may `send` it himself."""
        self.send: Callable[[bytes], int]

    def attach(self, ws: Any) -> None:
        """Be the only one who sends to this websocket."""
        self._socket = ws.socket.fd
        self.send = self._socket.send
        with contextlib.suppress(OSError):  # inherited from the listening socket, but not on macOS
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        send, pack = ws.send, ws._pack_message

        def send_in_turn(message: Any, **options: Any) -> None:
            if type(message) is Frames:  # from the writer, who got it here
                ws.socket.sendall(memoryview(message))
            elif self._ended:  # the closing frame
                send(message, **options)
            else:  # a pong of the reader
                self.write(pack(message, **options))

        ws.send = send_in_turn

    # What Engine.IO calls.

    def put(self, packet: Any) -> None:
        self._send_late()  # was said before this, and an answer or the end must not overtake it
        if packet is not None:
            self.write(frame(packet.encode()))
        else:
            self._end()

    def get(self, block: bool = True, timeout: float | None = None) -> Frames | None:
        """The writer's next frames, None at the end. Pings do not come this way, so no timeout counts."""
        if not block:
            raise Empty
        while not self._frames and not self._ended:
            self._pause, self.free = Event(), True
            self._pause.wait()
        self._pause, self.free = None, False
        return self._take() if self._frames else None

    def task_done(self) -> None:
        """Nobody counts: join() does not wait for a slow reader."""

    join = task_done

    def qsize(self) -> int:
        return len(self._frames)

    # What the fan-out calls.

    def write(self, data: bytes) -> None:
        """Send now if nothing is on its way, else after it."""
        sent = self._try(data) if self.free else 0
        if sent < len(data):
            self.keep(data[sent:])

    def keep(self, data: bytes) -> None:
        """Leave it to the writer."""
        if self._append(data):
            self._wake()

    def cut(self) -> None:
        """Give up this reader: what waits is dropped and the connection ends at once."""
        self._frames.clear()
        self._bytes = 0
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
        self._end()

    def _try(self, data: bytes) -> int:
        try:
            return self.send(data)
        except BlockingIOError:
            return 0
        except OSError:
            return len(data)  # the reader's greenlet finds the same and closes

    def _append(self, data: bytes) -> bool:
        if self._ended:
            return False
        if len(self._frames) >= MOST_PACKETS or self._bytes > MOST_BYTES:
            log.warning("a reader fell too far behind and is cut off")
            self.cut()
            return False
        self._frames.append(data)
        self._bytes += len(data)
        self.free = False
        return True

    def _take(self) -> Frames:
        taken = [self._frames.popleft()]
        size = len(taken[0])
        while self._frames and size + len(self._frames[0]) <= CHUNK_BYTES:
            taken.append(self._frames.popleft())
            size += len(taken[-1])
        self._bytes -= size
        return Frames(taken[0] if len(taken) == 1 else b"".join(taken))

    def _end(self) -> None:
        self._ended, self.free = True, False
        self._wake()

    def _wake(self) -> None:
        if self._pause is not None and not self._pause.ready():
            self._pause.send()


class FanOut(socketio.Manager):
    """Rooms of one process, whose broadcasts go to the outboxes of their sockets.

    The first broadcast of a tick is sent at once. Further ones wait for the end of the tick, where those
    that go to the same sockets leave in one send each; as long as ticks stay busy, so does this. A single
    broadcast is fast, a burst costs little more than one.
    """

    def __init__(self) -> None:
        super().__init__()
        self._rooms: dict[str, list[Outbox]] = {}
        self._late: list[tuple[list[Outbox], list[bytes]]] = []
        """Who waits for the end of the tick, and for what, in the order in which it was said."""
        self._busy = False
        self.pressed = 0
        """Broadcasts since the hub last had its turn."""

    def basic_enter_room(self, sid: str, namespace: str, room: Any, eio_sid: str | None = None) -> None:
        self._rooms.pop(room, None)
        super().basic_enter_room(sid, namespace, room, eio_sid=eio_sid)

    def basic_leave_room(self, sid: str, namespace: str, room: Any) -> None:
        self._rooms.pop(room, None)
        super().basic_leave_room(sid, namespace, room)

    def emit(
        self,
        event: str,
        data: Any,
        namespace: str,
        room: Any = None,
        skip_sid: Any = None,
        callback: Any = None,
        to: Any = None,
        **kwargs: Any,
    ) -> None:
        room = to or room
        if callback or not isinstance(room, str):
            super().emit(event, data, namespace, room, skip_sid, callback, **kwargs)
            return
        boxes = self._boxes(namespace, room, skip_sid)
        if boxes:
            words = list(data) if isinstance(data, tuple) else [] if data is None else [data]
            packet = self.server.packet_class(EVENT, namespace=namespace, data=[event, *words])
            self.broadcast(frame("4" + packet.encode()), boxes)

    def broadcast(self, data: bytes, boxes: list[Outbox]) -> None:
        self.pressed += 1
        if self._busy:
            self._put_off(data, boxes)
            return
        self._busy = True
        get_hub().schedule_call_global(0, self._end_of_tick)
        _send(data, boxes)

    def _put_off(self, data: bytes, boxes: list[Outbox]) -> None:
        if not self._late or self._late[-1][0] is not boxes:
            self._late.append((boxes, []))
        waiting = self._late[-1][1]
        waiting.append(data)
        if len(waiting) == PUT_OFF_AT_ONCE:
            self.send_late()

    def send_late(self) -> None:
        """Send what was put off."""
        late, self._late = self._late, []
        for boxes, waiting in late:
            _send(b"".join(waiting), boxes)

    def _end_of_tick(self) -> None:
        self.pressed = 0
        self._busy = bool(self._late)
        if self._busy:
            get_hub().schedule_call_global(0, self._end_of_tick)
            self.send_late()

    def _boxes(self, namespace: str, room: str, skip_sid: Any) -> list[Outbox]:
        sockets = self.server.eio.sockets
        if skip_sid:
            skip = skip_sid if isinstance(skip_sid, list) else [skip_sid]
            members = self.get_participants(namespace, room)
            return [sockets[eio].queue for sid, eio in members if sid not in skip and eio in sockets]
        boxes = self._rooms.get(room)
        if boxes is None:
            members = self.get_participants(namespace, room)
            boxes = self._rooms[room] = [sockets[eio].queue for _, eio in members if eio in sockets]
        return boxes


def _send(data: bytes, boxes: list[Outbox]) -> None:
    """What Outbox.write does, for each of them, without the price of calling it."""
    size = len(data)
    for box in boxes:
        if not box.free:
            box.keep(data)
            continue
        try:
            sent = box.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            continue
        if sent != size:
            box.keep(data[sent:])


class WebSocket(WebSocketWSGI):
    """A websocket that compresses nothing, hands finished frames through, and bears abuse."""

    def __init__(self, handler: Callable[[Any], Any], server: Any) -> None:
        super().__init__(self._serve, server)
        self.support_legacy_versions = False
        self._handler = handler
        self._engine: Any = handler.__self__  # type: ignore[attr-defined]

    def _negotiate_permessage_deflate(self, extensions: Any) -> None:
        # Compressing for each client would cost twice the time and 200 KB each.
        return None

    def _serve(self, ws: Any) -> None:
        quiet(ws)
        _limit(ws, self.max_frame_length)
        self._engine.queue.attach(ws)
        try:
            self._handler(ws)
        except (ValueError, RecursionError) as error:
            log.info("what a client sent is no packet: %s", type(error).__name__)
        finally:
            if not self._engine.closed:  # the handler fell over and left it open
                self._engine.queue.put(None)
                self._engine.close(wait=False, abort=True)


class _Log:
    """Where the library writes what it finds worth telling: one line, at each socket that is gone already."""

    def write(self, line: str) -> None:
        log.debug("%s", line)


def quiet(ws: Any) -> None:
    """A client that left before it was sent away is no news for the terminal."""
    ws.log = _Log()


def _limit(ws: Any, longest: int) -> None:
    """Bound what one client can make us do: frames of any kind, and the parts of one message together.

    A client that never stops sending would otherwise never let the hub have its turn.
    """
    receive, rate = ws._recv_frame, Rate(FRAMES_PER_10_SECONDS, 10)

    def receive_limited(message: Any = None) -> Any:
        if not rate.allows():
            raise FailedConnectionError(TOO_MANY, "too many frames")
        got = receive(message=message)
        if sum(map(len, got.data)) > longest:
            raise FailedConnectionError(TOO_BIG, "too big")
        return got

    ws._recv_frame, ws._apply_mask = receive_limited, unmask


class Protocol(wsgi.HttpProtocol):
    """HTTP whose request head must be there in time, however slowly it trickles in."""

    def parse_request(self) -> bool:
        with Timeout(HEAD_SECONDS, TimeoutError("a request's head took too long")):
            return bool(super().parse_request())

    def log_message(self, *_: Any) -> None:
        """What could not be read as a request; its address, which may hold a secret, is not written down."""
        log.info("a client sent what is no request")


def install(socketio: SocketIO) -> None:
    """Let the Engine.IO server make our outboxes and websockets."""
    engine = socketio.server.eio
    fan_out: FanOut = socketio.server.manager
    outbox = partial(Outbox, fan_out.send_late)
    engine._async = {**engine._async, "queue": outbox, "websocket": WebSocket}
