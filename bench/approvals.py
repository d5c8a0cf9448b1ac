"""(h) From the click on Approve until the effect has started, as another open page hears it."""

import asyncio
import time
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from uuid import UUID

from bench.measure import Effort, Figures, Outcome, Row, at_most, interleaved, percentile
from bench.people import Room, agent_key, application, furnish
from bench.requests import Connection
from bench.screens import Packet, open_screens
from bench.servers import Stage
from models.base import db
from models.proposal import Proposal
from models.thread import Thread
from models.wish import Wish
from tests.support.databases import Database

CLICKS_A_ROUND = 60
PATIENCE_SECONDS = 30
ANSWER = "the answer to the click"

NOTES = [
    "One person approves one proposal to create a task after the other, as soon as the last one is executed. "
    "The time is from sending the click to the packet that tells another page that its run has started.",
    "The web process, the worker of the queue `runs` and Redis run as in the Procfile; nothing else is asked "
    "of them meanwhile.",
]

_numbers = count(1)


def run(stage: Stage, effort: Effort) -> Outcome:
    clicks = effort.scaled(CLICKS_A_ROUND, 3)
    subjects = {}
    for kind, name in effort.databases.items():
        database = stage.database(kind)
        room = furnish(database, 1, agents=1)
        live = stage.live(database, LOG_LEVEL="WARNING")
        for process in ("web", "runs"):
            live.start(process)
        live.wait_ready()
        subjects[name] = partial(_measure, live.port, database, room, clicks)
    found = interleaved(subjects, effort.rounds)
    rows = [row for name in effort.databases.values() for row in _rows(name, found[name])]
    return Outcome("(h) From Approve to the effect", rows, NOTES)


def _rows(name: str, found: Figures) -> list[Row]:
    answered = found["answered p95 ms"]
    return [
        Row(f"{name}: effect started, p95 ms", found["started p95 ms"], answered, ANSWER,
            at_most(500, ratio=False)),
        Row(f"{name}: effect started, p50 ms", found["started p50 ms"]),
        Row(f"{name}: result shown, p95 ms", found["ended p95 ms"]),
    ]  # fmt: skip


def proposals(database: Database, room: Room, number: int, by: int = 0) -> list[tuple[UUID, str]]:
    """Ids and digests of proposals to create a task, which an agent makes in the room."""
    with application(database):
        thread = db.session.get_one(Thread, room.thread_id)
        made = []
        for index in (next(_numbers) for _ in range(number)):
            params = {"title": f"Task {index}", "description": "Look why.", "assignee_agent_key": None}
            wish = Wish.of(agent_key(by), "create_task", params, "because it is slow", f"bench-{index}")
            proposal = Proposal.make(thread, wish)
            made.append((proposal.id, proposal.digest))
        db.session.commit()
    return made


def _measure(port: int, database: Database, room: Room, clicks: int) -> Figures:
    waiting = proposals(database, room, clicks)
    return asyncio.run(_decide(port, room, waiting))


async def _decide(port: int, room: Room, waiting: list[tuple[UUID, str]]) -> Figures:
    witness = Witness()
    [page] = await open_screens(port, room.people, 1, room.stream, witness.heard)
    connection, person = Connection(port), room.people[0]
    for proposal_id, digest in waiting:
        witness.begin(str(proposal_id))
        answer = await connection.post(f"/api/proposals/{proposal_id}/approve", {"digest": digest}, person)
        assert answer.status == 200, answer
        witness.answered.append(witness.since())
        await asyncio.wait_for(witness.finished.wait(), PATIENCE_SECONDS)
    page.close()
    await connection.close()
    return witness.figures()


@dataclass
class Witness:
    """What one page hears while another one approves; milliseconds since the click."""

    proposal: str = ""
    at: float = 0.0
    answered: list[float] = field(default_factory=list)
    started: list[float] = field(default_factory=list)
    ended: list[float] = field(default_factory=list)
    finished: asyncio.Event = field(default_factory=asyncio.Event)
    _begun: bool = False

    def begin(self, proposal: str) -> None:
        self.proposal, self.at, self._begun = proposal, time.perf_counter(), False
        self.finished.clear()

    def since(self, at: float | None = None) -> float:
        return ((at or time.perf_counter()) - self.at) * 1000

    def heard(self, name: str, packet: Packet, at: float) -> None:
        for item in packet.get("items", ()) if name == "changes" else ():
            row = item["row"] or {}
            if item["table"] == "proposals" and row.get("id") == self.proposal:
                self._changed(row["execution"], self.since(at))

    def _changed(self, execution: str | None, waited: float) -> None:
        if execution in (None, "waiting"):
            return
        if not self._begun:
            self._begun = True
            self.started.append(waited)
        if execution != "running":
            assert execution == "success", execution
            self.ended.append(waited)
            self.finished.set()

    def figures(self) -> Figures:
        return {
            "answered p95 ms": percentile(self.answered, 0.95),
            "started p95 ms": percentile(self.started, 0.95),
            "started p50 ms": percentile(self.started, 0.5),
            "ended p95 ms": percentile(self.ended, 0.95),
        }
