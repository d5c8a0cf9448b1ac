"""Who decides or carries out, killed at each of the worst moments: no effect happens twice (I3, T-AP8)."""

import sys
from collections.abc import Callable
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from models import Approval, Task, UserSession, db
from models.crashpoint import KILLED
from tests.queues.acting import Office
from tests.support.forked import Forked
from tests.support.live import Live
from tests.support.processes import Process, wait_until
from webapp.csrf import HEADER, token_for

POINTS = ("action.claimed", "action.begun", "action.performed", "action.before_commit", "action.recorded")
Work = Callable[..., Process]

pytestmark = pytest.mark.usefixtures("each_round")


@pytest.fixture
def work(live: Live) -> Work:
    """Start a real worker whose api_calls are counted."""

    def work(build: str = "sound", name: str = "runs", **variables: str) -> Process:
        command = [sys.executable, "-m", "tests.queues.worlds", build]
        process = Forked(name, command, {**live.environ, **variables}, live.folder)
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


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("point", ["decide.before_commit", "decide.after_commit"])
def test_a_click_whose_web_died_decides_once(point: str, office: Office, live: Live, work: Work) -> None:
    proposal_id = office.propose("api_call")
    click = clicker(office, live, proposal_id)
    web = live.start("web", CRASHPOINT=point)
    live.wait_web()
    with pytest.raises(httpx2.TransportError):
        click()
    wait_until(lambda: not web.alive, what="the death of web")
    assert office.read(approvals) == (1 if point == "decide.after_commit" else 0)

    live.start("web")
    live.wait_web()
    again, once_more = click(), click()
    work()
    office.wait(proposal_id, timeout=20)

    if point == "decide.after_commit":
        assert (again.status_code, again.json()["error"]["code"]) == (409, "decided")
    else:
        assert again.status_code == 200
    assert (once_more.status_code, once_more.json()["error"]["code"]) == (409, "decided")
    assert office.read(approvals) == office.world.effects == 1


def clicker(office: Office, live: Live, proposal_id: UUID) -> Callable[[], httpx2.Response]:
    """Mara's click on Approve, as often as it is called."""
    _, secret = UserSession.start(office.crew.mara, "127.0.0.1", "pytest")
    db.session.commit()
    proposal = office.proposal(proposal_id)
    said = {"digest": proposal.digest, "name": proposal.action.object_name}
    address, headers = f"{live.url}/api/proposals/{proposal_id}/approve", {HEADER: token_for(secret)}
    return lambda: httpx2.post(address, json=said, headers=headers, cookies={"tr_sid": secret}, timeout=10)


def approvals(session: Session) -> int:
    return session.scalar(select(func.count()).select_from(Approval)) or 0
