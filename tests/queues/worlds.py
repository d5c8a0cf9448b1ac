"""A stand-in for the action `api_call`, whose effects are counted where they happen; and a broken build.

`python -m tests.queues.worlds sound` serves the queue `runs` as queues.worker does.
"""

import sys
import urllib.request
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from flask import Flask

from models.actions import ApiCall
from models.base import db, new_id
from models.finding import Finding
from models.run import Run
from models.task import Task
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


def finds_everything_new() -> None:
    """What an audit finds is kept before it ends, and known again by nothing (against I6)."""

    def from_finding(
        project_id: UUID, finding: Finding, author: str, user_id: UUID | None, since: datetime | None
    ) -> tuple[Task, str]:
        new = replace(finding, subject=str(new_id()))
        task = Task.create(
            project_id, finding.title, "", None, source="finding", author=author, user_id=user_id, finding=new
        )
        db.session.commit()
        return task, "new"

    Task.from_finding = from_finding  # type: ignore[method-assign, assignment]


BUILDS: dict[str, Any] = {
    each.__name__: each for each in (sound, forgets_that_it_began, finds_everything_new)
}
STAND_IN = InWorld(__name__ if __name__ != "__main__" else "tests.queues.worlds")


if __name__ == "__main__":
    BUILDS[sys.argv[1]]()
    ACTIONS["api_call"] = STAND_IN
    worker.main(["runs"])
