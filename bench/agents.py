"""(d) From a message to its agent's first words: what we add to the model's own time."""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from uuid import uuid4

from bench.measure import Effort, Figures, Outcome, Row, at_most, interleaved, percentile
from bench.people import Room, agent_key, furnish
from bench.requests import Connection
from bench.screens import Packet, open_screens
from bench.servers import Server, Stage

AT_ONCE = 16
TURNS_A_ROUND = 12
PATIENCE_SECONDS = 30
FIRST_DELAY, DELAY, WORDS = 0.3, 0.02, 100
"""Seconds before the model's first event, and between two; words of an answer."""
MODEL = "the model alone"
TOGETHER = ", all at the same moment"

NOTES = [
    f"{AT_ONCE} people talk with {AT_ONCE} agents, each of whom is asked again as soon as its answer has "
    f"ended: {AT_ONCE} answers of {WORDS} words stream at once while the next message comes. The time is "
    "from sending the request to the first text on another open page.",
    f"At the same moment: all {AT_ONCE} write at once, and write again when the last answer has ended.",
    "The model is a scripted endpoint that waits 300 ms and then sends an event every 20 ms. What it takes "
    "alone is measured by calling it directly, as many at once; our share is what is left.",
]


def run(stage: Stage, effort: Effort) -> Outcome:
    at_once = effort.scaled(AT_ONCE, 2)
    turns = effort.scaled(TURNS_A_ROUND, 1)
    words = effort.scaled(WORDS, 10)
    model = _model(stage, words)
    # Those who write in turn are spread over the time that one answer takes.
    in_turn = InTurn(FIRST_DELAY + DELAY * words)
    subjects = {}
    for kind, name in effort.databases.items():
        database = stage.database(kind)
        room = furnish(database, at_once, agents=at_once)
        variables = {"ANTHROPIC_BASE_URL": model.url, "ANTHROPIC_API_KEY": "bench", "LOG_LEVEL": "WARNING"}
        live = stage.live(database, **variables).start_all()
        subjects[name] = partial(_measure, live.port, room, turns, in_turn)
        subjects[name + TOGETHER] = partial(_measure, live.port, room, turns, together)
    subjects[MODEL] = partial(_measure_model, model.port, at_once, turns)
    found = interleaved(subjects, effort.rounds)
    return Outcome("(d) From a message to its agent's first words", _rows(found, effort), NOTES)


def _rows(found: dict[str, Figures], effort: Effort) -> list[Row]:
    alone = found[MODEL]["p50 ms"]
    rows = []
    for name in effort.databases.values():
        ours, burst = found[name], found[name + TOGETHER]
        rows += [
            Row(f"{name}: p95 ms in all", ours["p95 ms"], alone, MODEL),
            Row(f"{name}: our share of it, p95 ms", ours["p95 ms"] - alone, goal=at_most(100, ratio=False)),
            Row(f"{name}: our share of it, p50 ms", ours["p50 ms"] - alone),
            Row(f"{name}{TOGETHER}: our share, p95 ms", burst["p95 ms"] - alone),
            Row(f"{name}{TOGETHER}: our share, p50 ms", burst["p50 ms"] - alone),
        ]
    return rows


def _model(stage: Stage, words: int) -> Server:
    script = stage.folder / "script.json"
    asked = {"first_delay": FIRST_DELAY, "delay": DELAY, "default": {"words": words}}
    script.write_text(json.dumps(asked))
    command = [sys.executable, "-m", "agents.scripted_server", "--script", script, "--port"]
    return stage.server("model", *command)


def _figures(waits: list[float]) -> Figures:
    return {"p50 ms": percentile(waits, 0.5), "p95 ms": percentile(waits, 0.95)}


def _measure(port: int, room: Room, turns: int, manner: "Manner") -> Figures:
    return asyncio.run(_conversations(port, room, turns, manner))


async def _conversations(port: int, room: Room, turns: int, manner: "Manner") -> Figures:
    talks = [Talk(Connection(port), room, number) for number in range(len(room.people))]
    chorus = Chorus({talk.agent: talk for talk in talks})
    [page] = await open_screens(port, room.people, 1, room.stream, chorus.heard)
    await manner(talks, turns)
    page.close()
    for talk in talks:
        await talk.connection.close()
    return _figures([wait for talk in talks for wait in talk.waits])


@dataclass
class Talk:
    """One person and one agent: what was asked is answered before the next is asked."""

    connection: Connection
    room: Room
    number: int
    waits: list[float] = field(default_factory=list)
    asked: float = 0.0
    begun: bool = True
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def agent(self) -> str:
        return agent_key(self.number)

    async def turn(self) -> None:
        self.begun = False
        self.ended.clear()
        self.asked = time.perf_counter()
        said = {"content": f"@{self.agent} which backup is newer?", "client_id": str(uuid4())}
        answer = await self.connection.post(self.room.address, said, self.room.people[self.number])
        assert answer.status == 201, answer
        await asyncio.wait_for(self.ended.wait(), PATIENCE_SECONDS)

    def words(self, at: float) -> None:
        if not self.begun:
            self.begun = True
            self.waits.append((at - self.asked) * 1000)


Manner = Callable[[Sequence[Talk], int], Awaitable[None]]


async def together(talks: Sequence[Talk], turns: int) -> None:
    for _ in range(turns):
        await asyncio.gather(*(talk.turn() for talk in talks))


@dataclass(frozen=True)
class InTurn:
    """Nobody waits for another; the first turn of each, in which fewer answers stream, does not count."""

    seconds: float

    async def __call__(self, talks: Sequence[Talk], turns: int) -> None:
        parts = enumerate(talks)
        await asyncio.gather(*(self._talk(talk, n / len(talks), 1 + turns) for n, talk in parts))

    async def _talk(self, talk: Talk, part: float, turns: int) -> None:
        await asyncio.sleep(self.seconds * part)
        for _ in range(turns):
            await talk.turn()
        del talk.waits[0]


@dataclass
class Chorus:
    """What one page hears of all talks."""

    talks: dict[str, Talk]

    def heard(self, name: str, packet: Packet, at: float) -> None:
        if name == "delta" and packet["text"]:
            self.talks[packet["agent"]].words(at)
        elif name == "changes":
            for item in packet["items"]:
                self._changed(item)

    def _changed(self, item: Packet) -> None:
        row = item["row"] or {}
        if item["table"] == "chat_delivery_queue" and row.get("status") in ("processed", "failed"):
            assert row["status"] == "processed", row
            self.talks[row["target_agent_key"]].ended.set()


def _measure_model(port: int, at_once: int, turns: int) -> Figures:
    return asyncio.run(_model_alone(port, at_once, turns))


async def _model_alone(port: int, at_once: int, turns: int) -> Figures:
    waits: list[float] = []
    for _ in range(turns):
        waits += await asyncio.gather(*(_first_words(port) for _ in range(at_once)))
    return _figures(waits)


async def _first_words(port: int) -> float:
    """Milliseconds to the first piece of text of one answer, which is then heard to its end."""
    began = time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = json.dumps({"model": "bench", "messages": [{"role": "user", "content": "hello"}]}).encode()
    writer.write(b"POST /v1/messages HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
    await reader.readuntil(b"content_block_delta")
    waited = (time.perf_counter() - began) * 1000
    await reader.readuntil(b"message_stop")
    writer.close()
    return waited
