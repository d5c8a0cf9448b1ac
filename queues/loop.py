"""What every worker process is: a loop that looks for work, keeps what it holds, and ends well."""

import asyncio
import contextlib
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Generic, Protocol, TypeVar
from uuid import UUID

from flask import Flask

from queues.database import AWAY, DatabaseThread
from queues.doorbell import Bell, rq_queue
from queues.errands import Errands
from queues.heartbeat import Heartbeat
from queues.listener import Listener

log = logging.getLogger(__name__)

LOOK_SECONDS = 2.0
KEEP_SECONDS = 0.5
PASS_ON_SECONDS = 0.2
BREATH = 0.05  # seconds for which a nudge waits for others: what agents do is written less often so
DRAIN_SECONDS = 20.0
GIVE_UP_SECONDS = 3.0
HANGS_AFTER = 10.0
ASIDE_SECONDS = 600.0
"""How long a row is left alone that this process could not claim: it must not hold up the others."""


class Work(Protocol):
    """What a worker holds under a lease token: its task ends by itself, or when the worker wants it to."""

    task: "asyncio.Task[None] | None"


W = TypeVar("W", bound=Work)


class WorkerLoop(ABC, Generic[W]):
    """One asyncio loop. Redis only wakes it: it looks every 2 s, and after each piece of work, by itself."""

    def __init__(self, app: Flask, queue: str, slots: int) -> None:
        self._app, self._queue, self._slots = app, queue, slots
        self._live: dict[str, W] = {}
        self._set_aside: dict[UUID, float] = {}
        self._stops = 0
        self._look_at = 0.0
        self._passing_on: asyncio.TimerHandle | None = None
        self._tick = time.monotonic()
        self._bells: dict[str, Bell] = app.extensions["bells"]
        self._bell, self._bus = self._bells[queue], app.extensions["bus"]
        self._database = DatabaseThread(app)
        self._errands = Errands(self._database, queue)
        self._heartbeat = Heartbeat(app, queue, slots, lambda: len(self._live), self._ticks)
        mine = rq_queue(app.config["SECRET_KEY"], queue)
        self._listener = Listener(app.config["REDIS_URL"], mine, self.ring)

    # What each kind of worker does its own way.

    async def begin(self) -> None:
        """Called once, inside the loop, before it looks for work."""

    @abstractmethod
    async def keep(self) -> None:
        """Twice a second at least: renew the leases of what is held, and hear what people wish."""

    @abstractmethod
    async def look(self) -> None:
        """Claim what waits, as far as there are free slots."""

    @abstractmethod
    async def give_back(self) -> None:
        """The time to end is over: whatever is held is put back or noted, within three seconds."""

    async def end(self) -> None:
        """Called once, after everything."""

    # The life of the process.

    async def serve(self) -> None:
        """Work until `stop`. Then nothing is left behind but rows that others can take."""
        self._loop = asyncio.get_running_loop()
        self._woken, self._called = asyncio.Event(), asyncio.Event()
        await self.begin()
        self._bells[self._queue] = self
        self._heartbeat.start()
        self._listener.start()
        try:
            while not self._stops:
                await self._round(look=True)
            await self._drain()
        finally:
            self._listener.stop()
            self._heartbeat.leave()
            self._bells[self._queue] = self._bell
            self._errands.end()
            await self.end()
            self._database.close()
            await asyncio.to_thread(self._heartbeat.join, 1.0)
            self._bus.close()

    def stop(self) -> None:
        """Claim nothing more and let the work end; a second time: end it now. From any thread."""
        self._stops += 1
        self._from_anywhere(self._call)

    def ring(self) -> None:
        """Work may wait, or a wish to stop. From any thread; another worker is rung when this one is full."""
        self._from_anywhere(self._rung)

    def wake(self) -> None:
        """Begin the next round now, and look; from the loop itself."""
        self._look_at = 0.0
        self._woken.set()

    def _rung(self) -> None:
        self._look_at = 0.0
        self._call()
        self._pass_on_when_full()

    def _pass_on_when_full(self) -> None:
        if len(self._live) >= self._slots and self._passing_on is None:
            # After a while: alone, it would hear itself, again and again.
            self._passing_on = self._loop.call_later(PASS_ON_SECONDS, self._pass_on)

    def _call(self) -> None:
        self._called.set()
        self._woken.set()

    def _pass_on(self) -> None:
        self._passing_on = None
        self._bell.ring()

    def _from_anywhere(self, call: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended, and with it what there was to wake
            self._loop.call_soon_threadsafe(call)

    def _ticks(self) -> bool:
        """Whether the loop, and the database thread it waits for, still move."""
        return time.monotonic() - self._tick < HANGS_AFTER

    async def _round(self, look: bool) -> None:
        """Take what waits, since somebody waits for it; then keep what is held."""
        self._tick = time.monotonic()
        if look and time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + LOOK_SECONDS
            await self._try(self.look)
            if self._look_at == 0:  # rung meanwhile, and perhaps full only now
                self._pass_on_when_full()
            self._errands.begin()
        await self._try(self.keep)
        await self._rest()

    async def _try(self, step: Callable[[], Awaitable[None]]) -> None:
        try:
            await step()
        except AWAY as error:
            log.warning("the database is away: %s", error)
        except Exception:  # a worker that ends helps nobody; the next round tries again
            log.exception("the worker stumbled")

    async def _rest(self) -> None:
        """Until there is something to do. A nudge waits a breath for others, a ring does not."""
        pause = KEEP_SECONDS if self._live else max(0.0, self._look_at - time.monotonic())
        if await _comes(self._woken, min(pause, KEEP_SECONDS)):
            await _comes(self._called, BREATH)
        self._called.clear()
        self._woken.clear()

    async def _drain(self) -> None:
        """Let the work end by itself for a while; what is left then is given back."""
        self._heartbeat.leave()
        until = time.monotonic() + self._app.config.get("DRAIN_SECONDS", DRAIN_SECONDS)
        while self._live and self._stops == 1 and time.monotonic() < until:
            await self._round(look=False)
        await self.give_back()

    @property
    def _aside(self) -> Collection[UUID]:
        """What could not be claimed lately."""
        now = time.monotonic()
        self._set_aside = {id: until for id, until in self._set_aside.items() if until > now}
        return self._set_aside

    def _put_aside(self, row_id: UUID) -> None:
        self._set_aside[row_id] = time.monotonic() + ASIDE_SECONDS

    @property
    def _tasks(self) -> Sequence["asyncio.Task[None]"]:
        return [one.task for one in self._live.values() if one.task is not None]


async def _comes(event: asyncio.Event, seconds: float) -> bool:
    with contextlib.suppress(TimeoutError):
        return await asyncio.wait_for(event.wait(), seconds)
    return False
