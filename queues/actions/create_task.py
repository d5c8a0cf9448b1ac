"""Makes the pending task that an agent asked for."""

from typing import cast

from models.actions import CreateTask
from models.agent import Agent
from models.base import db
from models.proposal import Proposal
from models.task import Task
from queues.actions.job import CannotBeDone, Job


def apply(job: Job) -> str:
    wanted = cast(CreateTask, job.params)
    assignee = wanted.assignee_agent_key
    if assignee is not None and Agent.by_key(job.project_id, assignee) is None:
        raise CannotBeDone(f"@{assignee} is no agent of this project any more. No task was made.")
    task = Task.create(
        job.project_id,
        wanted.title,
        wanted.description,
        assignee,
        source="proposal",
        author=job.agent_key,
        user_id=job.decided_by,
        message_id=db.session.get_one(Proposal, job.proposal_id).message_id,
        proposal_id=job.proposal_id,
    )
    return f"Task {task.number} was made. It is pending."
