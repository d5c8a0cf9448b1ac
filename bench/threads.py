"""(e) Opening a thread of a million messages, against one of a thousand and against an empty route."""

import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import psycopg
from sqlalchemy import insert, update

from bench import tools
from bench.measure import Effort, Figures, Outcome, Row, at_least, at_most, interleaved
from bench.people import Room, application, furnish
from bench.servers import Server, Stage
from models.base import db, new_id
from models.markup import render
from models.message import Message
from models.thread import Thread
from tests.support.databases import Database

SMALL, LARGE = 1_000, 1_000_000
AT_ONCE = 8
BATCH = 5_000
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
TEXT = "The **nightly** backup took 12 minutes, 4 more than before: see `backup.log`. Shall I look why? " * 3
EMPTY = "an empty route"

NOTES = [
    f"Opening is the whole page of the room, with its newest 50 messages of {len(TEXT)} characters. The "
    "latency is measured with one request at a time, the rate with "
    f"{AT_ONCE} connections; the empty route is `/healthz` of the same process.",
    "Nobody posts meanwhile. The requests are of one person each connection, signed in by cookie.",
]


def run(stage: Stage, effort: Effort) -> Outcome:
    large = effort.scaled(LARGE, 2_000)
    rows = []
    for kind, name in effort.databases.items():
        database = stage.database(kind)
        rooms = {size: filled(database, size) for size in (SMALL, large)}
        server = stage.web(database)
        pages = {f"{size:,}": (room, f"/{room.key}/chat") for size, room in rooms.items()}
        pages[EMPTY] = (rooms[SMALL], "/healthz")
        subjects = {
            what: partial(_measure, stage, server, room, path, effort.seconds)
            for what, (room, path) in pages.items()
        }
        print(name)
        rows += _rows(name, interleaved(subjects, effort.rounds), f"{SMALL:,}", f"{large:,}")
    return Outcome("(e) Opening a long thread", rows, NOTES)


def _rows(name: str, found: dict[str, Figures], small: str, large: str) -> list[Row]:
    ours, short, empty = found[large], found[small], found[EMPTY]
    other = f"one of {small}"
    return [
        Row(f"{name}, {large} messages: p95 ms", ours["p95 ms"], short["p95 ms"], other, at_most(1.5)),
        Row(f"{name}, {large} messages: p50 ms", ours["p50 ms"], short["p50 ms"], other),
        Row(f"{name}, {large} messages: pages/s", ours["per s"], empty["per s"], EMPTY, at_least(0.3)),
    ]


def _measure(stage: Stage, server: Server, room: Room, path: str, seconds: float) -> Figures:
    alone = _ask(stage, server, room, path, seconds / 2, 1)
    together = _ask(stage, server, room, path, seconds / 2, AT_ONCE)
    return {"p50 ms": alone["p50_ms"], "p95 ms": alone["p95_ms"], "per s": together["per_s"]}


def _ask(stage: Stage, server: Server, room: Room, path: str, seconds: float, at_once: int) -> Figures:
    people = room.write_people(stage.folder / "people", at_once)
    words = ["-p", server.port, "-f", people, "-a", path, "-d", seconds]
    command = [str(word) for word in (tools.compiled("http"), *words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"bench: {path} failed: {done.stdout}{done.stderr}{server.process.log[-2000:]}")
    told: Figures = json.loads(done.stdout)
    return told


def filled(database: Database, size: int) -> Room:
    """A room with that many messages, written in bulk, past the rules of posting."""
    room = furnish(database, AT_ONCE, key=f"room{size}")
    with application(database), db.engine.begin() as connection:
        rows = _messages(room, size)
        while batch := [row for row, _ in zip(rows, range(BATCH), strict=False)]:
            connection.execute(insert(Message), batch)
        connection.execute(update(Thread).where(Thread.id == room.thread_id).values(last_seq=size))
    settle(database)
    return room


def settle(database: Database) -> None:
    """What PostgreSQL does by itself after such a load, here before the clock runs and not beside it."""
    if database.kind == "postgresql":
        url = database.owner_url.replace("+psycopg", "")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("VACUUM (ANALYZE)")
            connection.execute("CHECKPOINT")


def _messages(room: Room, size: int) -> Iterator[dict[str, Any]]:
    html = render(TEXT).html
    for seq in range(1, size + 1):
        yield {
            "id": new_id(),
            "created_at": BEGIN + timedelta(seconds=seq),
            "project_id": room.project_id,
            "thread_id": room.thread_id,
            "seq": seq,
            "author_kind": "person",
            "user_id": room.people[seq % AT_ONCE].id,
            "content": TEXT,
            "content_html": html,
            "client_id": str(seq),
        }
