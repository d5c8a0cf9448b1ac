"""What an agent runs a skill of the project's own from: its text, and what a person said to it."""

from uuid import UUID

from agents.context import Pack, at_work, informed
from agents.prompts import prompt
from agents.quoting import boundary, capped, quote, storable
from agents.turn import Turn
from agents.usage import Budget
from models.base import db
from models.finding import OTHER
from models.run import Run

BUDGET = Budget(turns=40, output_tokens=40_000, usd=2.00, seconds=900, answer_tokens=12_000)
MOST = 60_000
"""Characters of a SKILL.md."""
CUT = "Of the skill's text, the middle is left out; read_file tells it."


def pack(run_id: UUID, manifest: bytes) -> Pack:
    """`manifest` is the SKILL.md of the revision that was asked for. Runs in a read transaction."""
    run = db.session.get_one(Run, run_id)
    agent, project = at_work(run.project_id, str(run.params["agent_key"]))
    system = prompt(
        "skill",
        **informed(agent, project),
        other=OTHER,
    )
    text, code = storable(manifest.decode("utf-8", "replace")), boundary()
    parts = [
        f"The skill {run.audit}, in the folder {run.params['path']} of the workspace:",
        quote(capped(text, MOST, MOST // 4), "skill", code),
        *([CUT] if len(text) > MOST else []),
        *(
            ["What the person said to it:", quote(words, "person", code)]
            if (words := run.params["words"])
            else []
        ),
        "Run it.",
    ]
    said = [{"role": "user", "content": "\n\n".join(parts)}]
    return Pack(Turn(system, said, agent.model), BUDGET)
