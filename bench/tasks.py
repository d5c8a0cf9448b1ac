"""(j) Opening the tasks page of a project with 10,000 tasks, against one of 100."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select

from bench.measure import Effort, Figures, Outcome, Row, at_most, interleaved, percentile
from bench.people import Room, agent_key, application
from bench.requests import Connection
from bench.servers import Stage
from bench.threads import filled, settle
from models.agent import Agent
from models.base import db, new_id
from models.message import Message
from models.task import PRIORITIES, Task
from tests.support.databases import Database

SMALL, LARGE = 100, 10_000
AGENTS = 5
OPENED_A_ROUND = 40
BATCH = 1_000
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
OFTEN = {"completed": 60, "pending": 20, "failed": 12, "cancelled": 8}
"""How many of a hundred tasks have each status."""
DESCRIPTION = (
    "The nightly backup took 12 minutes, 4 more than before; find out why, and say what to do. " * 10
)
PAGES = {
    "list": "status=all",
    "board": "status=all&view=board",
    "search": "status=all&q=certificate",
    "search for what is not there": "status=all&q=unheard",
}

NOTES = [
    f"A page shows 200 tasks at most, an equal share of each status; {OFTEN['completed']} of 100 are "
    f"completed, {OFTEN['pending']} pending. A description has {len(DESCRIPTION)} characters, and one title "
    "of 50 says what is searched for.",
    "The pages are asked for with one request at a time, each under an address of its own, so that no page "
    "is answered from what was kept.",
]


def run(stage: Stage, effort: Effort) -> Outcome:
    large, opened = effort.scaled(LARGE, 2 * SMALL), effort.scaled(OPENED_A_ROUND, 3)
    rows = []
    for kind, name in effort.databases.items():
        database = stage.database(kind)
        rooms = {size: _filled(database, size) for size in (SMALL, large)}
        server = stage.web(database)
        subjects = {
            f"{page} of {size:,}": partial(_measure, server.port, room, asked, opened)
            for page, asked in PAGES.items()
            for size, room in rooms.items()
        }
        found = interleaved(subjects, effort.rounds)
        rows += [row for page in PAGES for row in _rows(name, page, large, found)]
    return Outcome("(j) Opening the tasks page", rows, NOTES)


def _rows(name: str, page: str, large: int, found: dict[str, Figures]) -> list[Row]:
    ours, small = found[f"{page} of {large:,}"], found[f"{page} of {SMALL:,}"]
    what, other = f"{name}, {page}, {large:,} tasks", f"one of {SMALL:,}"
    return [
        Row(f"{what}: p95 ms", ours["p95 ms"], small["p95 ms"], other, at_most(200, ratio=False)),
        Row(f"{what}: p50 ms", ours["p50 ms"], small["p50 ms"], other),
    ]


def _measure(port: int, room: Room, asked: str, opened: int) -> Figures:
    waits = asyncio.run(_open(port, room, asked, opened))
    return {"p50 ms": percentile(waits, 0.5), "p95 ms": percentile(waits, 0.95)}


async def _open(port: int, room: Room, asked: str, opened: int) -> list[float]:
    connection, waits = Connection(port), []
    headers = {"Cookie": f"tr_sid={room.people[0].cookie}", "Accept": "text/html"}
    for _ in range(opened):
        began = time.perf_counter()
        answer = await connection.get(f"/{room.key}/tasks?{asked}&opened={time.time_ns()}", headers)
        assert answer.status == 200, answer
        waits.append((time.perf_counter() - began) * 1000)
    await connection.close()
    return waits


def _filled(database: Database, size: int) -> Room:
    """A project with that many tasks of as many messages, written in bulk, past the rules of making one."""
    room = filled(database, size)
    with application(database):
        for number in range(AGENTS):
            Agent.provision(room.project_id, agent_key(number), f"Agent {number}")
        messages = db.session.scalars(select(Message.id).where(Message.thread_id == room.thread_id)).all()
        db.session.commit()
        rows = _tasks(room, messages)
        with db.engine.begin() as connection:
            while batch := [row for row, _ in zip(rows, range(BATCH), strict=False)]:
                connection.execute(insert(Task), batch)
    settle(database)
    return room


def _tasks(room: Room, messages: Sequence[UUID]) -> Iterator[dict[str, Any]]:
    statuses = [status for status, share in OFTEN.items() for _ in range(share)]
    for number, message_id in enumerate(messages, 1):
        subject = "certificate" if number % 50 == 0 else "backup"
        yield {
            "id": new_id(),
            "created_at": BEGIN + timedelta(minutes=number),
            "project_id": room.project_id,
            "number": number,
            "title": f"Look after the {subject} of machine {number}",
            "description": DESCRIPTION,
            "status": statuses[number * 37 % len(statuses)],
            "priority": PRIORITIES[number % len(PRIORITIES)],
            "tags": ["backups", f"machine-{number % 20}"],
            "assignee_agent_key": agent_key(number % AGENTS),
            "source": "message",
            "message_id": message_id,
        }
