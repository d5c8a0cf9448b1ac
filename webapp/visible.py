"""What the caller may see: everything is loaded through here, so that missing and forbidden look the same."""

from uuid import UUID

from flask import request
from sqlalchemy import select

from models import labs
from models.agent import Agent
from models.attachment import Attachment
from models.base import db
from models.brain_doc import FLAG, BrainDoc
from models.delivery import Delivery
from models.errors import NotFound, NotYours
from models.message import Message
from models.policy import Principal
from models.project import Project
from models.proposal import Proposal
from models.skill import FLAG as SKILLS
from models.skill import Skill
from models.task import Task
from models.thread import Thread
from models.user import Membership
from webapp.auth import principal, projects, require

LAST_PROJECT = "project"
"""The cookie with the key of the project that was used last."""


def room(project_id: UUID) -> Thread:
    """The Team Room, while its flag is on."""
    require("message.read", project_id)
    if not labs.enabled("team_room", project_id):
        raise NotFound
    return db.session.scalars(
        select(Thread).where(Thread.project_id == project_id, Thread.kind == "room")
    ).one()


def thread(thread_id: UUID) -> Thread:
    return _open(db.session.get(Thread, thread_id))


def thread_to_write_in(thread_id: UUID) -> Thread:
    """The same, and one's own conversation that has not begun: nothing is stored of it yet."""
    found, who = db.session.get(Thread, thread_id), principal()
    if found is None and who.session_id and who.id:
        found = Thread.unbegun(thread_id, who.id)
    return _open(found)


def _open(found: Thread | None) -> Thread:
    if found is None:
        raise NotFound
    require("message.read", found.project_id)
    flags = labs.read(found.project_id)
    if not is_open_to(principal(), found, flags):
        raise closed(found, flags)
    return found


def is_open_to(who: Principal, thread: Thread, flags: dict[str, bool]) -> bool:
    """A room is open to who may read messages; a DM to its owner alone, in a session of his own."""
    if thread.kind == "room":
        return flags["team_room"]
    own = who.kind == "person" and who.token_id is None and who.id == thread.owner_user_id
    return own and flags["dms"]


def closed(thread: Thread, flags: dict[str, bool]) -> NotFound:
    """How to refuse a thread that is not open: what a flag hides is missing, another's DM is not yours."""
    return NotYours(thread.project_id) if thread.kind == "dm" and flags["dms"] else NotFound()


def message(message_id: UUID) -> Message:
    found = db.session.get(Message, message_id)
    if found is None:
        raise NotFound
    thread(found.thread_id)
    return found


def attachment(attachment_id: UUID) -> Attachment:
    """A file of a message that the caller reads; before it is posted it is nobody's to read."""
    found = db.session.get(Attachment, attachment_id)
    if found is None or found.message_id is None:
        raise NotFound
    thread(found.thread_id)
    return found


def delivery(delivery_id: UUID) -> Delivery:
    found = db.session.get(Delivery, delivery_id)
    if found is None:
        raise NotFound
    thread(found.thread_id)
    return found


def own_work(delivery_id: UUID) -> Delivery:
    """One that is addressed to the agent that asks, wherever it was said."""
    found = db.session.get(Delivery, delivery_id)
    if found is None or found.target_agent_key != principal().agent_key:
        raise NotFound
    return found


def delivery_of_answer(reply_id: UUID) -> Delivery:
    """The delivery whose answer is, or will be, the message `reply_id`."""
    found = db.session.scalar(select(Delivery).where(Delivery.reply_id == reply_id))
    if found is None:
        raise NotFound
    thread(found.thread_id)
    return found


def proposal(proposal_id: UUID) -> Proposal:
    """One that is listed for the project, or was made in the caller's own thread, while its flag is on."""
    found = db.session.get(Proposal, proposal_id)
    if found is None:
        raise NotFound
    require("proposal.read", found.project_id)
    flags, where = labs.read(found.project_id), found.thread
    if found.listed and found.kind in proposal_kinds(flags):
        return found
    if where is None or not is_open_to(principal(), where, flags):
        raise closed(where, flags) if where is not None else NotFound
    return found


def proposal_kinds(flags: dict[str, bool]) -> list[str]:
    """Where something can be proposed that is switched on: threads of a kind, and tasks."""
    return [kind for kind, flag in labs.OF_PROPOSAL.items() if flags[flag]]


def tasks(project_id: UUID) -> None:
    """NotFound while the flag of tasks is off."""
    if not labs.enabled("task_threads", project_id):
        raise NotFound


def task_of_id(task_id: UUID) -> Task:
    """A task of any project that the caller reads, while the flag is on."""
    found = db.session.get(Task, task_id)
    if found is None:
        raise NotFound
    require("task.read", found.project_id)
    tasks(found.project_id)
    return found


def task(project_id: UUID, number: int) -> Task:
    """The project's task with this number, while the flag is on."""
    require("task.read", project_id)
    tasks(project_id)
    found = Task.by_number(project_id, number)
    if found is None:
        raise NotFound
    return found


def agent(agent_id: UUID) -> Agent:
    found = db.session.get(Agent, agent_id)
    if found is None or found.archived_at is not None:
        raise NotFound
    require("project.read", found.project_id)
    return found


def knowledge(project_id: UUID) -> None:
    """NotFound while the flag of documents is off."""
    if not labs.enabled(FLAG, project_id):
        raise NotFound


def doc(project_id: UUID, agent_key: str, doc_type: str) -> BrainDoc:
    """A document of a project that the caller was let into."""
    knowledge(project_id)
    found = BrainDoc.find(project_id, agent_key, doc_type)
    if found is None:
        raise NotFound
    return found


def skills(project_id: UUID) -> None:
    """NotFound while the flag of skills is off."""
    if not labs.enabled(SKILLS, project_id):
        raise NotFound


def skill(skill_id: UUID) -> Skill:
    """A skill of any project that the caller reads, while the flag is on."""
    found = db.session.get(Skill, skill_id)
    if found is None:
        raise NotFound
    require("skill.read", found.project_id)
    skills(found.project_id)
    return found


def last_project_id() -> UUID:
    """NotFound for somebody in no project."""
    project = last_project()
    if project is None:
        raise NotFound
    return project.id


def last_project() -> Project | None:
    """The project used last: the cookie's, or the one joined last; None for somebody in no project."""
    mine = projects()
    remembered = request.cookies.get(LAST_PROJECT)
    for project in mine.values():
        if project.key == remembered:
            return project
    newest = (
        select(Membership.project_id)
        .where(Membership.user_id == principal().id, Membership.project_id.in_(mine))
        .order_by(Membership.created_at.desc(), Membership.id)
    )
    joined = db.session.scalar(newest.limit(1))
    return mine[joined] if joined else next(iter(mine.values()), None)
