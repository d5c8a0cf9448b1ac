"""The Socket.IO server of a web process: who is connected, what they follow, and what reaches them."""

import logging
import secrets
import time
from collections import Counter
from collections.abc import Callable
from typing import Any
from uuid import UUID

from flask import Flask
from flask_socketio import SocketIO
from socketio.exceptions import ConnectionRefusedError
from sqlalchemy.exc import DBAPIError
from werkzeug.http import parse_cookie

from models import refusal
from models.base import reading, utcnow
from models.errors import DomainError, NotYours
from models.policy import known
from models.session import UserSession
from realtime import streams, tickets
from realtime.bus import Bus
from realtime.callers import Caller, standings
from realtime.handlers import EVENTS, answer
from realtime.hardening import LONGEST_PACKET, Environ, Gate, Link, TextPacket, origin_allowed
from realtime.presence import Presence
from realtime.pump import Pump

log = logging.getLogger(__name__)

SESSION_COOKIES = ("__Host-tr_sid", "tr_sid")
"""The cookie of a session: over HTTPS, and over plain HTTP on one's own machine."""
RETRY_MS = 500
OF_THREADS = ("delta", "typing")
PRESSED = 64
"""Broadcasts in a row after which writers get a turn, so that no healthy reader's outbox overflows."""


class Server:
    """Connects the gate, the events, the pump, presence and the bus."""

    def __init__(self, app: Flask, socketio: SocketIO, bus: Bus | None) -> None:
        self.app, self.socketio, self.bus = app, socketio, bus
        self._followers: Counter[str] = Counter()
        self.gate = Gate(socketio.server, self._admit, self._answer, self._left)
        self.presence = Presence(secrets.token_hex(8), self._tell_presence, self._publisher("presence"))
        self.pump = Pump(app, self.emit, self.joined, self.recheck)
        socketio.server.on("connect", self._connect)

    def start(self) -> None:
        """Start what runs beside requests."""
        self.pump.start()
        if self.bus is not None:
            self.bus.listen(self._heard)
        self.socketio.start_background_task(self._every_second)

    def stop(self) -> None:
        """Say goodbye to every page, which comes back after a moment, to whoever then answers."""
        for caller in self.callers():
            self.socketio.emit("server_bye", {"retry_ms": RETRY_MS}, to=caller.sid)
        for link in list(self.gate.links.values()):
            self.gate.close(link)
        self.pump.stop()
        self.presence.close()
        if self.bus is not None:
            self.bus.close()

    # What the pump and the handlers ask of us.

    def emit(self, event: str, payload: dict[str, Any], stream: str) -> None:
        self.socketio.emit(event, payload, to=stream)
        if getattr(self.socketio.server.manager, "pressed", 0) > PRESSED:
            time.sleep(0)

    def joined(self) -> set[str]:
        return set(self._followers)

    def callers(self) -> list[Caller]:
        return [link for link in self.gate.links.values() if link.sid is not None]

    def join(self, caller: Caller, stream: str) -> None:
        if stream in caller.streams or caller.eio_sid not in self.gate.links:
            return
        self.socketio.server.enter_room(caller.sid, stream)
        caller.streams.add(stream)
        self._followers[stream] += 1
        if project_id := _project_of(stream):
            self.presence.arrive(project_id, str(caller.owner))
            online = self.presence.online(project_id)
            self.socketio.emit("presence", {"project_id": project_id, "online": online}, to=caller.sid)

    def leave(self, caller: Caller, stream: str) -> None:
        if stream not in caller.streams:
            return
        self.socketio.server.leave_room(caller.sid, stream)
        self._forget(caller, stream)

    def tell(self, event: str, payload: dict[str, Any], stream: str, but: Caller | None = None) -> None:
        """An ephemeral signal to all pages, in every process, but the one that it comes from."""
        said = {"stream": stream, **payload}
        self._signal(event, said, stream, but.sid if but else None)
        self._publisher(event)(said)

    def recheck(self) -> None:
        """Somebody's rights changed: whoever lost one loses what it gave, now."""
        self._recheck(self.callers())

    def _recheck(self, callers: list[Caller]) -> None:
        with self.app.app_context(), reading():
            now = standings({caller.session_id for caller in callers})
        for caller in callers:
            standing = now.get(caller.session_id)
            if standing is not None:
                caller.until = standing.until
                if all(streams.may_read(standing.principal, stream) for stream in caller.streams):
                    continue
            # Its page comes back by itself, and learns what is left by subscribing again.
            self.gate.close(caller)

    # What the gate asks of us.

    def _admit(self, eio_sid: str, environ: Environ) -> Link | None:
        """A handshake needs our own page and a living session; the ticket follows."""
        if not origin_allowed(environ, self.app.config["PUBLIC_URL"]):
            return None
        cookies = parse_cookie(environ)
        secret = next((cookies[name] for name in SESSION_COOKIES if cookies.get(name)), None)
        if secret is None:
            return None
        with self.app.app_context(), reading():
            session = UserSession.by_secret(secret)
            standing = standings([session.id]).get(session.id) if session else None
            if session is None or standing is None:
                return None
            return Caller(eio_sid, session.user_id, session_id=session.id, until=standing.until)

    def _connect(self, sid: str, environ: Environ, auth: Any) -> None:
        caller = self.gate.links[self.socketio.server.manager.eio_sid_from_sid(sid, "/")]
        ticket = auth.get("ticket") if isinstance(auth, dict) else None
        if not tickets.redeem(self.app.config["SECRET_KEY"], ticket, caller.session_id):
            raise ConnectionRefusedError("the ticket is missing or too old")
        caller.sid = sid

    def _answer(self, caller: Caller, name: str, payload: Any) -> dict[str, Any]:
        with self.app.app_context(), reading():
            said = answer(self, caller, name, payload)
        match said:
            case {"error": {"code": "sign_in"}}:
                self.gate.close(caller)
            case {"error": {"code": "not_found"}} if name == "subscribe":
                error = streams.refused(payload["stream"])
                if isinstance(error, NotYours):
                    self._audit_refusal(caller, f"subscribe {payload['stream']}", error.project)
            case {"error": {"code": "forbidden"}}:
                self._audit_refusal(caller, name)
        return said

    def _audit_refusal(self, caller: Caller, what: str, project: UUID | str | None = None) -> None:
        with self.app.app_context():
            refusal.note(f"person:{caller.owner}", "access.refused", what, project=project)

    def _left(self, caller: Caller) -> None:
        for stream in list(caller.streams):
            self._forget(caller, stream)

    def _forget(self, caller: Caller, stream: str) -> None:
        caller.streams.discard(stream)
        self._followers[stream] -= 1
        if not self._followers[stream]:
            del self._followers[stream]
        if project_id := _project_of(stream):
            self.presence.leave(project_id, str(caller.owner))

    # What comes from the other processes, and by the clock.

    def _heard(self, kind: str, payload: dict[str, Any]) -> None:
        match kind, payload:
            case "ring", _:
                heads = {name: head for name, head in payload.items() if isinstance(head, int)}
                self.pump.ring(heads)
            case (("delta" | "typing"), {"stream": str(stream)}):
                self._signal(kind, payload, stream)
            case "agent", {"project_id": str(project_id)}:
                self._signal(kind, payload, f"project:{project_id}")
            case "presence", _:
                self.presence.heard(payload)

    def _every_second(self) -> None:
        while True:
            self.socketio.sleep(1)
            self.gate.reap()
            self.presence.tick()
            try:
                self._end_idle_sessions()
            except (DBAPIError, DomainError):
                log.warning("sessions could not be checked", exc_info=True)

    def _end_idle_sessions(self) -> None:
        """Expiry moves no epoch, so it is looked for."""
        now = utcnow()
        due = [caller for caller in self.callers() if caller.until <= now]
        if due:
            self._recheck(due)

    def _tell_presence(self, payload: dict[str, Any]) -> None:
        self._signal("presence", payload, f"project:{payload['project_id']}")

    def _signal(self, event: str, payload: dict[str, Any], stream: str, skip_sid: str | None = None) -> None:
        """What may be lost; and is, while nobody knows who may still hear it, and in a closed thread."""
        if not (self.pump.blind or (event in OF_THREADS and self._closed(stream, payload))):
            self.socketio.emit(event, payload, to=stream, skip_sid=skip_sid)

    def _closed(self, stream: str, payload: dict[str, Any]) -> bool:
        project_id = payload.get("project_id")
        return self.pump.doors.shut(stream, UUID(project_id) if project_id else None)

    def _publisher(self, kind: str) -> Callable[[dict[str, Any]], None]:
        def publish(payload: dict[str, Any]) -> None:
            if self.bus is not None:
                self.bus.publish(kind, payload)

        return publish


def attach(app: Flask, async_mode: str = "eventlet") -> SocketIO:
    """Put the socket server before the application; `app.extensions["realtime"]` is the Server."""
    _refuse_events_without_policy()
    public_url = app.config["PUBLIC_URL"]
    options: dict[str, Any] = {
        "async_mode": async_mode,
        "async_handlers": False,
        "transports": ["websocket"],
        "max_http_buffer_size": LONGEST_PACKET,
        "serializer": TextPacket,
        "manage_session": False,
        "logger": _quiet("socketio"),
        "engineio_logger": _quiet("engineio"),
        "cors_allowed_origins": lambda origin, environ: origin_allowed(environ, public_url),
    }
    if async_mode == "eventlet":
        # Imported only by a process that is patched for it.
        from realtime import fanout

        socketio = SocketIO(app, client_manager=fanout.FanOut(), **options)
        fanout.install(socketio)
    else:
        socketio = SocketIO(app, **options)
    app.extensions["realtime"] = Server(app, socketio, app.extensions.get("bus"))
    return socketio


def _quiet(name: str) -> logging.Logger:
    """The library's own logger tells every packet, and ids that nobody should read."""
    logger = logging.getLogger(name)
    logger.setLevel(logging.ERROR)
    return logger


def _refuse_events_without_policy() -> None:
    bare = [name for name, event in EVENTS.items() if not known(event.policy)]
    if bare:
        raise RuntimeError(f"these socket events have no policy: {', '.join(bare)}")


def _project_of(stream: str) -> str | None:
    kind, _, project_id = stream.partition(":")
    return project_id if kind == "project" else None
