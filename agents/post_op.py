"""What the look after an execution is made from: the approved skill, the plan and the report."""

from uuid import UUID

from agents.context import Pack, at_work, introduced
from agents.prompts import prompt
from agents.quoting import boundary, capped, quote
from agents.turn import Turn
from agents.usage import Budget
from models.approval import Approval
from models.base import db
from models.canonical import parse
from models.errors import Conflict
from models.order import POST_OP
from models.run import Run
from models.skill_folder import shipped

BUDGET = Budget(turns=30, output_tokens=20_000, usd=1.00, seconds=600, answer_tokens=8_000)
ONE_REPORT, ONE_TAIL = 20_000, 2_000


def pack(run_id: UUID) -> Pack:
    """Runs in a read transaction. Conflict when the skill is not the one that was approved."""
    run = db.session.get_one(Run, run_id)
    approved = parse(db.session.get_one(Approval, run.approval_id).canonical)
    folder = shipped(POST_OP)
    if folder is None or folder.revision != approved["post_op"]["revision"]:
        raise Conflict(f"the skill {POST_OP} is not the one that was approved")
    execution = Run.of(run.approval_id, "execution")
    plan = approved["plan"]
    agent, project = at_work(run.project_id, plan["agent_key"])
    skill = folder.manifest.decode("utf-8", "replace")
    system = prompt("post_op", **introduced(agent, project), skill=skill)
    code = boundary()
    parts = [
        "The plan that was approved:",
        quote(f"{plan['title']}\n\n{plan['text']}", "plan", code),
        "The report of who carried it out:",
        quote(capped(execution.report or "", ONE_REPORT, ONE_TAIL), "report", code),
    ]
    return Pack(Turn(system, [{"role": "user", "content": "\n\n".join(parts)}], agent.model), BUDGET)
