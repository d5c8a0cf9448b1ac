"""What carrying out a plan is made from: the bytes that a person approved, and nothing else of the task."""

from typing import Any
from uuid import UUID

from agents.context import Pack, at_work, introduced
from agents.prompts import prompt
from agents.turn import Turn
from agents.usage import Budget
from models.approval import Approval
from models.base import db
from models.canonical import parse
from models.run import Run

ANSWER_TOKENS = 16_000
INCOMPLETE = "INCOMPLETE"


def pack(run_id: UUID) -> Pack:
    """Read from the approval's canonical bytes. Runs in a read transaction."""
    run = db.session.get_one(Run, run_id)
    plan = parse(db.session.get_one(Approval, run.approval_id).canonical)["plan"]
    agent, project = at_work(run.project_id, plan["agent_key"])
    system = prompt("execute", **introduced(agent, project))
    said = [{"role": "user", "content": f"# {plan['title']}\n\n{plan['text']}"}]
    return Pack(Turn(system, said, agent.model), _budget(plan["budget"]))


def _budget(approved: dict[str, Any]) -> Budget:
    return Budget(
        turns=approved["turns"],
        output_tokens=approved["output_tokens"],
        usd=approved["cents"] / 100,
        seconds=approved["seconds"],
        answer_tokens=ANSWER_TOKENS,
    )


def is_incomplete(report: str) -> bool:
    """Whether the agent says that not all of it was done."""
    return report.rstrip().rpartition("\n\n")[2].lstrip("#*_> ").startswith(INCOMPLETE)
