"""(k) A task's thread of 10,000 events, and 10,000 events and lines of a run as they happen."""

import asyncio
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count, islice
from typing import Any
from uuid import UUID

from sqlalchemy import insert, update

from bench.measure import Effort, Figures, Outcome, Row, at_most, interleaved, percentile
from bench.people import Room, agent_key, application, furnish
from bench.requests import Connection
from bench.screens import Packet, open_screens
from bench.servers import Stage
from models.base import db, new_id
from models.markup import render
from models.message import Draft
from models.plan_execution import PlanExecution
from models.posting import post
from models.proposal import Proposal
from models.task import Task
from models.task_event import TaskEvent
from models.thread import Thread
from models.user import User
from models.wish import Wish
from tests import factories
from tests.support.databases import Database

SMALL, LARGE = 100, 10_000
BURST = 10_000
CARDS = 10
OPENED_A_ROUND = 40
RUNS_A_ROUND = 10
WRITTEN_AT_ONCE = 500
PATIENCE_SECONDS = 60
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
TEXT = "The **nightly** backup took 12 minutes, 4 more than before: see `backup.log`. Shall I look why? " * 3
LAST = f"line {BURST} of the burst"
COMMAND = f"seq -f 'line %.0f of the burst' 1 {BURST}"
FEW = f"one of {SMALL}"

NOTES = [
    f"Opening is the whole page of a task with the last 200 of its events: updates of {len(TEXT)} letters, "
    f"and {CARDS} proposals that wait. Each request has an address of its own, so that no page is answered "
    "from what was kept.",
    f"Lines: a person approves a plan whose one command prints {BURST:,} lines; the worker of runs does "
    "so, with a scripted model that answers at once. The time is from sending the click to the packet that "
    "brings the first event of the run, and the last line, to another open page. A worker's very first run "
    "takes 1.3 s more, since it loads the model's library then.",
    f"Events: {BURST:,} events of a run are stored, {WRITTEN_AT_ONCE} in a transaction, until an open page "
    "has heard all of them.",
]

_numbers = count(1)


def run(stage: Stage, effort: Effort) -> Outcome:
    rows: list[Row] = []
    for kind, name in effort.databases.items():
        database = stage.database(kind)
        rows += _opening(stage, effort, database, name) + _running(stage, effort, database, name)
    return Outcome("(k) A task's thread, and its runs as they happen", rows, NOTES)


def _opening(stage: Stage, effort: Effort, database: Database, name: str) -> list[Row]:
    sizes = {"large": effort.scaled(LARGE, 300), "small": effort.scaled(SMALL, 20)}
    rooms = {what: _filled(database, what, size) for what, size in sizes.items()}
    server, opened = stage.web(database), effort.scaled(OPENED_A_ROUND, 3)
    subjects = {what: partial(_open, server.port, room, opened) for what, room in rooms.items()}
    found = interleaved(subjects, effort.rounds)
    large, small = found["large"], found["small"]
    what = f"{name}, {sizes['large']:,} events: opening"
    return [
        Row(f"{what}, p95 ms", large["p95 ms"], small["p95 ms"], FEW, at_most(300, ratio=False)),
        Row(f"{what}, p50 ms", large["p50 ms"], small["p50 ms"], FEW),
    ]


def _filled(database: Database, key: str, size: int) -> Room:
    """A task with that many events, written in bulk, past the rules of telling."""
    room = furnish(database, 1, agents=1, key=key)
    with application(database):
        task = _task(room)
        events = _events(task, size)
        db.session.commit()
        with db.engine.begin() as connection:
            while batch := list(islice(events, 1_000)):
                connection.execute(insert(TaskEvent), batch)
            connection.execute(update(Task).where(Task.id == task.id).values(last_seq=1 + size))
        db.session.refresh(task)
        for number in range(CARDS):
            params = {"path": f"notes/{number}.txt", "content": TEXT}
            Proposal.make_in_task(task, Wish.of(agent_key(0), "file_write", params, TEXT, f"{key}{number}"))
        db.session.commit()
    return room


def _task(room: Room) -> Task:
    """A pending task; the caller commits."""
    user = db.session.get_one(User, room.people[0].id)
    thread = db.session.get_one(Thread, room.thread_id)
    words = f"@{agent_key(0)} The disk is full"
    return Task.promote(post(thread, Draft.of(user.id, words, f"bench-{next(_numbers)}")), user)


def _events(task: Task, size: int) -> Iterator[dict[str, Any]]:
    html = render(TEXT).html
    for seq in range(2, size + 2):
        yield {
            "id": new_id(),
            "created_at": BEGIN + timedelta(seconds=seq),
            "project_id": task.project_id,
            "task_id": task.id,
            "seq": seq,
            "event_type": "agent_update",
            "author": agent_key(0),
            "content": TEXT,
            "content_html": html,
            "text": "",
            "meta": {},
        }


def _open(port: int, room: Room, opened: int) -> Figures:
    waits = asyncio.run(_pages(port, room, opened))
    return {"p50 ms": percentile(waits, 0.5), "p95 ms": percentile(waits, 0.95)}


async def _pages(port: int, room: Room, opened: int) -> list[float]:
    connection, waits = Connection(port), []
    headers = {"Cookie": f"tr_sid={room.people[0].cookie}", "Accept": "text/html"}
    for _ in range(opened):
        began = time.perf_counter()
        answer = await connection.get(f"/{room.key}/tasks/1?opened={time.time_ns()}", headers)
        assert answer.status == 200, answer
        waits.append((time.perf_counter() - began) * 1000)
    await connection.close()
    return waits


def _running(stage: Stage, effort: Effort, database: Database, name: str) -> list[Row]:
    room = furnish(database, 1, agents=1, key="running")
    script = stage.folder / "script.json"
    script.write_text(json.dumps({"default": {"tool": "bash", "input": {"command": COMMAND}}}))
    model = stage.server(
        "model", sys.executable, "-m", "agents.scripted_server", "--script", script, "--port"
    )
    variables = {"ANTHROPIC_BASE_URL": model.url, "ANTHROPIC_API_KEY": "bench", "LOG_LEVEL": "WARNING"}
    live = stage.live(database, SHELL_WITHOUT_ISOLATION="yes", **variables)
    for process in ("web", "runs"):
        live.start(process)
    live.wait_ready()
    runs = effort.scaled(RUNS_A_ROUND, 1)
    subjects: dict[str, Callable[[], Figures]] = {
        "lines": partial(_carry_out, live.port, database, room, runs),
        "events": partial(_store, live.port, database, room, effort.scaled(BURST, 1_000)),
    }
    found = interleaved(subjects, effort.rounds)
    lines, events = found["lines"], found["events"]
    return [
        Row(f"{name}: from Approve to the first event of the run, p95 ms", lines["first ms"],
            goal=at_most(500, ratio=False)),
        Row(f"{name}: from Approve to the last of {BURST:,} lines, p95 s", lines["last s"],
            goal=at_most(10, ratio=False)),
        Row(f"{name}: {BURST:,} events of a run stored and shown, s", events["shown s"], events["stored s"],
            "stored", at_most(10, ratio=False)),
    ]  # fmt: skip


def _carry_out(port: int, database: Database, room: Room, runs: int) -> Figures:
    with application(database):
        tasks = [_planned(room) for _ in range(runs)]
        db.session.commit()
    firsts, lasts = asyncio.run(_approve(port, room, tasks))
    return {"first ms": percentile(firsts, 0.95), "last s": percentile(lasts, 0.95) / 1000}


def _planned(room: Room) -> tuple[UUID, str]:
    task = _task(room)
    plan = factories.plan(task, db.session.get_one(User, room.people[0].id), f"## Print\n\n`{COMMAND}`")
    return task.id, plan.digest


async def _approve(port: int, room: Room, tasks: list[tuple[UUID, str]]) -> tuple[list[float], list[float]]:
    witness = Witness()
    [page] = await open_screens(port, room.people, 1, room.stream, witness.heard)
    connection, firsts, lasts = Connection(port), [], []
    for task_id, digest in tasks:
        witness.begin()
        answer = await connection.post(
            f"/api/tasks/{task_id}/plan/approve", {"digest": digest}, room.people[0]
        )
        assert answer.status == 200, answer
        await asyncio.wait_for(witness.printed.wait(), PATIENCE_SECONDS)
        await asyncio.wait_for(witness.ended.wait(), PATIENCE_SECONDS)
        firsts.append(witness.first)
        lasts.append(witness.last)
    page.close()
    await connection.close()
    return firsts, lasts


def _store(port: int, database: Database, room: Room, size: int) -> Figures:
    with application(database):
        task = _task(room)
        user = db.session.get_one(User, room.people[0].id)
        factories.plan(task, user, "## Print\n\n`seq`")
        held, token = factories.begun(task, user)
        db.session.commit()
        run_id = held.run.id
        figures = asyncio.run(_told(port, room, size, partial(_write, run_id, token, size)))
        PlanExecution.hold(run_id).done(token, "Done.", None)
        db.session.commit()
    return figures


def _write(run_id: UUID, token: str, size: int) -> None:
    for first in range(0, size, WRITTEN_AT_ONCE):
        numbers = range(first, min(first + WRITTEN_AT_ONCE, size))
        told = [("output" if number % 2 else "note", f"event {number} of the burst") for number in numbers]
        assert PlanExecution.hold(run_id).tell(token, told)
        db.session.commit()


async def _told(port: int, room: Room, size: int, write: Callable[[], None]) -> Figures:
    """Writing keeps this process busy, so what the page hears is counted when it is done."""
    witness = Witness()
    [page] = await open_screens(port, room.people, 1, room.stream, witness.heard)
    witness.begin()
    write()
    stored = witness.since()
    while witness.events < size:
        await asyncio.wait_for(witness.more.wait(), PATIENCE_SECONDS)
        witness.more.clear()
    shown = witness.since()
    page.close()
    return {"stored s": stored / 1000, "shown s": shown / 1000}


@dataclass
class Witness:
    """What one page hears of a run; milliseconds since the click."""

    at: float = 0.0
    first: float = 0.0
    last: float = 0.0
    events: int = 0
    more: asyncio.Event = field(default_factory=asyncio.Event)
    printed: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def begin(self) -> None:
        self.at, self.events = time.perf_counter(), 0
        for event in (self.more, self.printed, self.ended):
            event.clear()

    def since(self, at: float | None = None) -> float:
        return ((at or time.perf_counter()) - self.at) * 1000

    def heard(self, name: str, packet: Packet, at: float) -> None:
        for item in packet.get("items", ()) if name == "changes" else ():
            row = item["row"] or {}
            if item["table"] == "run_events":
                self._event(row, self.since(at))
            elif item["table"] == "tasks" and row.get("status") in ("completed", "failed"):
                assert row["status"] == "completed", row
                self.ended.set()

    def _event(self, row: dict[str, Any], waited: float) -> None:
        self.events += 1
        self.more.set()
        if self.events == 1:
            self.first = waited
        if LAST in row["content"] and not row["content"].startswith("$"):
            self.last = waited
            self.printed.set()
