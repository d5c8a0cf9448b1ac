"""Starts the web process: patches eventlet before anything else, listens, and stops gracefully."""

# ruff: noqa: E402
import os
import warnings

warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated")
os.environ["EVENTLET_NO_GREENDNS"] = "yes"
import eventlet

eventlet.monkey_patch()

import errno
import logging
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable, Generator, Iterable
from typing import Any

import eventlet.wsgi
import psycopg.waiting
from eventlet import tpool
from eventlet.green.select import select as green_select
from eventlet.greenio import GreenSocket
from eventlet.hubs import trampoline
from eventlet.semaphore import Semaphore
from flask import Flask
from psycopg.waiting import Ready, Wait
from sqlalchemy import Engine
from werkzeug.wsgi import ClosingIterator

from realtime.fanout import Protocol
from realtime.server import Server, attach
from webapp import memory

log = logging.getLogger("wsgi")

BACKLOG = 4096
SHORT_OF = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.ECONNABORTED})
HALF_OPEN_SECONDS = 20
"""How long a connection may say nothing while it owes us a request. A waiting long poll owes none, and
Engine.IO gives its websockets a time of their own, ping interval and timeout together."""
THREADS = 2
"""For slow work. More would only slow each other down, and a flood of sign-ins all others with them."""
LAST_REQUESTS_SECONDS = 10
LAST_PACKETS_SECONDS = 0.1


class InFlight:
    """Counts the requests being answered; websockets, which never end, are not among them."""

    def __init__(self, app: Any) -> None:
        self.app, self.count = app, 0

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        counts = not environ.get("HTTP_UPGRADE")
        self.count += counts
        try:
            answer: Iterable[bytes] = self.app(environ, start_response)
        except Exception:
            # The server would answer 500 and tell nobody.
            log.exception("a request failed outside the application")
            self.count -= counts
            raise
        return ClosingIterator(answer, self._done) if counts else answer

    def _done(self) -> None:
        self.count -= 1


class Listening(GreenSocket):
    """A listening socket that outlives a moment without file descriptors or memory."""

    def accept(self) -> Any:
        while True:
            try:
                return super().accept()
            except OSError as error:
                if error.errno not in SHORT_OF:
                    raise
                log.error("no connection can be accepted: %s", error)
                eventlet.sleep(0.1)


_slow_work = Semaphore(THREADS)


def in_thread(work: Callable[..., Any], *args: Any) -> Any:
    """Slow work (hashing, markdown) in a real thread, so that the loop goes on meanwhile."""
    with _slow_work:
        return tpool.execute(work, *args)


def let_loop_go_on(engine: Engine) -> None:
    """While the database works or waits for its disk, this process does something else.

    SQLite waits inside COMMIT, so that runs in a thread, which slow work leaves free; everything is
    written by then, and all that others may find is the lock, for which they wait green.
    """
    if engine.dialect.name == "sqlite":
        commit = engine.dialect.do_commit
        engine.dialect.do_commit = lambda connection: tpool.execute(commit, connection)
    else:
        psycopg.waiting.wait = wait_green


def wait_green(
    steps: Generator[Wait, Ready, Any], fileno: int, interval: float = 0.0, timeout: float | None = None
) -> Any:
    """psycopg's waiting, by eventlet's hub: its own one in C would hold up every other request.

    Its `wait_select` would do, but asks the hub three things, twice a query, where one is enough.
    """
    try:
        wants = next(steps)
        if wants & Wait.W:
            wants = steps.send(Ready.W)  # nearly always the socket takes it all, and else says so
        while True:
            if wants == Wait.RW:
                readable, writable, _ = green_select([fileno], [fileno], [], timeout)
                ready = Ready((Ready.R if readable else 0) | (Ready.W if writable else 0))
            else:
                trampoline(fileno, read=wants == Wait.R, write=wants == Wait.W, timeout=timeout)
                ready = Ready(wants)
            wants = steps.send(ready)
    except StopIteration as ended:
        return ended.value


def listen(host: str, port: int) -> Listening:
    """A second copy on the same port must fail, and no broadcast may wait for a delayed ACK."""
    listening = Listening(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listening.bind((host, port))
    listening.listen(BACKLOG)
    return listening


def serve(app: Flask) -> None:
    """Answer until SIGTERM or SIGINT; then finish what was begun."""
    asked_to_stop, ask_to_stop = _stop_signals()
    _allow_many_sockets()
    tpool.set_num_threads(THREADS + 1)
    with app.app_context():
        let_loop_go_on(app.extensions["sqlalchemy"].engine)
    server: Server = app.extensions["realtime"]
    in_flight = InFlight(app)
    listening = listen(app.config["HOST"], app.config["PORT"])
    server.start()
    memory.settle()
    serving = eventlet.spawn(
        eventlet.wsgi.server,
        listening,
        in_flight,
        protocol=Protocol,
        max_size=100_000,
        debug=False,
        log_output=False,
        socket_timeout=HALF_OPEN_SECONDS,
    )
    serving.link(lambda _: os.write(ask_to_stop, b"!"))
    log.info("listening on %s port %s", *listening.getsockname()[:2])
    trampoline(asked_to_stop, read=True)
    # Where nobody accepts any more, somebody else shall start us anew.
    code = 1 if serving.dead else 0
    _stop(server, serving, in_flight)
    # Everything is done; the interpreter's own end would wait for greenlets that never end.
    os._exit(code)


def _stop_signals() -> tuple[int, int]:
    """A pipe that becomes readable at a signal: the hub may be asleep, and only a file wakes it."""
    readable, writable = os.pipe()
    os.set_blocking(writable, False)
    signal.set_wakeup_fd(writable)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    return readable, writable


def _allow_many_sockets() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _stop(server: Server, serving: Any, in_flight: InFlight) -> None:
    log.info("stopping")
    server.stop()
    eventlet.sleep(LAST_PACKETS_SECONDS)
    serving.kill()
    deadline = time.monotonic() + LAST_REQUESTS_SECONDS
    while in_flight.count and time.monotonic() < deadline:
        eventlet.sleep(0.02)
    logging.shutdown()
    sys.stdout.flush()


def main() -> None:
    from webapp import started

    app = started()
    app.extensions["offload"] = in_thread
    attach(app, "eventlet")
    serve(app)


if __name__ == "__main__":
    main()
