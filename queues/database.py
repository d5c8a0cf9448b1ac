"""The one thread in which an asyncio process talks to the database, one short transaction a step."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from flask import Flask
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from models.base import db, reading
from models.errors import Busy

log = logging.getLogger(__name__)

T = TypeVar("T")
U = TypeVar("U")

AWAY = (OperationalError, InterfaceError, PoolTimeout, Busy)
"""How a database that cannot be had just now shows itself; the same step may work a moment later."""
PAUSES = (0.1, 0.2, 0.5, 1.0, 2.0)
"""Seconds to wait after the first, second, … time in a row that it was away."""


class DatabaseThread:
    """Runs steps in order, each in an application context and a transaction of its own.

    The event loop never waits for a lock, and what is written keeps the order in which it was asked.
    """

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="database")

    async def write(self, step: Callable[..., T], *args: Any) -> T:
        """Run `step(*args)` and commit. Raises what it raises, and then nothing was changed."""
        result: T = await self._run(self._write, step, *args)
        return result

    async def write_then_read(
        self, step: Callable[..., T], then: Callable[[T], U], *args: Any
    ) -> tuple[T, U | None]:
        """Write, and read `then(result)` before anything else has its turn; None if that cannot be read."""
        result: tuple[T, U | None] = await self._run(self._write_then_read, step, then, *args)
        return result

    async def read(self, step: Callable[..., T], *args: Any) -> T:
        """Run `step(*args)` in a read-only snapshot."""
        result: T = await self._run(self._read, step, *args)
        return result

    async def certainly(self, way: Callable[..., Awaitable[Any]], step: Callable[..., T], *args: Any) -> T:
        """Read or write, again and again while the database is away: the step must bear repeating."""
        failures = 0
        while True:
            try:
                result: T = await way(step, *args)
                return result
            except AWAY as error:
                if failures == 0:
                    log.warning("the database is away, %s waits: %s", step.__name__, error)
                await asyncio.sleep(PAUSES[min(failures, len(PAUSES) - 1)])
                failures += 1

    def close(self, wait: bool = False) -> None:
        """Take no more steps; one that runs still ends by itself, for which this may wait."""
        self._thread.shutdown(wait=wait, cancel_futures=True)

    async def _run(self, way: Callable[..., Any], *args: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, way, *args)

    def _write(self, step: Callable[..., T], *args: Any) -> T:
        with self._app.app_context():
            result = step(*args)
            db.session.commit()
            return result

    def _write_then_read(
        self, step: Callable[..., T], then: Callable[[T], U], *args: Any
    ) -> tuple[T, U | None]:
        result = self._write(step, *args)
        try:
            return result, self._read(then, result)
        except Exception:  # what was written stands, and its caller must know it
            log.exception("what follows from %s cannot be read", step.__name__)
            return result, None

    def _read(self, step: Callable[..., T], *args: Any) -> T:
        with self._app.app_context(), reading():
            return step(*args)
