"""Starts a worker process: `python -m queues.worker chat`, or `runs`."""

import asyncio
import logging
import os
import signal
import sys
from importlib import import_module
from typing import Any

from flask import Flask

from models.worker import CHAT, EXECUTORS, RUNS
from queues.loop import WorkerLoop
from webapp import memory, started

WORKERS = {CHAT: "queues.chat", RUNS: "queues.actions.worker"}
"""The module whose `worker_of` serves a queue; a process loads its own and none other."""
SWITCH_SECONDS = 0.0005
"""How long the loop waits for a thread that computes; Python's own 5 ms would be a tenth of our answer."""


async def serve(app: Flask, queue: str) -> None:
    worker: WorkerLoop[Any] = import_module(WORKERS[queue]).worker_of(app)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, worker.stop)
    await worker.serve()


def main(arguments: list[str]) -> None:
    if len(arguments) != 1 or arguments[0] not in WORKERS:
        raise SystemExit(f"usage: python -m queues.worker {'|'.join(EXECUTORS)}")
    app = started()
    logging.getLogger("httpx2").setLevel(logging.WARNING)  # a line for each call of a model says nothing
    memory.settle()
    sys.setswitchinterval(SWITCH_SECONDS)
    asyncio.run(serve(app, arguments[0]))
    logging.shutdown()
    # Nothing is left to do; a thread that waits for a hung database or Redis must not hold the end.
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
