"""What an agent judges an audit from: the skill's text, and the facts that its rules collected."""

import json
from collections.abc import Sequence
from uuid import UUID

from agents.context import Pack, at_work, informed
from agents.prompts import prompt
from agents.quoting import boundary, capped, quote
from agents.turn import Turn
from agents.usage import Budget
from models.base import db
from models.finding import OTHER, Looked
from models.run import AUDITS, Run
from models.skill_folder import shipped

BUDGET = Budget(turns=20, output_tokens=30_000, usd=1.00, seconds=600, answer_tokens=12_000)
FACTS = "The facts that were collected just now, one line for each rule and each finding:"
MOST = 60_000
"""Characters of facts; what is left out becomes a task all the same."""


def pack(run_id: UUID, looked: Sequence[Looked]) -> Pack:
    """Runs in a read transaction."""
    run = db.session.get_one(Run, run_id)
    agent, project = at_work(run.project_id, str(run.params["agent_key"]))
    system = prompt(
        "audit",
        **informed(agent, project),
        audit=AUDITS[str(run.audit)],
        skill=_skill(str(run.audit)),
        other=OTHER,
    )
    facts = quote(capped(_told(looked), MOST, MOST // 4), f"facts of {run.audit}", boundary())
    return Pack(Turn(system, [{"role": "user", "content": f"{FACTS}\n\n{facts}"}], agent.model), BUDGET)


def _skill(name: str) -> str:
    """The SKILL.md that ships; a workspace cannot put another in its place."""
    folder = shipped(name)
    return folder.manifest.decode("utf-8", "replace") if folder else ""


def _told(looked: Sequence[Looked]) -> str:
    lines = []
    for rule in looked:
        lines.append({"rule": rule.rule, "looked": rule.ran, "said": rule.said})
        lines += [
            {"rule": one.rule, "subject": one.subject, "title": one.title, "priority": one.priority,
             "evidence": one.evidence}
            for one in rule.findings
        ]  # fmt: skip
    return "\n".join(json.dumps(line, ensure_ascii=False) for line in lines)
