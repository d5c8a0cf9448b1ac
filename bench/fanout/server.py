"""Ours in the fan-out benchmark: the web process as it is served, with a room and an event for it.

What differs from `python wsgi.py`: whoever connects is let in and joins the room, the event "go" sends
to it, and the load client may ask as often as it likes.
"""

# ruff: noqa: I001
import wsgi  # patches the standard library, so it comes first

import time
from typing import Any

from realtime import fanout
from realtime.hardening import Link
from realtime.server import Server, attach
from webapp import create_app

ROOM = "project:bench"


def main() -> None:
    fanout.FRAMES_PER_10_SECONDS = 1_000_000
    app = create_app()
    socketio = attach(app, "eventlet")
    server: Server = app.extensions["realtime"]

    def admit(eio_sid: str, environ: Any) -> Link:
        return Link(eio_sid, owner=eio_sid)

    def connect(sid: str, environ: Any, auth: Any) -> None:
        server.gate.links[socketio.server.manager.eio_sid_from_sid(sid, "/")].sid = sid
        socketio.server.enter_room(sid, ROOM)

    def answer(link: Link, name: str, payload: Any) -> dict[str, Any]:
        sent = {"i": payload["i"], "t": time.monotonic_ns(), "d": "x" * payload["s"]}
        server.emit("m", sent, ROOM)
        return {}

    server.gate.admit, server.gate.answer = admit, answer
    server.gate.left = lambda link: None
    server.joined = server.callers = list  # type: ignore[method-assign]
    socketio.server.on("connect", connect)
    wsgi.serve(app)


if __name__ == "__main__":
    main()
