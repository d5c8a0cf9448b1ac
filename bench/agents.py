"""(d) From a message to its agent's first words: what we add to the model's own time."""

import asyncio
import json
import sys
import time
from dataclasses import dataclass, field
from functools import partial
from uuid import uuid4

from bench.measure import Effort, Figures, Outcome, Row, at_most, interleaved, percentile
from bench.people import Room, agent_key, furnish
from bench.requests import Connection
from bench.screens import Packet, open_screens
from bench.servers import Server, Stage

AT_ONCE = 16
TURNS_A_ROUND = 20
PATIENCE_SECONDS = 30
SCRIPT = {"first_delay": 0.3, "delay": 0.02, "default": {"words": 100}}
MODEL = "the model alone"

NOTES = [
    f"{AT_ONCE} people write to {AT_ONCE} agents at the same moment, so {AT_ONCE} answers stream at once; "
    "each has 100 words. The time is from sending the request to the first text on another open page.",
    "The model is a scripted endpoint that waits 300 ms and then sends an event every 20 ms. What it takes "
    "alone is measured by calling it directly, as many at once; our share is what is left.",
]


def run(stage: Stage, effort: Effort) -> Outcome:
    at_once = effort.scaled(AT_ONCE, 2)
    turns = effort.scaled(TURNS_A_ROUND, 1)
    model = _model(stage)
    subjects = {}
    for kind, name in effort.databases.items():
        database = stage.database(kind)
        room = furnish(database, at_once, agents=at_once)
        variables = {"ANTHROPIC_BASE_URL": model.url, "ANTHROPIC_API_KEY": "bench", "LOG_LEVEL": "WARNING"}
        live = stage.live(database, **variables).start_all()
        subjects[name] = partial(_measure, live.port, room, turns)
    subjects[MODEL] = partial(_measure_model, model.port, at_once, turns)
    found = interleaved(subjects, effort.rounds)
    return Outcome("(d) From a message to its agent's first words", _rows(found, effort), NOTES)


def _rows(found: dict[str, Figures], effort: Effort) -> list[Row]:
    alone = found[MODEL]["p50 ms"]
    rows = []
    for name in effort.databases.values():
        ours = found[name]
        rows += [
            Row(f"{name}: p95 ms in all", ours["p95 ms"], alone, MODEL),
            Row(f"{name}: our share of it, p95 ms", ours["p95 ms"] - alone, goal=at_most(100, ratio=False)),
            Row(f"{name}: our share of it, p50 ms", ours["p50 ms"] - alone),
        ]
    return rows


def _model(stage: Stage) -> Server:
    script = stage.folder / "script.json"
    script.write_text(json.dumps(SCRIPT))
    command = [sys.executable, "-m", "agents.scripted_server", "--script", script, "--port"]
    return stage.server("model", *command)


def _figures(waits: list[float]) -> Figures:
    return {"p50 ms": percentile(waits, 0.5), "p95 ms": percentile(waits, 0.95)}


def _measure(port: int, room: Room, turns: int) -> Figures:
    return asyncio.run(_conversations(port, room, turns))


async def _conversations(port: int, room: Room, turns: int) -> Figures:
    waits: list[float] = []
    chorus = Chorus()
    [page] = await open_screens(port, room.people, 1, room.stream, chorus.heard)
    connections = [Connection(port) for _ in room.people]
    for _ in range(turns):
        chorus.begin(len(room.people))
        posts = [_ask(connections[number], room, number, chorus) for number in range(len(room.people))]
        await asyncio.gather(*posts)
        await asyncio.wait_for(chorus.finished.wait(), PATIENCE_SECONDS)
        waits += chorus.waits
    page.close()
    for connection in connections:
        await connection.close()
    return _figures(waits)


async def _ask(connection: Connection, room: Room, number: int, chorus: "Chorus") -> None:
    key = agent_key(number)
    chorus.asked[key] = time.perf_counter()
    said = {"content": f"@{key} which backup is newer?", "client_id": str(uuid4())}
    answer = await connection.post(room.address, said, room.people[number])
    assert answer.status == 201, answer


@dataclass
class Chorus:
    """What one page hears while every agent answers one message."""

    agents: int = 0
    asked: dict[str, float] = field(default_factory=dict)
    first: dict[str, float] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    finished: asyncio.Event = field(default_factory=asyncio.Event)

    def begin(self, agents: int) -> None:
        self.agents, self.asked, self.first, self.ended = agents, {}, {}, set()
        self.finished.clear()

    @property
    def waits(self) -> list[float]:
        return [(at - self.asked[key]) * 1000 for key, at in self.first.items()]

    def heard(self, name: str, packet: Packet, at: float) -> None:
        if name == "delta" and packet["text"]:
            self.first.setdefault(packet["agent"], at)
        elif name == "changes":
            for item in packet["items"]:
                self._changed(item)
        if len(self.ended) == self.agents:
            self.finished.set()

    def _changed(self, item: Packet) -> None:
        row = item["row"] or {}
        if item["table"] == "chat_delivery_queue" and row.get("status") in ("processed", "failed"):
            assert row["status"] == "processed", row
            self.ended.add(row["target_agent_key"])


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
