"""What makes a web process stumble: people who sign in with wrong passwords, and a busy database."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import count
from urllib.parse import urlencode

from sqlalchemy import delete

from bench.people import application
from bench.requests import Connection
from models.base import db
from models.limits import LoginAttempt
from tests.support.databases import Database
from webapp.csrf import FIELD, VISITOR

AT_ONCE = 8
LOCKED, FREE = 0.2, 0.3
"""Seconds that the lock is held by the other process, and seconds between."""


@asynccontextmanager
async def storm(port: int, database: Database) -> AsyncIterator["Storm"]:
    _forget_the_last(database)
    raging = Storm(port, database)
    tasks = [asyncio.create_task(raging.sign_in_wrongly()) for _ in range(AT_ONCE)]
    if database.kind == "sqlite":
        tasks.append(asyncio.create_task(raging.lock()))
    yield raging
    for task in tasks:
        task.cancel()
    for task in tasks:
        with suppress(asyncio.CancelledError):
            await task


def _forget_the_last(database: Database) -> None:
    """A minute later: by then as many guesses as one minute allows reach the slow hash again."""
    with application(database):
        db.session.execute(delete(LoginAttempt))
        db.session.commit()


class Storm:
    """Counts what it does, so that a storm that never raged is noticed."""

    def __init__(self, port: int, database: Database) -> None:
        self._port, self._database = port, database
        self._addresses = count(1)
        self.refused = 0
        self.locks = 0

    async def sign_in_wrongly(self) -> None:
        """From another address each time, or the limit would answer before the slow hash."""
        connection = Connection(self._port)
        try:
            await self._sign_in_wrongly(connection)
        finally:
            await connection.close()

    async def _sign_in_wrongly(self, connection: Connection) -> None:
        page = await connection.get("/sign-in", {})
        visitor = page.headers["set-cookie"].partition(f"{VISITOR}=")[2].partition(";")[0]
        token = page.body.decode().partition('name="csrf-token" content="')[2].partition('"')[0]
        form = {FIELD: token, "email": "person1@example.org", "password": "a wrong password"}
        while True:
            number = next(self._addresses)
            headers = {
                "Cookie": f"{VISITOR}={visitor}",
                "Content-Type": "application/x-www-form-urlencoded",
                "X-Forwarded-For": f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}",
            }
            answer = await connection.ask("POST", "/sign-in", headers, urlencode(form).encode())
            assert answer.status in (401, 422, 429, 503), answer
            self.refused += answer.status != 429

    async def lock(self) -> None:
        """Hold SQLite's write lock in pulses, from this process."""
        path = self._database.url.removeprefix("sqlite:///")
        connection = sqlite3.connect(path, isolation_level=None, timeout=5)
        try:
            while True:
                connection.execute("BEGIN IMMEDIATE")
                try:
                    await asyncio.sleep(LOCKED)
                finally:
                    connection.execute("ROLLBACK")
                self.locks += 1
                await asyncio.sleep(FREE)
        finally:
            connection.close()
