"""Tell which agents the project has and what each is doing now."""

import json
from uuid import UUID

from agents.tools.tool import READING_JOBS, Arguments, Tool, ToolContext
from models.agent import Agent


class AgentsStatus(Arguments):
    pass


async def agents_status(context: ToolContext, arguments: AgentsStatus) -> str:
    text: str = await context.db(status, context.project_id)
    return text


def status(project_id: UUID) -> str:
    """One JSON line for each agent."""
    return "\n".join(
        json.dumps(
            {
                "agent": agent.name,
                "handle": agent.key,
                "title": agent.title,
                "status": agent.state.status,
                "activity": agent.state.activity,
                "runs": "here" if agent.runtime == "builtin" else "elsewhere",
            },
            ensure_ascii=False,
        )
        for agent in Agent.of_project(project_id)
    )


AGENTS_STATUS = Tool(
    name="agents_status",
    description="List the agents of this project with their title, status and current activity.",
    arguments=AgentsStatus,
    run=agents_status,
    effect="reads",
    jobs=READING_JOBS,
)
