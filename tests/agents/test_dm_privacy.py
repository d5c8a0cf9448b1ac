"""What an agent is given and can read, while it answers: its own conversation and the room, and no other."""

import asyncio
from typing import get_args

import pytest

from agents.context import packs
from agents.tools import registry
from agents.tools.tool import Job, ToolContext
from models.thread import Thread
from tests.agents.team import Team, delivery_of

WORD = "swordfish"
JOBS = get_args(Job)


async def in_this_session(fn, *args):
    return fn(*args)


@pytest.fixture
def talk(team: Team) -> dict[str, Thread]:
    """Priya's with ops holds the word; nothing else does."""
    made = {
        "hers": Thread.dm(team.project.id, team.priya.id, "ops"),
        "hers with another agent": Thread.dm(team.project.id, team.priya.id, "qa"),
        "of another person": Thread.dm(team.project.id, team.sam.id, "ops"),
        "the room": team.room,
        "of another project": Team.create("other").room,
    }
    for where, thread in made.items():
        team.say("hello", thread=thread, by=team.sam if where == "of another person" else team.priya)
    team.say(f"the {WORD}", thread=made["hers"])
    return made


def everything(thread: Thread, agent_key: str, job: Job) -> str:
    """All that the tools of a job tell, asked for the word."""
    context = ToolContext(thread.project_id, thread.id, agent_key, db=in_this_session)
    allowed = registry.for_job(job)
    told = []
    for name, tool in allowed.tools.items():
        asked = {"query": WORD} if "query" in tool.arguments.model_fields else {}
        told.append(asyncio.run(allowed.bind(context).call(name, asked)).text)
        if name == "read_thread":
            told += [asyncio.run(allowed.bind(context).call(name, {"around": n})).text for n in (1, 2, 50)]
    # What was asked for may be repeated to who asked.
    return "\n".join(told).replace(f"No message holds {WORD}", "")


@pytest.mark.parametrize("job", JOBS)
def test_its_own_conversation_is_read(talk: dict[str, Thread], job: Job) -> None:
    """The control."""
    assert WORD in everything(talk["hers"], "ops", job)


@pytest.mark.parametrize("job", JOBS)
@pytest.mark.parametrize("agent", ["ops", "qa"])
@pytest.mark.parametrize(
    "where", ["hers with another agent", "of another person", "the room", "of another project"]
)
def test_no_other_is(talk: dict[str, Thread], where: str, agent: str, job: Job) -> None:
    assert WORD not in everything(talk[where], agent, job)


def test_what_a_turn_begins_with_is_of_its_own_thread(team: Team, talk: dict[str, Thread]) -> None:
    asked = {
        where: delivery_of(
            team.say("@ops and?", thread=talk[where], by=team.sam if "person" in where else team.priya)
        )
        for where in ("hers", "hers with another agent", "of another person", "the room")
    }

    given = packs(list(asked.values()))

    assert {where for where, delivery in asked.items() if WORD in str(given[delivery].turn)} == {"hers"}
