"""Read messages of the thread in which the agent is answering, and of no other."""

from uuid import UUID

from pydantic import Field
from sqlalchemy import select

from agents.tools.told import messages_told
from agents.tools.tool import READING_JOBS, Arguments, Tool, ToolContext
from models.base import db
from models.message import Message


class ReadThread(Arguments):
    around: int | None = Field(
        None, ge=1, description="A message's number (#12 is 12); without it, the newest"
    )
    count: int = Field(20, ge=1, le=50, description="How many messages at most")


async def read_thread(context: ToolContext, arguments: ReadThread) -> str:
    text: str = await context.db(read, context.thread_id, arguments.around, arguments.count)
    return text


def read(thread_id: UUID, around: int | None, count: int) -> str:
    query = select(Message).where(Message.thread_id == thread_id, Message.deleted_at.is_(None))
    if around is not None:
        query = query.where(Message.seq <= around + count // 2)
    newest = db.session.scalars(query.order_by(Message.seq.desc()).limit(count)).all()
    return messages_told(newest[::-1]) or "There are no messages here."


READ_THREAD = Tool(
    name="read_thread",
    description=(
        "Read messages of this conversation, in order: the newest, or those around a number."
        " Use it when you need more than the messages that you were given."
    ),
    arguments=ReadThread,
    run=read_thread,
    effect="reads",
    jobs=READING_JOBS,
)
