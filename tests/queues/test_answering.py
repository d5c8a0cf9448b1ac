"""One answer while it is written: what pages are told, what is saved, and who may still write."""

import asyncio
from collections.abc import AsyncGenerator
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from agents import loop
from agents.loop import Outcome, Turn
from agents.provider import Part
from agents.usage import Budget, Usage
from models import Agent, Delivery, db
from models.base import Stateful
from models.message import Answer
from models.wish import Wish
from queues import answering, deliveries, external
from queues.answering import Answering
from queues.deliveries import Claimed, Doing
from queues.sweeper import Sweeper
from tests.queues.conftest import Published
from tests.queues.crew import Crew

NOBODY = UUID(int=0)
CLAIMED = Claimed(NOBODY, "token", 2, NOBODY, NOBODY, NOBODY, "trunks", "project:x")


def answering_on(bus: Published) -> Answering:
    return Answering(CLAIMED, bus.publish, lambda: None)


class Thinker:
    """A provider that thinks before it writes; `heard` is asked after each part."""

    def __init__(self, heard: Any) -> None:
        self._heard = heard

    def model_for(self, wanted: str) -> str:
        return "thinker"

    def call(self, request: object) -> Any:
        return SimpleNamespace(
            parts=self._parts,
            content=[{"type": "text", "text": "so"}],
            stop_reason="end_turn",
            note="",
            usage=Usage(),
        )

    async def _parts(self) -> AsyncGenerator[Part]:
        for _ in range(3):
            yield Part("thinking")
            self._heard()
        yield Part("text", "so")


def test_thinking_is_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that thinks for minutes must not look stuck to the watchdog."""
    monkeypatch.setattr(answering, "SAVED_EVERY", 0.0)
    one = answering_on(Published())
    saved: list[str | None] = []
    one.status("thinking", "")
    one.unsaved()
    toolset = SimpleNamespace(definitions=list)

    async def main() -> Outcome:
        provider: Any = Thinker(lambda: saved.append(one.unsaved()))
        tools: Any = toolset
        return await loop.run(Turn("", []), provider=provider, tools=tools, budget=Budget(), sink=one)

    assert asyncio.run(main()).text == "so"
    assert saved == ["", "", ""]


def test_the_first_words_come_at_once_and_later_ones_joined_but_before_a_status() -> None:
    async def main() -> Published:
        bus = Published()
        one = answering_on(bus)
        one.text("one ")
        one.text("two ")
        one.text("three")
        one.status("tool", "read_thread")
        one.text(" 🎉")
        one.end()
        return bus

    bus = asyncio.run(main())

    said = [(kind, p.get("offset"), p.get("text"), p.get("activity")) for kind, p in bus.said]
    assert said == [
        ("delta", 0, "one ", None),
        ("delta", 4, "two three", None),
        ("agent", None, None, "using read_thread"),
        ("delta", 13, " 🎉", None),
    ]
    assert bus.of("delta")[0]["attempt"] == 2


def test_words_taken_back_begin_anew_with_what_is_left() -> None:
    async def main() -> tuple[Answering, Published]:
        bus = Published()
        one = answering_on(bus)
        one.text("kept ")
        one.status("tool", "read_thread")
        one.text("wrong")
        one.status("writing", "")
        one.reset(5)
        one.text("right")
        one.end()
        return one, bus

    one, bus = asyncio.run(main())

    assert one.written == "kept right"
    assert [(d["offset"], d["text"], d.get("reset", False)) for d in bus.of("delta")] == [
        (0, "kept ", False),
        (5, "wrong", False),
        (0, "kept ", True),
        (5, "right", False),
    ]


@pytest.mark.parametrize("private", [False, True])
def test_the_project_is_not_told_what_is_done_in_a_conversation(crew: Crew, private: bool) -> None:
    crew.ask(thread=crew.dm(crew.mara) if private else None)
    [claimed] = deliveries.claim(1)
    bus, agents = Published(), Agent.of_project(crew.project.id)
    agent = next(agent for agent in agents if agent.key == "trunks")
    Answering(claimed, bus.publish, lambda: None).status("tool", "propose_api_call")
    deliveries.keep([claimed.token], {}, [Doing(claimed, "tool", "using propose_api_call")])
    line = [agent.state.activity]
    wish = Wish.of("trunks", "file_write", {"path": "a", "content": ""}, "why", "w1")
    external.propose(agent, db.session.get_one(Delivery, claimed.id), claimed.attempt, wish)
    line.append(agent.state.activity)

    assert line == (["", ""] if private else ["using propose_api_call", "proposing"])
    [said] = bus.of("agent")
    assert (said["status"], said["activity"], said.get("tool")) == (
        ("tool", "", None) if private else ("tool", "using propose_api_call", "propose_api_call")
    )


def late_holder(crew: Crew) -> Claimed:
    """What a worker still believes to hold, after it was taken back and another took it."""
    crew.ask()
    [late] = deliveries.claim(1)
    db.session.commit()
    crew.age(late.id, lease_until=1)
    assert Sweeper().sweep() == 1
    [_] = deliveries.claim(1)
    db.session.commit()
    return late


def test_only_the_last_lease_writes(crew: Crew) -> None:
    """I5: whoever lost the lease changes nothing, however he ends."""
    late = late_holder(crew)

    assert late.token not in deliveries.keep([late.token], {late.token: "late"}, [])
    for end in (deliveries.finish, deliveries.stop, deliveries.put_back):
        assert not end(late, "late", {})
    assert not deliveries.fail(late, "late", "late", {})
    db.session.commit()

    row = crew.delivery(late.id)
    assert (row.status, row.partial, row.attempts) == ("delivered", "", 2)
    assert crew.answers() == []


def test_a_build_that_ignores_the_lease_is_caught(crew: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control of the test above."""
    late = late_holder(crew)
    advance = Stateful.try_advance

    def careless(self: Delivery, *args: Any, token: str | None = None, **values: Any) -> bool:
        return advance(self, *args, **values)

    monkeypatch.setattr(Delivery, "try_advance", careless)

    assert deliveries.finish(late, Answer.of("late"), {})
