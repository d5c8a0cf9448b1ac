"""The worker of approved actions: claims their runs, carries each out once, and says what came of it."""

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

from flask import Flask

from models.base import db
from models.crashpoint import crashpoint
from models.run import Run
from models.worker import RUNS
from queues.actions import InDatabase, InWorld, action_of, steps
from queues.actions.job import CannotBeDone, Job, OutcomeUnknown
from queues.actions.steps import Claimed
from queues.database import AWAY
from queues.loop import GIVE_UP_SECONDS, KEEP_SECONDS, WorkerLoop

log = logging.getLogger(__name__)

RENEW_SECONDS = 5.0

T = TypeVar("T")


class Doing:
    """An action in hand. Whether it has begun, its row knows."""

    def __init__(self, claimed: Claimed) -> None:
        self.claimed = claimed
        self.task: asyncio.Task[None] | None = None


class ActionWorker(WorkerLoop[Doing]):
    """What acts on the world runs in threads, a slot for each; what acts on the database, in its thread."""

    def __init__(self, app: Flask) -> None:
        super().__init__(app, RUNS, app.config["RUN_SLOTS"])
        self._threads = ThreadPoolExecutor(self._slots, thread_name_prefix="action")
        self._renew_at = 0.0

    async def keep(self) -> None:
        if self._live and time.monotonic() >= self._renew_at:
            await self._database.write(steps.keep, list(self._live))
            self._renew_at = time.monotonic() + RENEW_SECONDS

    async def look(self) -> None:
        free, aside = self._slots - len(self._live), self._aside
        if free <= 0:
            return
        waiting = await self._database.read(Run.waiting, free + len(aside))
        for run_id in [id for id in waiting if id not in aside][:free]:
            await self._take(run_id)
        if len(waiting) >= free:
            self._look_at = time.monotonic() + KEEP_SECONDS

    async def give_back(self) -> None:
        """What was not begun waits for another worker; of what was, a person finds out what became."""
        tasks = self._tasks
        for task in tasks:
            task.cancel()
        if tasks:
            _, left = await asyncio.wait(tasks, timeout=GIVE_UP_SECONDS)
            log.info("%d actions were given back", len(tasks) - len(left))

    async def end(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _take(self, run_id: UUID) -> None:
        try:
            claimed = await self._database.write(steps.claim, run_id)
        except AWAY:
            raise
        except Exception:  # it must not hold up the others
            log.exception("run %s cannot be claimed", run_id)
            self._put_aside(run_id)
            return
        if claimed is None:
            return
        crashpoint("action.claimed")
        doing = self._live[claimed.token] = Doing(claimed)
        doing.task = asyncio.create_task(self._do(doing))

    async def _do(self, doing: Doing) -> None:
        claimed = doing.claimed
        try:
            action = action_of(claimed.job.params)
            if isinstance(action, InDatabase):
                await self._in_database(claimed, action)
            else:
                await self._in_world(claimed, action)
        except asyncio.CancelledError:
            await self._database.write(steps.give_back, claimed)
        except Exception:  # the row must not wait for its lease to run out
            log.exception("run %s failed", claimed.job.run_id)
            await self._broken(claimed)
        finally:
            del self._live[claimed.token]
            self.wake()

    async def _in_database(self, claimed: Claimed, action: InDatabase) -> None:
        apply = await self._beside(action.ready, claimed.job)
        await self._certainly(steps.carry_out, claimed, apply)
        crashpoint("action.recorded")

    async def _in_world(self, claimed: Claimed, action: InWorld) -> None:
        await self._beside(action.load)
        if not await self._certainly(steps.begin, claimed):
            return
        crashpoint("action.begun")
        try:
            result = await self._beside(_perform, self._app, action, claimed.job)
        except CannotBeDone as refusal:
            await self._certainly(steps.failed, claimed, str(refusal))
        except OutcomeUnknown as doubt:
            await self._certainly(steps.unknown, claimed, str(doubt))
        else:
            crashpoint("action.performed")
            await self._certainly(steps.done, claimed, result)
        crashpoint("action.recorded")

    async def _broken(self, claimed: Claimed) -> None:
        try:
            await self._database.write(steps.broken, claimed)
        except Exception:  # its lease is no longer renewed, so the sweeper will decide
            log.exception("run %s could not even fail", claimed.job.run_id)

    async def _certainly(self, step: Callable[..., T], *args: Any) -> T:
        return await self._database.certainly(self._database.write, step, *args)

    async def _beside(self, call: Callable[..., T], *args: Any) -> T:
        return await self._loop.run_in_executor(self._threads, partial(call, *args))


def _perform(app: Flask, action: InWorld, job: Job) -> str:
    """In a thread of its own, in which it may read the database by short transactions."""
    with app.app_context():
        try:
            return action.perform(app, job)
        finally:
            db.session.rollback()


def worker_of(app: Flask) -> ActionWorker:
    return ActionWorker(app)
