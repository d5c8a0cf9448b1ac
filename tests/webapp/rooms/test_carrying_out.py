"""From the click to the effect, with the real worker: however often and by whomever it is clicked."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from models import Proposal, Run
from models.base import reading
from queues import actions
from queues.actions import steps
from tests import factories
from tests.queues import acting
from tests.queues.acting import World
from tests.queues.worlds import STAND_IN
from tests.support.processes import wait_until
from tests.webapp.rooms.conftest import House

CLICKS, SESSIONS = 50, 5


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setitem(actions.ACTIONS, "api_call", STAND_IN)
    world = World()
    yield world
    world.close()


@pytest.fixture
def proposal(house: House, world: World, db: SQLAlchemy) -> Proposal:
    made = factories.proposal(house.thread, house.trunks, "api_call", url=world.url, method="GET")
    db.session.commit()
    return made


@pytest.fixture
def act(make_app: Callable[..., Flask], proposal: Proposal) -> Iterator[Callable[[], None]]:
    started: list[acting.Running] = []
    yield lambda: started.append(acting.Running(make_app(DRAIN_SECONDS=0.2)))
    for running in started:
        running.end()


def ask(client: FlaskClient, proposal: Proposal, verb: str, **more: Any) -> TestResponse:
    said = {"digest": proposal.digest} | more
    if verb in ("approve", "retry"):
        said = {"name": proposal.action.object_name} | said
    return client.post(f"/api/proposals/{proposal.id}/{verb}", json=said)


def status(db: SQLAlchemy, proposal: Proposal) -> str:
    with reading(), Session(db.engine) as session:
        return str(session.scalar(select(Proposal.status).where(Proposal.id == proposal.id)))


def runs(db: SQLAlchemy) -> int:
    with reading(), Session(db.engine) as session:
        return len(session.scalars(select(Run.id)).all())


def clicked(house: House, db: SQLAlchemy, proposal: Proposal, verb: str) -> list[int]:
    """The answers to fifty clicks at once, in five sessions of two people."""
    kim = factories.member(house.project, "operator")
    people = [house.mara, kim, house.mara, kim, house.mara]
    sessions = [house.browser(who) for who in people[:SESSIONS]]
    tabs = [factories.again(sessions[number % SESSIONS]) for number in range(CLICKS)]
    db.session.commit()
    start = Barrier(CLICKS)

    def click(tab: FlaskClient) -> int:
        start.wait()
        return ask(tab, proposal, verb).status_code

    with ThreadPoolExecutor(CLICKS) as pool:
        return list(pool.map(click, tabs))


def test_fifty_clicks_are_one_effect(
    house: House, proposal: Proposal, world: World, act: Callable[[], None], db: SQLAlchemy
) -> None:
    act()
    act()
    answers = clicked(house, db, proposal, "approve")
    wait_until(lambda: status(db, proposal) == "executed", 15, "the execution")

    assert sorted(set(answers)) in ([200, 409], [200, 409, 503])
    assert answers.count(200) == 1
    assert (world.effects, runs(db)) == (1, 1)


def test_fifty_retries_are_one_more_effect(
    house: House, mara: FlaskClient, proposal: Proposal, world: World, act: Callable[[], None], db: SQLAlchemy
) -> None:
    ask(mara, proposal, "approve")
    [run_id] = db.session.scalars(select(Run.id)).all()
    claimed = steps.claim(run_id)
    assert claimed
    steps.failed(claimed, "The server answered 500.")
    db.session.commit()
    act()
    answers = clicked(house, db, proposal, "retry")
    wait_until(lambda: status(db, proposal) == "executed", 15, "the execution")

    assert answers.count(200) == 1
    assert (world.effects, runs(db)) == (1, 2)


def test_an_interrupted_one_is_settled_by_a_person(
    house: House, mara: FlaskClient, jonas: FlaskClient, proposal: Proposal, db: SQLAlchemy
) -> None:
    ask(mara, proposal, "approve")
    [run_id] = db.session.scalars(select(Run.id)).all()
    claimed = steps.claim(run_id)
    assert claimed
    steps.begin(claimed)
    db.session.expire_all()
    steps.unknown(claimed, "cut off")
    db.session.commit()

    assert mara.get(f"/api/proposals/{proposal.id}").get_json()["execution"] == "interrupted"
    assert ask(jonas, proposal, "settle", outcome="executed").status_code == 403
    assert ask(mara, proposal, "settle", outcome="done").status_code == 422
    assert ask(mara, proposal, "settle", outcome="executed", digest="0" * 64).status_code == 409
    settled = ask(mara, proposal, "settle", outcome="executed", note="It is there.").get_json()
    assert (settled["status"], settled["execution"]) == ("executed", "success")
    assert settled["execution_result"] == "Mara Lindqvist looked: it was done. It is there."
    assert ask(mara, proposal, "settle", outcome="failed").status_code == 409
    assert ask(mara, proposal, "retry").status_code == 409


def test_no_token_settles_or_retries(house: House, app: Flask, proposal: Proposal, db: SQLAlchemy) -> None:
    for kind in ("agent", "worker", "user"):
        who = house.mara if kind == "user" else None
        _, text = factories.token(house.project, kind, who)
        db.session.commit()
        client = factories.bearer(app, text)
        for verb, more in (("retry", {}), ("settle", {"outcome": "executed"})):
            assert ask(client, proposal, verb, **more).status_code == 403, (kind, verb)
