"""A web process with sockets and nothing else: `python -m tests.realtime.web`, settings from the environment.

`CONTROL` breaks it in one way, which the test of just that must catch.
"""

import wsgi  # isort: skip  # it patches, so it comes first

import os
import resource
import time
from typing import Any

from flask import Flask, Response, current_app, jsonify, request
from flask_socketio import SocketIO

from models.base import db
from realtime import doors, fanout, server
from realtime.bus import Bus

NAMES = ("DATABASE_URL", "SECRET_KEY", "HOST", "PUBLIC_URL", "REDIS_URL")


def create_app() -> Flask:
    app = Flask("sockets")
    app.config.update({name: os.environ.get(name, "") for name in NAMES}, PORT=int(os.environ["PORT"]))
    app.config["SQLALCHEMY_DATABASE_URI"] = app.config["DATABASE_URL"]
    db.init_app(app)
    app.extensions["bus"] = Bus(app.config["REDIS_URL"], "tests")
    app.add_url_rule("/readyz", "readyz", lambda: "yes")
    app.add_url_rule("/emit", view_func=emit, methods=["POST"])
    app.add_url_rule("/slow", view_func=slow)
    app.add_url_rule("/state", view_func=state)
    return app


def emit() -> str:
    """Broadcast `count` packets of `size` bytes to each `stream` in turn, numbered from `first`."""
    ask = request.args
    realtime = _realtime()
    for number in range(int(ask["first"]), int(ask["first"]) + int(ask["count"])):
        for stream in ask.getlist("stream"):
            realtime.emit("m", {"i": number, "d": "x" * int(ask["size"])}, stream)
    return "done"


def slow() -> str:
    """Takes its time, and says on `stream` when it has begun."""
    _realtime().emit("begun", {}, request.args["stream"])
    time.sleep(float(request.args["seconds"]))
    return "finished"


def state() -> Response:
    realtime = _realtime()
    return jsonify(
        pid=os.getpid(),
        sockets=len(realtime.socketio.server.eio.sockets),
        streams=sorted(realtime.joined()) if hasattr(realtime, "gate") else [],
        waiting=sum(
            getattr(each.queue, "_bytes", 0) for each in realtime.socketio.server.eio.sockets.values()
        ),
        rss_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        greenlets=wsgi.eventlet.hubs.get_hub().get_timers_count(),
    )


def _realtime() -> server.Server:
    found: server.Server = current_app.extensions["realtime"]
    return found


def without_gate(app: Flask) -> None:
    """The library as it comes, which lets in everything."""
    realtime = server.Server.__new__(server.Server)
    realtime.app, realtime.bus = app, None
    realtime.socketio = SocketIO(app, async_mode="eventlet", cors_allowed_origins="*")
    calls: list[str] = []
    realtime.socketio.server.on("connect", lambda *_: calls.append("connect"))
    realtime.socketio.server.on("disconnect", lambda *_: calls.append("disconnect"))
    app.add_url_rule("/calls", "calls", lambda: jsonify(calls))
    realtime.start = realtime.stop = lambda: None  # type: ignore[method-assign]
    app.extensions["realtime"] = realtime


def jump_the_queue() -> None:
    """Broadcasts do not look whether something is on its way already."""

    def broadcast(self: fanout.FanOut, data: bytes, boxes: list[fanout.Outbox]) -> None:
        for box in boxes:
            sent = box._try(data)
            if sent < len(data):
                box.keep(data[sent:])

    fanout.FanOut.broadcast = broadcast  # type: ignore[method-assign]


def sort_by_stream() -> None:
    """What waits is put together by its stream, whatever was said between."""

    def put_off(self: fanout.FanOut, data: bytes, boxes: list[fanout.Outbox]) -> None:
        late = next((late for of, late in self._late if of is boxes), None)
        if late is None:
            self._late.append((boxes, [data]))
        else:
            late.append(data)

    fanout.FanOut._put_off = put_off  # type: ignore[method-assign]


def trust_for_ever() -> None:
    """Rights are looked at when a page joins, and never again."""
    server.Server._recheck = lambda self, callers: None  # type: ignore[method-assign]


def leave_doors_open() -> None:
    """What is written in a closed thread goes on being told."""
    doors.Doors.shut = lambda self, stream, project_id=None: False  # type: ignore[method-assign]


def keep_everything() -> None:
    """Whatever a reader does not take is kept for him."""
    fanout.MOST_PACKETS = fanout.MOST_BYTES = 1 << 40


def tell_all() -> None:
    """What could not be read as a request is written down as it came."""
    del fanout.Protocol.log_message


def hurry() -> None:
    """Not a fault: what waits 20 seconds elsewhere waits one here."""
    wsgi.HALF_OPEN_SECONDS = fanout.HEAD_SECONDS = 1


CONTROLS: dict[str, Any] = {
    "hurry": hurry,
    "jump the queue": jump_the_queue,
    "sort by stream": sort_by_stream,
    "trust for ever": trust_for_ever,
    "keep everything": keep_everything,
    "leave doors open": leave_doors_open,
    "tell all": tell_all,
}

if __name__ == "__main__":
    app = create_app()
    control = os.environ.get("CONTROL", "")
    if control == "without gate":
        without_gate(app)
    else:
        CONTROLS.get(control, lambda: None)()
        server.attach(app)
    wsgi.serve(app)
