"""Makes the schedule that an agent asked for; when it is due, the clock works out."""

from typing import cast

from models.actions import ScheduleJob
from models.agent import Agent
from models.base import db
from models.schedule import Schedule
from queues.actions.job import CannotBeDone, Job


def apply(job: Job) -> str:
    wanted = cast(ScheduleJob, job.params)
    if Agent.by_key(job.project_id, wanted.target_agent_key) is None:
        raise CannotBeDone(
            f"@{wanted.target_agent_key} is no agent of this project any more. No schedule was made."
        )
    db.session.add(
        Schedule(
            project_id=job.project_id,
            proposal_id=job.proposal_id,
            name=wanted.name,
            schedule_kind=wanted.schedule_kind,
            schedule_expr=wanted.schedule_expr,
            time_zone=wanted.time_zone,
            instructions=wanted.instructions,
            target_agent_key=wanted.target_agent_key,
            output=wanted.output,
            enabled=True,
        )
    )
    db.session.flush()
    return f"The schedule “{wanted.name}” was made."
