"""What a plan is made from: the task, what was said of it, and the remark of the person who asks."""

from typing import Any
from uuid import UUID

from agents.authors import Authors
from agents.context import Pack, at_work, informed
from agents.prompts import prompt
from agents.quoting import boundary, capped, quote
from agents.turn import Turn
from agents.usage import Budget
from models.agent import Agent
from models.base import db
from models.plan import MOST_STEPS
from models.project import Project
from models.run import Run
from models.task import Task

BUDGET = Budget(turns=30, output_tokens=40_000, usd=2.00, seconds=900, answer_tokens=16_000)
COMMENTS = 50
"""How many of the last comments are told."""
ONE_COMMENT, ONE_TAIL = 4_000, 500
TASK = "The task, which you plan now:"
SAID = "What people said of it, oldest first:"
REPORT = "An earlier plan failed. The report of its last attempt:"
ONE_REPORT, REPORT_TAIL = 12_000, 4_000
REMARK = "What the person who asks for the plan says, which counts as part of the task:"


def pack(run_id: UUID) -> Pack:
    """All that this plan is made from. Runs in a read transaction."""
    run = db.session.get_one(Run, run_id)
    task = db.session.get_one(Task, run.task_id)
    asked = {"role": "user", "content": _asked(task, run.params)}
    agent, project = at_work(run.project_id, str(run.params["agent_key"]))
    return Pack(Turn(_system(agent, project), [asked], agent.model), BUDGET)


def _system(agent: Agent, project: Project) -> str:
    return prompt(
        "plan",
        **informed(agent, project),
        steps=str(MOST_STEPS),
    )


def _asked(task: Task, wish: dict[str, Any]) -> str:
    """The task as data under one code, and the person's remark, if there is one, last."""
    code, remark = boundary(), str(wish.get("remark", ""))
    comments = [event for event in task.events(COMMENTS, of_type="comment") if event.user_id]
    authors = Authors(task.project_id)
    authors.meet(comments)
    said = [
        quote(
            capped(event.content, ONE_COMMENT, ONE_TAIL),
            f"{event.created_at:%Y-%m-%d %H:%M} UTC · {authors.person(event.user_id)}",
            code,
        )
        for event in comments
    ]
    parts = [TASK, quote(f"{task.title}\n\n{task.description}".strip(), f"task {task.number}", code)]
    parts += [SAID, *said] if said else []
    if "report_of" in wish:
        failed = db.session.get_one(Run, UUID(wish["report_of"]))
        told = "\n\n".join(filter(None, [failed.error, failed.report]))
        parts += [REPORT, quote(capped(told, ONE_REPORT, REPORT_TAIL), "report", code)]
    parts += [REMARK, quote(remark, "remark", code)] if remark else []
    return "\n\n".join(parts)
