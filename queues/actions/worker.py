"""The worker of runs: carries out each approved action once, makes plans, and says what came of it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from flask import Flask

from agents import planner, post_op
from models.base import db
from models.crashpoint import crashpoint
from models.isolation import REFUSED
from models.planning import Planning
from models.post_op import PostOp
from models.run import Run
from models.worker import RUNS
from queues import executing, inspecting, isolating
from queues.actions import InDatabase, InWorld, action_of, steps
from queues.actions.job import CannotBeDone, Job, OutcomeUnknown
from queues.actions.steps import Claimed
from queues.database import AWAY
from queues.loop import GIVE_UP_SECONDS, KEEP_SECONDS, WorkerLoop
from queues.model import settings_of
from queues.reading import Reading
from queues.turns import Claimed as ByAgent
from queues.turns import Turns, Work

if TYPE_CHECKING:
    from agents.provider import ProviderSettings

log = logging.getLogger(__name__)

RENEW_SECONDS = 5.0

T = TypeVar("T")
AnyClaimed = Claimed | ByAgent

WORKS: dict[str, Work] = {
    "plan": Reading(Planning, planner.pack),
    "execution": executing,
    "post_op": Reading(PostOp, post_op.pack),
    "audit": inspecting,
}
"""What agents do, by the kind of a run."""


class Doing:
    """A run in hand. Whether it has begun, its row knows."""

    def __init__(self, claimed: AnyClaimed) -> None:
        self.claimed = claimed
        self.task: asyncio.Task[None] | None = None
        self._ending = False

    def end(self) -> None:
        """Once: a second time would cut short what the first one began."""
        if self.task is not None and not self._ending:
            self._ending = True
            self.task.cancel()


class RunWorker(WorkerLoop[Doing]):
    """What acts on the world runs in threads, a slot for each; what acts on the database, in its thread."""

    def __init__(self, app: Flask, settings: Callable[[], ProviderSettings]) -> None:
        super().__init__(app, RUNS, app.config["RUN_SLOTS"])
        self.turns = Turns(app, self._database, settings)
        self._threads = ThreadPoolExecutor(self._slots, thread_name_prefix="action")
        self._renew_at = 0.0

    async def begin(self) -> None:
        self.turns.isolation = await isolating.found(self._app)
        self._heartbeat.isolation = self.turns.isolation.name if self.turns.isolation else REFUSED

    async def keep(self) -> None:
        if not self._live or time.monotonic() < self._renew_at:
            return
        # Set before, since a ring meanwhile sets it back.
        due, self._renew_at = self._renew_at, time.monotonic() + RENEW_SECONDS
        live = dict(self._live)
        try:
            held = await self._database.write(steps.keep, list(live))
        except Exception:
            self._renew_at = due
            raise
        for token, doing in live.items():
            # An action is seen to its end: whether it happened, only who does it can say.
            ends = token not in held or held[token] == "cancelled"
            if ends and not isinstance(doing.claimed, Claimed):
                doing.end()

    def _rung(self) -> None:
        self._renew_at = 0.0  # a person may want something to end
        super()._rung()

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
        for doing in self._live.values():
            doing.end()
        if tasks:
            _, left = await asyncio.wait(tasks, timeout=GIVE_UP_SECONDS)
            log.info("%d actions were given back", len(tasks) - len(left))

    async def end(self) -> None:
        await self.turns.close()
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
        if isinstance(doing.claimed, Claimed):
            await self._act(doing.claimed)
        else:
            await self._turn(doing.claimed)

    async def _turn(self, claimed: ByAgent) -> None:
        """What an agent does, with the steps of its kind."""
        work = WORKS[claimed.kind]
        try:
            await work.carry_out(self.turns, claimed)
        except asyncio.CancelledError:
            await self._database.write(work.put_back, claimed)
        except Exception:  # the row must not wait for its lease to run out
            log.exception("run %s failed", claimed.run_id)
            await self._broken(work.broken, claimed)
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

    def _ended(self, claimed: AnyClaimed) -> None:
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

    async def _broken(self, step: Callable[[Any], bool], claimed: AnyClaimed) -> None:
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


def _claim(run_id: UUID) -> AnyClaimed | None:
    """None when another was first, or nobody wants it any more."""
    kind = db.session.get_one(Run, run_id).kind
    return steps.claim(run_id) if kind == "action" else WORKS[kind].claim(run_id)


def worker_of(app: Flask) -> RunWorker:
    return RunWorker(app, partial(settings_of, app.config))
