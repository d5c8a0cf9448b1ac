"""Read a document of the project, a part at a time."""

import json
from typing import Annotated
from uuid import UUID

from pydantic import Field

from agents.errors import ToolFailed
from agents.tools.tool import READING_JOBS, Arguments, Tool, ToolContext
from models import labs
from models.brain_doc import FLAG, PROJECT, BrainDoc

PART = 12_000
"""Characters told at once: with what stands around them, less than any tool may answer."""


class ReadDoc(Arguments):
    doc_type: Annotated[str, Field(max_length=64)]
    agent_key: Annotated[
        str, Field(max_length=32, description="An agent's handle, without @; `project` for all")
    ] = PROJECT
    part: Annotated[int, Field(ge=1, le=1000, description="Long documents have several parts")] = 1


async def read_doc(context: ToolContext, arguments: ReadDoc) -> str:
    text: str = await context.db(
        read, context.project_id, arguments.agent_key, arguments.doc_type, arguments.part
    )
    return text


def read(project_id: UUID, agent_key: str, doc_type: str, part: int) -> str:
    """A JSON line about the document, and beneath it the part as it stands there."""
    doc = BrainDoc.find(project_id, agent_key, doc_type) if labs.enabled(FLAG, project_id) else None
    if doc is None:
        raise ToolFailed("There is no such document. list_docs tells which there are.")
    parts = max(1, -(-doc.length // PART))
    if part > parts:
        raise ToolFailed(f"The document has only {parts} part{'s' if parts > 1 else ''}.")
    about = {
        "agent_key": doc.agent_key,
        "doc_type": doc.doc_type,
        "version": doc.version,
        "digest": doc.digest,
        "part": part,
        "parts": parts,
    }
    return f"{json.dumps(about)}\n{doc.content[(part - 1) * PART : part * PART]}"


READ_DOC = Tool(
    name="read_doc",
    description=(
        "Read a document of this project, with its digest. To change one, read all of it, and propose the"
        " whole new text with that digest as base_digest."
    ),
    arguments=ReadDoc,
    run=read_doc,
    effect="reads",
    jobs=READING_JOBS,
)
