"""Requests to the executor: carried out once, or refused with a reason."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from models import Agent, ExecutorRequest, Membership, db
from models.errors import Forbidden
from models.executor_request import KINDS
from queues import requests
from tests.queues.conftest import Running
from tests.queues.crew import Crew
from tests.support.processes import wait_until

Start = Callable[..., Running]


def ask(crew: Crew, payload: dict[str, Any], kind: str = "agent_provision") -> UUID:
    request = ExecutorRequest.ask(crew.project.id, kind, payload, crew.mara.id)
    db.session.commit()
    return request.id


def ended(request_id: UUID) -> ExecutorRequest:
    def status() -> str:
        db.session.rollback()
        found = db.session.get_one(ExecutorRequest, request_id, populate_existing=True).status
        db.session.rollback()
        return found

    wait_until(lambda: status() in ("processed", "failed"), what="the end of the request")
    return db.session.get_one(ExecutorRequest, request_id)


def test_an_agent_is_provisioned(crew: Crew, start: Start) -> None:
    wanted = {"key": "piccolo", "name": "Piccolo", "persona": "Calm.", "title": "Auditor"}
    request_id = ask(crew, wanted)

    start([])

    request = ended(request_id)
    agent = Agent.by_key(crew.project.id, "piccolo")
    assert agent is not None
    assert (agent.name, agent.persona, agent.title) == ("Piccolo", "Calm.", "Auditor")
    assert request.result == {"agent_id": str(agent.id), "key": "piccolo"}
    assert request.status == "processed"


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ({"key": "trunks", "name": "Again"}, "somebody with this key or handle exists"),
        ({"key": "ui", "name": "UI"}, "key is the word for what a person did on a page"),
        ({"key": "x", "name": 3}, "name"),
        ({"name": "No key"}, requests.BROKEN),
    ],
)
def test_what_cannot_be_done_says_why_and_leaves_nothing(
    crew: Crew, start: Start, payload: dict[str, Any], reason: str
) -> None:
    request_id = ask(crew, payload)
    good = ask(crew, {"key": "piccolo", "name": "Piccolo"})

    start([])

    assert reason in str((ended(request_id).result or {})["reason"])
    assert ended(good).status == "processed"
    keys = db.session.scalars(select(Agent.key).order_by(Agent.key))
    assert list(keys) == ["bulma", "krillin", "piccolo", "trunks"]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in requests.CARRIED_OUT])
def test_what_does_not_exist_yet_is_refused(crew: Crew, start: Start, kind: str) -> None:
    request_id = ask(crew, {}, kind)

    start([])

    assert ended(request_id).result == {"reason": requests.NOT_YET}


@pytest.mark.parametrize("lost", ["the role", "the account", "the project"])
def test_who_asked_must_still_have_the_right(crew: Crew, lost: str) -> None:
    membership = Membership.of(crew.project.id, crew.jonas.id)
    assert membership
    membership.role = "operator"
    wanted = {"key": "piccolo", "name": "Piccolo"}
    request = ExecutorRequest.ask(crew.project.id, "agent_provision", wanted, crew.jonas.id)
    if lost == "the role":
        membership.role = "member"
    elif lost == "the account":
        crew.jonas.deactivate()
    else:
        crew.project.archive()
    db.session.commit()

    with pytest.raises(Forbidden):
        requests.carry_out(request.id)
    assert Agent.by_key(crew.project.id, "piccolo") is None


def test_a_request_is_carried_out_once(crew: Crew) -> None:
    request_id = ask(crew, {"key": "piccolo", "name": "Piccolo"})

    assert requests.carry_out(request_id)
    db.session.commit()
    assert not requests.carry_out(request_id)
    assert not requests.refuse(request_id, "too late")
