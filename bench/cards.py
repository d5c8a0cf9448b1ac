"""(i) Opening the room in which 500 proposals wait for a decision."""

import asyncio
import time
from functools import partial

from bench.approvals import proposals
from bench.measure import Effort, Figures, Outcome, Row, at_most, interleaved, percentile
from bench.people import Room, furnish
from bench.requests import Connection
from bench.servers import Stage

CARDS, OF_ONE_AGENT = 500, 100
OPENED_A_ROUND = 40
EMPTY = "an empty room"

NOTES = [
    f"{CARDS} proposals of {CARDS // OF_ONE_AGENT} agents wait in one room. The page is asked for with one "
    "request at a time, each under an address of its own, so that no page is answered from what was kept.",
]


def run(stage: Stage, effort: Effort) -> Outcome:
    cards, opened = effort.scaled(CARDS, 10), effort.scaled(OPENED_A_ROUND, 3)
    rows = []
    for kind, name in effort.databases.items():
        database = stage.database(kind)
        rooms = {
            what: furnish(database, 1, agents=CARDS // OF_ONE_AGENT, key=key)
            for what, key in (("cards", "full"), (EMPTY, "bare"))
        }
        for by in range(CARDS // OF_ONE_AGENT):
            proposals(database, rooms["cards"], cards // (CARDS // OF_ONE_AGENT), by)
        server = stage.web(database)
        subjects = {what: partial(_measure, server.port, room, opened) for what, room in rooms.items()}
        found = interleaved(subjects, effort.rounds)
        ours, bare = found["cards"], found[EMPTY]
        rows += [
            Row(f"{name}, {cards} proposals: p95 ms", ours["p95 ms"], bare["p95 ms"], EMPTY,
                at_most(300, ratio=False)),
            Row(f"{name}, {cards} proposals: p50 ms", ours["p50 ms"], bare["p50 ms"], EMPTY),
        ]  # fmt: skip
    return Outcome("(i) Opening a room full of cards", rows, NOTES)


def _measure(port: int, room: Room, opened: int) -> Figures:
    waits = asyncio.run(_open(port, room, opened))
    return {"p50 ms": percentile(waits, 0.5), "p95 ms": percentile(waits, 0.95)}


async def _open(port: int, room: Room, opened: int) -> list[float]:
    connection, waits = Connection(port), []
    headers = {"Cookie": f"tr_sid={room.people[0].cookie}", "Accept": "text/html"}
    for _ in range(opened):
        began = time.perf_counter()
        answer = await connection.get(f"/{room.key}/chat?opened={time.time_ns()}", headers)
        assert answer.status == 200, answer
        waits.append((time.perf_counter() - began) * 1000)
    await connection.close()
    return waits
