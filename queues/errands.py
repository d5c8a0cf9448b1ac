"""What a worker does beside its work: what its queue begins with, and the requests to its executor."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

from models.skill import Skill
from models.worker import RUNS
from queues import requests
from queues.database import AWAY, DatabaseThread

log = logging.getLogger(__name__)

AT_START: Mapping[str, Callable[[], Any]] = {RUNS: Skill.ask_for_all}
"""By queue, what a process asks for once when it starts: it may be on another machine than the one before."""


class Errands:
    """One at a time, in a task of its own: a slow disk must cost the worker none of its leases."""

    def __init__(self, database: DatabaseThread, queue: str) -> None:
        self._database, self._queue = database, queue
        self._first = AT_START.get(queue)
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Look for some, unless they are being done already."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())

    def end(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        try:
            if self._first is not None:
                await self._database.write(self._first)
                self._first = None
            await requests.work_off(self._database, self._queue)
        except AWAY as error:
            log.warning("the database is away: %s", error)
        except Exception:  # the next round tries again
            log.exception("the errands stumbled")
