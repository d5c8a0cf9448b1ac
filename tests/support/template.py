"""A process that has loaded everything and waits to be forked: `python -m tests.support.template NAME`.

Loading takes a start of web or worker 1.5 to 3 seconds of computing, and nearly all else a test does with it
takes less. A fork runs what the command would run, as `__main__`, in its environment, session and folder.
"""

# What is imported here is from before eventlet patches it.
import gc
import json
import os
import runpy
import socket
import sys
from importlib import import_module
from typing import Any

from scripts.supervisor import die_with_parent

_fork, _read, _waitpid, _write, _Socket = os.fork, os.read, os.waitpid, os.write, socket.socket

TEMPLATES: dict[str, tuple[str, ...]] = {
    # `wsgi` patches, so it comes first; what only a worker needs must never be loaded beside it.
    "web": ("wsgi", "webapp"),
    "worker": (
        "queues.worker", "queues.chat", "queues.actions.worker", "queues.clock", "agents.scripted_server",
    ),
}  # fmt: skip
LARGEST = 1 << 18
"""Bytes of one order."""


def main() -> None:
    order = _wait_for_orders(_Socket(fileno=0))
    if order:
        _become(order)


def load(name: str) -> None:
    for module in TEMPLATES[name]:
        import_module(module)
    for module in TEMPLATES[name]:
        # What a command runs as __main__, it has not imported.
        if hasattr(sys.modules[module], "main"):
            del sys.modules[module]


def _wait_for_orders(orders: socket.socket) -> dict[str, Any] | None:
    """Fork for each order and answer the fork's number; None at the end, and the order in each fork."""
    while True:
        said, logs, _, _ = socket.recv_fds(orders, LARGEST, 1)
        if not said:
            return None
        born, announce = os.pipe()
        wait, let_go = os.pipe()
        between = _fork()
        if not between:
            # Whose parent ends is given to the test: it alone waits for it, and is told how it ended.
            if _fork():
                os._exit(0)
            os.setsid()
            _write(announce, str(os.getpid()).encode())
            for each in (born, announce, let_go):
                os.close(each)
            orders.detach()
            if not _read(wait, 1):
                os._exit(1)
            os.close(wait)
            return {**json.loads(said), "log": logs[0]}
        for each in (announce, wait, *logs):
            os.close(each)
        _waitpid(between, 0)
        orders.send(_read(born, 20))
        _write(let_go, b"!")
        for each in (born, let_go):
            os.close(each)


def _become(order: dict[str, Any]) -> None:
    """Be what the command would be, and run it."""
    die_with_parent()
    if os.getppid() != order["parent"]:
        os._exit(1)
    _own_files(order["log"])
    _own_hub()
    by_python = {name: os.environ[name] for name in ("LC_CTYPE",) if name in os.environ}
    os.environ.clear()
    os.environ.update(by_python | order["environ"])
    os.chdir(order["folder"])
    sys.argv = order["words"]
    if sys.argv[0] == "-m":
        del sys.argv[0]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(sys.argv[0], run_name="__main__")


def _own_files(log: int) -> None:
    """The orders came by number 0."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, file in enumerate((nothing, log, log)):
        os.dup2(file, number)
    os.close(nothing)
    os.close(log)


def _own_hub() -> None:
    """Eventlet made one as it patched; what it watches would be watched by all forks together."""
    if hubs := sys.modules.get("eventlet.hubs"):
        hubs.get_hub().poll.close()
        hubs.use_hub()


if __name__ == "__main__":
    load(sys.argv[1])
    gc.collect()
    gc.freeze()
    main()
