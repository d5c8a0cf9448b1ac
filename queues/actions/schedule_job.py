"""Makes the schedule that an agent asked for; when it is due, the clock works out."""

from typing import cast

from models.actions import ScheduleJob
from models.agent import Agent
from models.schedule import Schedule
from queues.actions.job import CannotBeDone, Job


def apply(job: Job) -> str:
    wanted = cast(ScheduleJob, job.params)
    if Agent.by_key(job.project_id, wanted.target_agent_key) is None:
        raise CannotBeDone(
            f"@{wanted.target_agent_key} is no agent of this project any more. No schedule was made."
        )
    Schedule.create(job.project_id, wanted, job.proposal_id)
    return f"The schedule “{wanted.name}” was made."
