"""A worker of actions killed at each of its worst moments: no effect happens twice (I3, T-AP8)."""

import sys
from collections.abc import Callable
from uuid import UUID

import pytest
from sqlalchemy import select

from models import Task
from models.crashpoint import KILLED
from tests.queues.acting import Office
from tests.support.live import Live
from tests.support.processes import Process, wait_until

POINTS = ("action.claimed", "action.begun", "action.performed", "action.before_commit", "action.recorded")
Work = Callable[..., Process]

pytestmark = pytest.mark.usefixtures("each_round")


@pytest.fixture
def work(live: Live) -> Work:
    """Start a real worker whose api_calls are counted."""

    def work(build: str = "sound", name: str = "runs", **variables: str) -> Process:
        command = [sys.executable, "-m", "tests.queues.worlds", build]
        process = Process(name, command, {**live.environ, **variables}, live.folder)
        live.processes[name] = process.start()
        return process

    return work


def killed_at(point: str, work: Work, build: str = "sound") -> None:
    process = work(build, CRASHPOINT=point)
    wait_until(lambda: not process.alive, 20, "the end of the process", 0.05)
    assert process.popen
    assert process.popen.returncode == KILLED


def taken_up_again(office: Office, run_id: UUID, work: Work, build: str = "sound") -> str:
    """The sweeper has come, and another worker had its time; what became of the run."""
    office.lose(run_id)
    other, _ = office.approved()
    work(build, name="second")
    office.wait(other, timeout=20)
    wait_until(lambda: office.run(run_id).status not in ("queued", "running"), 20, "the end of the run")
    return office.run(run_id).status


@pytest.mark.parametrize("point", POINTS)
def test_an_effect_in_the_world_happens_at_most_once(point: str, office: Office, work: Work) -> None:
    proposal_id, run_id = office.approved("api_call")
    killed_at(point, work)

    became = taken_up_again(office, run_id, work)

    unknown = point in ("action.begun", "action.performed", "action.before_commit")
    assert became == ("interrupted" if unknown else "success")
    assert office.world.effects == (0 if point == "action.begun" else 1)
    if unknown:
        assert office.proposal(proposal_id).status == "approved", "a person decides"
        office.decide("settle", proposal_id, "executed" if office.world.effects else "failed")
    assert office.proposal(proposal_id).status == ("failed" if point == "action.begun" else "executed")


@pytest.mark.parametrize("point", ["action.claimed", "action.before_commit", "action.recorded"])
def test_an_effect_in_the_database_happens_exactly_once(point: str, office: Office, work: Work) -> None:
    proposal_id, run_id = office.approved()
    killed_at(point, work)

    assert taken_up_again(office, run_id, work) == "success"
    assert office.proposal(proposal_id).status == "executed"
    made = office.read(lambda s: list(s.scalars(select(Task.proposal_id))))
    assert made.count(proposal_id) == 1


@pytest.mark.databases("sqlite")
def test_a_build_that_acts_before_it_wrote_that_it_begins_is_caught(office: Office, work: Work) -> None:
    """The control: the same kill, and the world is asked twice."""
    _, run_id = office.approved("api_call")
    killed_at("action.performed", work, "forgets_that_it_began")

    assert taken_up_again(office, run_id, work, "forgets_that_it_began") == "success"
    assert office.world.effects == 2
    assert len(set(office.world.keys)) == 1, "what the other side could have told them apart by"
