"""The worker of runs, killed at a task's worst moments: nothing is lost, nothing is done twice (I3, I6)."""

from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import select, update

from models import Run, Task, db
from models.base import changed_rows, db_now
from models.crashpoint import KILLED
from models.message import Draft
from models.order import POST_OP
from models.plan_execution import PlanExecution
from models.posting import post
from models.skill_folder import revision_of
from queues.sweeper import Sweeper
from tests import factories
from tests.queues.crew import Crew
from tests.queues.tasks import read, session_of, task_of, wait
from tests.support.live import Live
from tests.support.processes import wait_until

pytestmark = pytest.mark.usefixtures("each_round")

PLAN = "The note is there.\n\n## Write\n\n`echo hello > note.txt`"


@pytest.fixture
def task_id(crew: Crew) -> UUID:
    task = Task.promote(post(crew.project.room, Draft.of(crew.mara.id, "Write a note", "m1")), crew.mara)
    db.session.commit()
    return task.id


def approved(crew: Crew, task_id: UUID) -> UUID:
    """The run that carries it out, with a look afterwards."""
    factories.plan(task_of(task_id), crew.mara, PLAN)
    db.session.commit()
    session_id, task = session_of(crew), task_of(task_id)
    approval = task.approve(session_id, task.plan_digest or "", post_op=revision_of(POST_OP))
    db.session.commit()
    run_id = Run.of(approval.id, "execution").id
    db.session.rollback()
    return run_id


def killed_at(point: str, live: Live) -> None:
    process = live.start("runs", CRASHPOINT=point)
    wait_until(lambda: not process.alive, 20, f"the end at {point}", 0.05)
    assert process.popen
    assert process.popen.returncode == KILLED


def lost(run_id: UUID) -> str:
    """The lease runs out, and the sweeper comes; what the run is then."""
    changed_rows(update(Run).where(Run.id == run_id).values(lease_until=db_now(-1)))
    db.session.commit()
    Sweeper().sweep()
    status = task_status(run_id)
    db.session.rollback()
    return status


def task_status(run_id: UUID) -> str:
    return str(read(lambda s: s.get_one(Run, run_id).status))


def notes(live: Live, crew: Crew) -> list[Path]:
    return list((live.folder / "workspaces" / crew.project.key).rglob("demo-plan.md"))


def test_in_planning_another_worker_begins_anew(crew: Crew, task_id: UUID, live: Live) -> None:
    run_id = task_of(task_id).request_plan(crew.mara).id
    db.session.commit()
    killed_at("action.claimed", live)
    assert lost(run_id) == "queued"

    live.start("runs")
    task = wait(task_id, "review")
    assert task.plan_version == 1


@pytest.mark.parametrize(
    ("point", "became"),
    [
        ("action.claimed", "queued"),
        ("execution.begun", "interrupted"),
        ("execution.command:2", "interrupted"),
        ("execution.done", "interrupted"),
    ],
)
def test_in_execution_what_began_is_never_begun_again(
    crew: Crew, task_id: UUID, live: Live, point: str, became: str
) -> None:
    run_id = approved(crew, task_id)
    killed_at(point, live)
    assert lost(run_id) == became

    live.start("runs")
    if became == "queued":
        wait(task_id, "completed")
        return
    # The control beneath: the second worker works, and leaves this one alone.
    other = Task.promote(post(crew.project.room, Draft.of(crew.mara.id, "Another", "m2")), crew.mara)
    other.request_plan(crew.mara)
    db.session.commit()
    wait(other.id, "review")
    assert (task_of(task_id).status, task_status(run_id)) == ("executing", "interrupted")
    assert len(notes(live, crew)) == (1 if point == "execution.done" else 0)
    db.session.rollback()
    session_id = session_of(crew)
    task_of(task_id).settle(session_id, "failed", "I looked.")
    db.session.commit()
    assert Run.executions(task_of(task_id), "post_op") == []


def test_between_success_and_the_look_afterwards_nothing_is_lost(
    crew: Crew, task_id: UUID, live: Live
) -> None:
    run_id = approved(crew, task_id)
    killed_at("execution.recorded", live)
    assert task_status(run_id) == "success"

    live.start("runs")
    looked = select(Run.status).where(Run.kind == "post_op")
    wait_until(lambda: read(lambda s: s.scalar(looked)) == "success", 20, "the look afterwards")
    task = task_of(task_id)
    assert (task.status, len(Run.executions(task)), len(Run.executions(task, "post_op"))) == (
        "completed",
        1,
        1,
    )


@pytest.mark.databases("sqlite")
def test_a_build_that_forgets_that_it_began_is_caught(
    crew: Crew, task_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: what the sweeper believes, hangs on one row that is written before the first command."""
    run_id = approved(crew, task_id)
    monkeypatch.setattr(Run, "begin", lambda self, token: True)
    held = PlanExecution.hold(run_id)
    token = held.claim("host:1", revision_of(POST_OP))
    assert held.begin(token or "", revision_of(POST_OP))
    db.session.commit()
    assert lost(run_id) == "queued", "and the next worker would do it once more"
