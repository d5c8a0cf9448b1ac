"""Threads: their pages, read marks, and the breaker that stops agents who go on among themselves."""

from typing import Any
from uuid import UUID

from flask import Response, jsonify

from models import labs
from models.agent import Agent
from models.base import db
from models.errors import NotFound
from realtime.registry import PUBLISHED
from webapp import conversations, shown, visible
from webapp.auth import current_user, policy, require
from webapp.limits import ApiBlueprint
from webapp.schemas import (
    ConversationList,
    MessagePage,
    MessageWindow,
    Mute,
    ReadMark,
    ReadRow,
    ThreadList,
    ThreadRow,
)

bp = ApiBlueprint("threads", __name__, url_prefix="/api", description="Rooms")

says = PUBLISHED["project_chat_threads"].row


@bp.get("/projects/<uuid:project_id>/threads")
@policy("message.read")
@bp.response(200, ThreadList)
def index(project_id: UUID) -> Response:
    """The threads of a project that the caller may read: its Team Room."""
    return jsonify({"threads": [says(visible.room(project_id))]})


@bp.get("/projects/<uuid:project_id>/dms")
@policy("dm.read")
@bp.response(200, ConversationList)
def dms(project_id: UUID) -> Response:
    """One's own conversations, one with each agent; one that has not begun is posted to by its id, too."""
    if not labs.enabled("dms", project_id):
        raise NotFound
    keys = [agent.key for agent in Agent.of_project(project_id)]
    found = conversations.of(current_user(), project_id, keys)
    return jsonify({"dms": [one.as_json() for one in found]})


@bp.get("/threads/<uuid:thread_id>/messages")
@policy("message.read")
@bp.arguments(MessageWindow, location="query")
@bp.response(200, MessagePage)
def messages(window: dict[str, Any], thread_id: UUID) -> Response:
    """A page of messages by seq: the newest, or those before, after or around one."""
    thread = visible.thread(thread_id)
    return jsonify(shown.messages(thread, **window).as_json())


@bp.put("/threads/<uuid:thread_id>/read")
@policy("thread.mark_read")
@bp.arguments(ReadMark)
@bp.response(200, ReadRow)
def read(mark: dict[str, Any], thread_id: UUID) -> Response:
    """Move one's read mark forward; it never goes back, nor past the end."""
    thread = visible.thread(thread_id)
    require("thread.mark_read", thread.project_id)
    moved = thread.mark_read(current_user(), mark["seq"])
    db.session.commit()
    return jsonify(PUBLISHED["thread_reads"].row(moved))


@bp.put("/threads/<uuid:thread_id>/mute")
@policy("thread.mark_read")
@bp.arguments(Mute)
@bp.response(200, ReadRow)
def mute(said: dict[str, Any], thread_id: UUID) -> Response:
    """Whether what is said here neither counts as unread nor notifies; decisions that wait still do."""
    thread = visible.thread(thread_id)
    require("thread.mark_read", thread.project_id)
    mark = thread.mute(current_user(), said["muted"])
    db.session.commit()
    return jsonify(PUBLISHED["thread_reads"].row(mark))


@bp.post("/threads/<uuid:thread_id>/continue")
@policy("thread.resume")
@bp.response(200, ThreadRow)
def resume(thread_id: UUID) -> Response:
    """Let the agents go on: what was held back is delivered. 409 when they are not paused."""
    thread = visible.thread(thread_id)
    require("thread.resume", thread.project_id)
    thread.resume()
    db.session.commit()
    return jsonify(says(thread))


@bp.post("/threads/<uuid:thread_id>/halt")
@policy("thread.resume")
@bp.response(200, ThreadRow)
def halt(thread_id: UUID) -> Response:
    """Drop what was held back. 409 when the agents are not paused."""
    thread = visible.thread(thread_id)
    require("thread.resume", thread.project_id)
    thread.halt()
    db.session.commit()
    return jsonify(says(thread))
