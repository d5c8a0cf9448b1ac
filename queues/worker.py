"""Starts a worker process: `python -m queues.worker chat`."""

import asyncio
import logging
import os
import signal
import sys

from flask import Flask

from agents.provider import ProviderSettings
from queues.chat import ChatWorker
from queues.doorbell import QUEUE
from webapp import memory, started

SWITCH_SECONDS = 0.0005
"""How long the loop waits for a thread that computes; Python's own 5 ms would be a tenth of our answer."""


def settings_of(app: Flask) -> ProviderSettings:
    """The model endpoint that the configuration names; none means the demo."""
    config = app.config
    given = {"model_default": config["ANTHROPIC_MODEL"]} if config["ANTHROPIC_MODEL"] else {}
    return ProviderSettings(
        api_key=config["ANTHROPIC_API_KEY"] or None,
        base_url=config["ANTHROPIC_BASE_URL"] or None,
        **given,
    )


async def serve(app: Flask) -> None:
    worker = ChatWorker(app, settings_of(app))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, worker.stop)
    await worker.serve()


def main(arguments: list[str]) -> None:
    if arguments != [QUEUE]:
        raise SystemExit(f"usage: python -m queues.worker {QUEUE}")
    app = started()
    logging.getLogger("httpx2").setLevel(logging.WARNING)  # a line for each call of a model says nothing
    memory.settle()
    sys.setswitchinterval(SWITCH_SECONDS)
    asyncio.run(serve(app))
    logging.shutdown()
    # Nothing is left to do; a thread that waits for a hung database or Redis must not hold the end.
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
