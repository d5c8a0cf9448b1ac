"""Search the project's rooms, and the direct conversation in which the agent is answering."""

from uuid import UUID

from pydantic import Field
from sqlalchemy import or_, select

from agents.tools.told import messages_told
from agents.tools.tool import READING_JOBS, Arguments, Tool, ToolContext
from models import labs
from models.base import db
from models.message import Message
from models.thread import Thread

REACH = 20_000
"""How many messages back in each thread a search looks, so that it stays short in a large one."""


class SearchMessages(Arguments):
    query: str = Field(min_length=2, max_length=200, description="Words as they stand in the message")
    count: int = Field(10, ge=1, le=30, description="How many messages at most")


async def search_messages(context: ToolContext, arguments: SearchMessages) -> str:
    text: str = await context.db(
        search, context.project_id, context.thread_id, arguments.query, arguments.count
    )
    return text


def search(project_id: UUID, thread_id: UUID, query: str, count: int) -> str:
    """The newest messages with the words; other conversations, and what is closed, are out of reach."""
    open_kinds = labs.open_threads([project_id])[project_id]
    found = db.session.scalars(
        select(Message)
        .join(Thread, Message.thread_id == Thread.id)
        .where(
            Thread.project_id == project_id,
            or_(Thread.kind == "room", Thread.id == thread_id),
            Thread.kind.in_(open_kinds),
            Message.seq > Thread.last_seq - REACH,
            Message.deleted_at.is_(None),
            Message.content.icontains(query, autoescape=True),
        )
        .order_by(Message.created_at.desc(), Message.seq.desc())
        .limit(count)
    ).all()
    return messages_told(found[::-1], about=query) or "No message holds these words."


SEARCH_MESSAGES = Tool(
    name="search_messages",
    description=(
        "Find messages of this project that hold some words: in its rooms and in this conversation."
        " Gives the newest that match, oldest first."
    ),
    arguments=SearchMessages,
    run=search_messages,
    effect="reads",
    jobs=READING_JOBS,
)
