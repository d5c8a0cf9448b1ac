"""Posts the agent's message to a room, or to one person alone."""

from typing import cast
from uuid import UUID

from sqlalchemy import select

from models.actions import SendMessage
from models.base import db
from models.message import Draft
from models.posting import post
from models.thread import Thread
from models.user import Membership, User
from queues.actions.job import CannotBeDone, Job

NOTHING = "Nothing was sent."


def prepare(job: Job) -> Draft:
    """Rendered before the transaction. The `client_id` is the approval's: a repeat is the same message."""
    wanted = cast(SendMessage, job.params)
    return Draft.of(None, wanted.content, f"approval-{job.approval_id}", agent_key=job.agent_key)


def apply(job: Job, draft: Draft) -> str:
    wanted = cast(SendMessage, job.params)
    recipient = UUID(wanted.recipient_id or "")
    thread = _room(job, recipient) if wanted.channel == "room" else _conversation(job, recipient)
    if thread is None or not db.session.scalar(select(Thread.is_open(thread.id))):
        raise CannotBeDone(f"{_where(wanted)} is not open here any more. {NOTHING}")
    post(thread, draft)
    return f"The message was posted {'in' if wanted.channel == 'room' else 'to'} {_where(wanted)}."


def _where(wanted: SendMessage) -> str:
    return wanted.recipient if wanted.channel == "room" else f"@{wanted.recipient}"


def _room(job: Job, thread_id: UUID) -> Thread | None:
    thread = db.session.get(Thread, thread_id)
    return thread if thread is not None and thread.project_id == job.project_id else None


def _conversation(job: Job, user_id: UUID) -> Thread | None:
    """The person's thread with this agent, made now if it is their first word."""
    person = db.session.get(User, user_id)
    if person is None or not person.active or Membership.of(job.project_id, user_id) is None:
        return None
    return Thread.dm(job.project_id, user_id, job.agent_key)
