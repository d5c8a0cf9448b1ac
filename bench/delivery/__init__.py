"""(c) From send to the other screens, and (g) how long the web process ever stands still meanwhile."""

import asyncio
import json
import sys
import time
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from uuid import uuid4

from bench import posting
from bench.delivery.storm import storm
from bench.measure import Effort, Figures, Outcome, Row, at_most, interleaved, percentile
from bench.people import Room, furnish
from bench.requests import Connection
from bench.screens import Packet, open_screens
from bench.servers import Server, Stage
from tests.support.databases import Database

PROBE = Path(__file__).with_name("probe.py")
PEOPLE, SCREENS = 50, 200
PER_SECOND = 10
TEXT = "Which of the two backups is the newer one? I would restart it only *after* the check. " * 3
ARRIVE_SECONDS = 5
LIMIT, STORM = "without a database", "in a storm"

NOTES = [
    f"{SCREENS} pages of {PEOPLE} people are open and {PER_SECOND} messages a second are posted by HTTP. The "
    "time is from sending the request to the arrival at each page; all pages are in one Python process, "
    "whose own work is in the figures.",
    "The stall is what `/healthz`, asked every 5 ms by another process, waits for its answer. In the storm 8 "
    "connections sign in with wrong passwords without a pause, each from another address: "
    "200 reach the slow hash, as many as one minute allows, and the others are refused. On SQLite another "
    "process holds the write lock for 200 ms twice a second.",
]


def run(stage: Stage, effort: Effort) -> Outcome:
    screens = effort.scaled(SCREENS, 20)
    seconds = effort.seconds * 2
    subjects = {}
    for kind, name in effort.databases.items():
        database = stage.database(kind)
        room = furnish(database, PEOPLE)
        server = stage.web(database, TRUSTED_PROXIES="1")
        subjects[name] = partial(_measure, server, room, screens, seconds, None)
        subjects[f"{name} {STORM}"] = partial(_measure, server, room, screens, seconds, database)
    subjects[LIMIT] = partial(_measure, *posting.served(stage, None, PEOPLE), screens, seconds, None)
    found = interleaved(subjects, effort.rounds)
    return Outcome(
        "(c, g) From send to the other screens, and the longest stall", _rows(found, effort), NOTES
    )


def _rows(found: dict[str, Figures], effort: Effort) -> list[Row]:
    rows = []
    for name in effort.databases.values():
        calm, rough, limit = found[name], found[f"{name} {STORM}"], found[LIMIT]
        rows += [
            Row(f"{name}: p95 ms", calm["p95 ms"], limit["p95 ms"], LIMIT, at_most(100, ratio=False)),
            Row(f"{name}: p50 ms", calm["p50 ms"], limit["p50 ms"], LIMIT),
            Row(f"{name}: stall p99 ms", calm["stall p99 ms"], limit["stall p99 ms"], LIMIT),
            Row(
                f"{name} {STORM}: stall p99 ms",
                rough["stall p99 ms"],
                limit["stall p99 ms"],
                LIMIT,
                at_most(50, ratio=False),
            ),
            Row(f"{name} {STORM}: longest stall ms", rough["longest ms"], limit["longest ms"], LIMIT),
            Row(f"{name} {STORM}: p95 ms", rough["p95 ms"], limit["p95 ms"], LIMIT),
        ]
    return rows


def _measure(server: Server, room: Room, screens: int, seconds: float, rages: Database | None) -> Figures:
    return asyncio.run(Talk(server, room).figures(screens, seconds, rages))


class Talk:
    """People post at a steady pace, and every page notes when each message arrives."""

    def __init__(self, server: Server, room: Room) -> None:
        self._server, self._room = server, room
        self._sent: dict[str, float] = {}
        self._waits: list[float] = []

    async def figures(self, screens: int, seconds: float, rages: Database | None) -> Figures:
        async with AsyncExitStack() as stack:
            pages = await open_screens(
                self._server.port, self._room.people, screens, self._room.stream, self._heard
            )
            weather = await stack.enter_async_context(storm(self._server.port, rages)) if rages else None
            stalls = asyncio.create_task(self._stalls(seconds))
            await self._talk(seconds)
            found = await stalls
            if weather is not None:
                assert weather.refused > 0, "nobody tried to sign in"
        await self._arrived(screens)
        for page in pages:
            page.close()
        return {
            "p50 ms": percentile(self._waits, 0.5),
            "p95 ms": percentile(self._waits, 0.95),
            "p99 ms": percentile(self._waits, 0.99),
            "stall p99 ms": percentile(found, 0.99),
            "longest ms": max(found),
        }

    async def _talk(self, seconds: float) -> None:
        """Post at fixed times, whether or not the last one was answered."""
        people = self._room.people
        connections = [Connection(self._server.port) for _ in people]
        posts, began = [], time.perf_counter()
        for number in range(int(seconds * PER_SECOND)):
            await asyncio.sleep(began + number / PER_SECOND - time.perf_counter())
            place = number % len(people)
            posts.append(asyncio.create_task(self._post(connections[place], place)))
        await asyncio.gather(*posts)
        for connection in connections:
            await connection.close()

    async def _post(self, connection: Connection, place: int) -> None:
        client_id = str(uuid4())
        self._sent[client_id] = time.perf_counter()
        said = {"content": TEXT, "client_id": client_id}
        answer = await connection.post(self._room.address, said, self._room.people[place])
        assert answer.status == 201, answer

    def _heard(self, name: str, packet: Packet, at: float) -> None:
        for item in packet["items"] if name == "changes" else ():
            sent = self._sent.get((item["row"] or {}).get("client_id", ""))
            if sent is not None and item["op"] == "insert":
                self._waits.append((at - sent) * 1000)

    async def _arrived(self, screens: int) -> None:
        """Until every page has every message: none may be lost, however late."""
        deadline = time.perf_counter() + ARRIVE_SECONDS
        while len(self._waits) < len(self._sent) * screens:
            assert time.perf_counter() < deadline, "a message did not reach every page"
            await asyncio.sleep(0.05)

    async def _stalls(self, seconds: float) -> list[float]:
        probe = await asyncio.create_subprocess_exec(
            sys.executable, PROBE, str(seconds), str(self._server.port), stdout=asyncio.subprocess.PIPE
        )
        said, _ = await probe.communicate()
        waits: list[float] = json.loads(said)
        return waits
