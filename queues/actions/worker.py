"""The worker of runs: carries out each approved action once, makes plans, and says what came of it."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from flask import Flask

from agents.shell import Isolation
from models.base import db
from models.crashpoint import crashpoint
from models.isolation import REFUSED
from models.run import Run
from models.worker import RUNS
from queues import isolating, planning
from queues.actions import InDatabase, InWorld, action_of, steps
from queues.actions.job import CannotBeDone, Job, OutcomeUnknown
from queues.actions.steps import Claimed
from queues.database import AWAY
from queues.loop import GIVE_UP_SECONDS, KEEP_SECONDS, WorkerLoop
from queues.model import settings_of
from queues.planning import Planner

if TYPE_CHECKING:
    from agents.provider import ProviderSettings

log = logging.getLogger(__name__)

RENEW_SECONDS = 5.0

T = TypeVar("T")


class Doing:
    """A run in hand. Whether it has begun, its row knows."""

    def __init__(self, claimed: Claimed | planning.Claimed) -> None:
        self.claimed = claimed
        self.task: asyncio.Task[None] | None = None


class RunWorker(WorkerLoop[Doing]):
    """What acts on the world runs in threads, a slot for each; what acts on the database, in its thread."""

    def __init__(self, app: Flask, settings: Callable[[], ProviderSettings]) -> None:
        super().__init__(app, RUNS, app.config["RUN_SLOTS"])
        self._planner = Planner(self._database, settings)
        self._threads = ThreadPoolExecutor(self._slots, thread_name_prefix="action")
        self._renew_at = 0.0
        self.isolation: Isolation | None = None
        """In which commands of agents are run; None where none may be."""

    async def begin(self) -> None:
        self.isolation = await isolating.found(self._app)
        self._heartbeat.isolation = self.isolation.name if self.isolation else REFUSED

    async def keep(self) -> None:
        if not self._live or time.monotonic() < self._renew_at:
            return
        live = dict(self._live)
        held = await self._database.write(steps.keep, list(live))
        self._renew_at = time.monotonic() + RENEW_SECONDS
        for token, doing in live.items():
            # What only reads ends when nobody wants it any more; what may have happened is seen to its end.
            if token not in held and isinstance(doing.claimed, planning.Claimed) and doing.task is not None:
                doing.task.cancel()

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
        await self._planner.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _take(self, run_id: UUID) -> None:
        try:
            claimed = await self._database.write(_claim, run_id)
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
        if isinstance(claimed, planning.Claimed):
            await self._plan(claimed)
        else:
            await self._act(claimed)

    async def _plan(self, claimed: planning.Claimed) -> None:
        try:
            await self._planner.make(claimed)
        except asyncio.CancelledError:
            await self._database.write(planning.put_back, claimed)
        except Exception:  # the row must not wait for its lease to run out
            log.exception("run %s failed", claimed.run_id)
            await self._broken(planning.broken, claimed)
        finally:
            self._ended(claimed)

    async def _act(self, claimed: Claimed) -> None:
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
            await self._broken(steps.broken, claimed)
        finally:
            self._ended(claimed)

    def _ended(self, claimed: Claimed | planning.Claimed) -> None:
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

    async def _broken(self, step: Callable[[Any], bool], claimed: Claimed | planning.Claimed) -> None:
        try:
            await self._database.write(step, claimed)
        except Exception:  # its lease is no longer renewed, so the sweeper will decide
            log.exception("a run could not even fail")

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


def _claim(run_id: UUID) -> Claimed | planning.Claimed | None:
    """By its kind; None when another was first, or nobody wants it any more."""
    worker = f"{socket.gethostname()}:{os.getpid()}"
    kind = db.session.get_one(Run, run_id).kind
    return planning.claim(run_id, worker) if kind == "plan" else steps.claim(run_id, worker)


def worker_of(app: Flask) -> RunWorker:
    return RunWorker(app, partial(settings_of, app.config))
