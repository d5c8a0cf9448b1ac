"""Tell which documents the project has: those of the whole project, and those of each agent."""

import json
from uuid import UUID

from agents.tools.tool import READING_JOBS, Arguments, Tool, ToolContext
from models import labs
from models.brain_doc import FLAG, BrainDoc

MOST = 100


class ListDocs(Arguments):
    pass


async def list_docs(context: ToolContext, arguments: ListDocs) -> str:
    text: str = await context.db(listed, context.project_id)
    return text


def listed(project_id: UUID) -> str:
    """One JSON line for each document, by agent and type."""
    docs = BrainDoc.of_project(project_id, MOST) if labs.enabled(FLAG, project_id) else []
    lines = [
        json.dumps(
            {
                "agent_key": doc.agent_key,
                "doc_type": doc.doc_type,
                "version": doc.version,
                "characters": doc.length,
                "written": f"{doc.written_at:%Y-%m-%d %H:%M} UTC",
            }
        )
        for doc in docs
    ]
    return "\n".join(lines) or "There are no documents."


LIST_DOCS = Tool(
    name="list_docs",
    description=(
        "List the documents of this project. Those under the key `project` are for everybody, the others for"
        " the agent of that key. read_doc tells what one says."
    ),
    arguments=ListDocs,
    run=list_docs,
    effect="reads",
    jobs=READING_JOBS,
)
