"""A stand-in for the action `api_call`, whose effects are counted where they happen; and a broken build.

`python -m tests.queues.worlds sound` serves the queue `runs` as queues.worker does.
"""

import sys
import urllib.request
from typing import Any

from flask import Flask

from models.actions import ApiCall
from models.run import Run
from queues import worker
from queues.actions import ACTIONS, InWorld
from queues.actions.job import Job


def perform(app: Flask, job: Job) -> str:
    assert isinstance(job.params, ApiCall)
    request = urllib.request.Request(job.params.url, headers={"Idempotency-Key": job.key})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return f"The server answered {answer.status}."


def sound() -> None:
    """Nothing is broken."""


def forgets_that_it_began() -> None:
    """The effect comes before anybody wrote down that it may have happened (against I3)."""

    def begin(run: Run, token: str) -> bool:
        return run.status == "running" and run.lease_token == token

    Run.begin = begin  # type: ignore[method-assign]


BUILDS: dict[str, Any] = {each.__name__: each for each in (sound, forgets_that_it_began)}
STAND_IN = InWorld(__name__ if __name__ != "__main__" else "tests.queues.worlds")


if __name__ == "__main__":
    BUILDS[sys.argv[1]]()
    ACTIONS["api_call"] = STAND_IN
    worker.main(["runs"])
