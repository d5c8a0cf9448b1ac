"""(b) Posting a message durably, against the same without the database."""

import asyncio
import json
from functools import partial
from pathlib import Path

from bench import tools
from bench.measure import Effort, Figures, Outcome, Row, at_least, interleaved
from bench.people import Room, furnish
from bench.screens import nobody, open_screens
from bench.servers import Server, Stage

OUTSTANDING = 32
BYTES = 300
PAGES = 8
LIMIT = "without a database"


def run(stage: Stage, effort: Effort) -> Outcome:
    subjects = {
        name: partial(_measure, stage, *served(stage, kind), effort.seconds)
        for kind, name in effort.databases.items()
    }
    subjects[LIMIT] = partial(_measure, stage, *served(stage, None), effort.seconds)
    found = interleaved(subjects, effort.rounds)
    return Outcome("(b) Posting a message", _rows(found, effort), NOTES)


NOTES = [
    f"{OUTSTANDING} people, each with one post of {BYTES} bytes under way; {PAGES} pages are open and get "
    "every one. The time is from sending the request to having the answer, which comes after the commit.",
    "Both databases flush every commit to the disk. Without a database (`bench/posting/server.py`) the "
    "sign-in and the thread are remembered and the message is only numbered; HTTP, checks, markdown, "
    "rendering and the push are the same.",
    "On PostgreSQL the server's own processes run on the same cores as ours.",
]


def served(stage: Stage, kind: str | None, people: int = OUTSTANDING) -> tuple[Server, Room]:
    """The product on this kind of database, or on none."""
    database = stage.database(kind or "sqlite")
    room = furnish(database, people)
    if kind is None:
        return stage.variant(Path(__file__).with_name("server.py"), database), room
    return stage.web(database), room


def _measure(stage: Stage, server: Server, room: Room, seconds: float) -> Figures:
    return asyncio.run(_posts(stage, server, room, seconds))


async def _posts(stage: Stage, server: Server, room: Room, seconds: float) -> Figures:
    people = room.write_people(stage.folder / "people", OUTSTANDING)
    screens = await open_screens(server.port, room.people, PAGES, room.stream, nobody)
    words = ["-p", server.port, "-f", people, "-a", room.address, "-d", seconds, "-b", BYTES]
    load = await asyncio.create_subprocess_exec(
        tools.compiled("http"),
        *map(str, words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, failed = await load.communicate()
    for screen in screens:
        screen.close()
    if load.returncode:
        raise SystemExit(
            f"bench: posting failed at {server.process.name}: {failed.decode()}\n{server.process.log[-2000:]}"
        )
    told = json.loads(said)
    return {"posts/s": told["per_s"], "p50 ms": told["p50_ms"], "p99 ms": told["p99_ms"]}


def _rows(found: dict[str, Figures], effort: Effort) -> list[Row]:
    rows = []
    limit = found[LIMIT]
    for name in effort.databases.values():
        ours = found[name]
        rows += [
            Row(f"{name}: posts/s", ours["posts/s"], limit["posts/s"], LIMIT, at_least(0.6)),
            Row(f"{name}: posts/s", ours["posts/s"], goal=at_least(500, ratio=False)),
            Row(f"{name}: p50 ms", ours["p50 ms"], limit["p50 ms"], LIMIT),
            Row(f"{name}: p99 ms", ours["p99 ms"], limit["p99 ms"], LIMIT),
        ]
    return rows
