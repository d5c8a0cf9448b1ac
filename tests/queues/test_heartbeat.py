"""Only a process whose work moves says that it is healthy."""

import threading
from collections.abc import Callable, Iterator
from datetime import datetime

import pytest
from flask import Flask
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from models import Agent, Worker
from models.base import changed_rows, db, reading
from queues import heartbeat, loop
from queues.direct import direct_or_queued, mode_of
from queues.heartbeat import Heartbeat
from tests.queues.conftest import Running
from tests.queues.crew import Crew
from tests.support.processes import wait_until


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "BEAT_SECONDS", 0.05)


def rows(queue: str = "chat") -> list[Worker]:
    with reading(), Session(db.engine) as session:
        return list(session.scalars(select(Worker).where(Worker.queue == queue)))


def mode() -> str:
    with reading():
        said = direct_or_queued("chat")
        db.session.rollback()
    return said


def seen() -> datetime | None:
    found = rows()
    return found[0].seen_at if found else None


def moves() -> bool:
    """Whether the beat goes on: it is seen again within a second."""
    before = seen()
    try:
        wait_until(lambda: seen() != before, 1)
    except AssertionError:
        return False
    return True


@pytest.fixture
def beating(app: Flask, crew: Crew, quick: None) -> Iterator[Callable[..., Heartbeat]]:
    started: list[Heartbeat] = []

    def begin(**settings: object) -> Heartbeat:
        started.append(Heartbeat(app, "chat", 16, **settings))  # type: ignore[arg-type]
        started[-1].start()
        wait_until(rows, what="a beat")
        return started[-1]

    yield begin
    for beat in started:
        beat.leave()
        beat.join(5)


def test_a_beating_worker_tells_its_slots(beating: Callable[..., Heartbeat]) -> None:
    beating(busy=lambda: 3)

    [row] = rows()
    assert (row.slots, row.busy) == (16, 3)
    assert moves()


def test_a_worker_that_leaves_is_gone_at_once(beating: Callable[..., Heartbeat]) -> None:
    beat = beating()
    assert mode() == "direct"

    beat.leave()
    beat.join(5)

    assert rows() == []
    assert mode() == "backup"


def test_a_row_that_was_taken_for_dead_comes_back(beating: Callable[..., Heartbeat]) -> None:
    beating()
    changed_rows(delete(Worker))
    db.session.commit()

    wait_until(rows, what="the row again")


def test_a_process_that_hangs_does_not_look_healthy(beating: Callable[..., Heartbeat]) -> None:
    moving = threading.Event()
    moving.set()
    beating(alive=moving.is_set)
    assert moves()

    moving.clear()
    assert not moves()

    moving.set()
    assert moves()


@pytest.mark.usefixtures("quick")
def test_a_worker_whose_loop_hangs_does_not_look_healthy(
    start: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "HANGS_AFTER", 2.0)
    running = start([])
    wait_until(rows, what="a beat")
    assert moves()
    release = threading.Event()

    running.worker._loop.call_soon_threadsafe(release.wait, 10)
    wait_until(lambda: not running.worker._ticks(), what="a missing tick")

    assert not moves()
    release.set()
    assert moves()


def test_an_external_agent_is_its_own_executor(crew: Crew) -> None:
    agent = Agent.provision(crew.project.id, "piccolo", "Piccolo", runtime="external")
    db.session.commit()
    builtin = Agent.by_key(crew.project.id, "trunks")
    assert builtin is not None
    assert (mode_of(agent), mode_of(builtin)) == ("backup", "backup")

    agent.state.poll()
    assert (mode_of(agent), mode_of(builtin)) == ("direct", "backup")

    crew.worker()
    assert (mode_of(agent), mode_of(builtin)) == ("direct", "direct")
