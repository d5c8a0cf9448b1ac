"""Posting, editing and deleting messages, and the text of answers that are still being written."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

from flask import Response, current_app, jsonify

from models.base import db
from models.markup import render
from models.message import LONGEST, Draft
from models.policy import Principal
from models.text import clean, invalid
from realtime.registry import PUBLISHED
from webapp import gate, visible
from webapp.auth import current_user, policy, principal, require
from webapp.limits import ApiBlueprint
from webapp.schemas import MessageEdit, MessageRow, NewMessage, Partial

bp = ApiBlueprint("messages", __name__, url_prefix="/api", description="Messages of a thread")

Made = TypeVar("Made")
SHORT = 1000
"""Characters that are rendered in place."""

bp.record_once(lambda state: gate.install(state.app))

says = PUBLISHED["project_chat_messages"].row


@bp.post("/threads/<uuid:thread_id>/messages")
@policy("message.post", gated=True)
@bp.arguments(NewMessage)
@bp.response(201, MessageRow)
def post(new: dict[str, Any], thread_id: UUID) -> tuple[Response, int]:
    """Post a message. A repeated client_id answers 200 with the first message, with another text 409."""
    most = current_app.config["FILES_A_MESSAGE"]
    if len(new["attachments"]) > most:
        raise invalid("attachments", f"must be {most} files at most")
    draft = draft_of(principal(), **new)
    message = gate.enter(gate.Post(principal(), thread_id, draft))
    return jsonify(says(message)), 201 if message.id == draft.id else 200


def draft_of(author: Principal, **words: Any) -> Draft:
    """A person's draft, or an agent's when its token asks."""
    by_agent = author.kind == "agent"
    make = partial(
        Draft.of, None if by_agent else author.id, agent_key=author.agent_key if by_agent else None
    )
    return beside(words["content"], partial(make, **words))


def beside(text: str, work: Callable[[], Made]) -> Made:
    """Work on a long text in a thread of its own: the worst markdown of 16,000 characters takes 0.2 s."""
    if len(text) <= SHORT:
        return work()
    made: Made = current_app.extensions["offload"](work)
    return made


@bp.patch("/messages/<uuid:message_id>")
@policy("message.edit_own", apart=True)
@bp.arguments(MessageEdit)
@bp.response(200, MessageRow)
def edit(change: dict[str, Any], message_id: UUID) -> Response:
    """Change the text of one's own message."""
    # Before the write transaction begins: markdown takes its time.
    content = clean(change["content"], "content", longest=LONGEST, shortest=0)
    rendered = beside(content, lambda: render(content))
    message = visible.message(message_id)
    require("message.edit_own", message.project_id)
    message.edit(current_user(), content, rendered)
    db.session.commit()
    return jsonify(says(message))


@bp.delete("/messages/<uuid:message_id>")
@policy("message.edit_own")
@bp.response(200, MessageRow)
def delete(message_id: UUID) -> Response:
    """Take back one's own message: its place stays, its text and files go."""
    message = visible.message(message_id)
    require("message.edit_own", message.project_id)
    message.delete(current_user())
    db.session.commit()
    return jsonify(says(message))


@bp.get("/messages/<uuid:message_id>/partial")
@policy("message.read")
@bp.response(200, Partial)
def text_so_far(message_id: UUID) -> Response:
    """The text so far of an answer, under the id that its message will have; null while nobody writes it."""
    delivery = visible.delivery_of_answer(message_id)
    text = delivery.partial if delivery.status == "delivered" else None
    return jsonify({"offset": 0, "text": text, "delivery_id": str(delivery.id)})
