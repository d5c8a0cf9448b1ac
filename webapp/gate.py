"""The posting gate: posts that wait in this process are committed together, in the order they came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from flask import Flask, current_app, g
from sqlalchemy import bindparam, select

from models import labs
from models.base import begin_reading, db, utcnow
from models.crashpoint import crashpoint
from models.errors import DomainError, Forbidden, NotFound, NotYours, SignInNeeded
from models.message import Draft, Message
from models.policy import Principal
from models.posting import post_all
from models.project import Project
from models.session import UserSession
from models.thread import Thread
from models.token import ApiToken
from models.user import Membership
from webapp.batching import Gate
from webapp.visible import closed, is_open_to


@dataclass(frozen=True)
class Post:
    """Who says what where. Whether he may is asked in the transaction that posts it."""

    caller: Principal
    thread_id: UUID
    draft: Draft


Outcome = Message | Exception


def write(posts: Sequence[Post]) -> list[Message | DomainError]:
    """Post all in one transaction, in order within each thread; who may not is refused."""
    begin_reading(False)
    # What was read outside is of an older snapshot.
    db.session.close()
    rights = _Rights(posts)
    outcomes: dict[int, Message | DomainError] = {}
    for place, post in enumerate(posts):
        if (refusal := rights.refusal(post)) is not None:
            outcomes[place] = refusal
    # Threads in the order of their ids, so that the transactions of two processes cannot wait crosswise.
    for thread_id in sorted({post.thread_id for post in posts}):
        places = [
            place for place, post in enumerate(posts) if post.thread_id == thread_id and place not in outcomes
        ]
        if places:
            messages = post_all(rights.thread(thread_id), [posts[place].draft for place in places])
            outcomes.update(zip(places, messages, strict=True))
    crashpoint("post.before_commit")
    db.session.commit()
    crashpoint("post.after_commit")
    return [outcomes[place] for place in range(len(posts))]


class _Rights:
    """What the callers of a batch may do now, whatever they could when they were authenticated."""

    def __init__(self, posts: Sequence[Post]) -> None:
        sessions = {post.caller.session_id for post in posts if not post.caller.token_id}
        tokens = {post.caller.token_id for post in posts if post.caller.token_id}
        wanted = {"ids": {post.thread_id for post in posts}}
        self.threads = {thread.id: thread for thread in db.session.scalars(_THREADS, wanted)}
        self._unbegun = self._find_unbegun(posts)
        self.threads |= self._unbegun
        projects = {thread.project_id for thread in self.threads.values()}
        self._flags = {project_id: labs.read(project_id) for project_id in projects}
        self._alive: set[UUID] = set()
        self._roles: dict[tuple[UUID, UUID], str] = {}
        if sessions:
            at = UserSession.living_at(utcnow())
            self._read(_SESSIONS, {"ids": sessions, "projects": projects, **at})
        if tokens:
            self._read(_TOKENS, {"ids": tokens, "now": utcnow()})

    def _find_unbegun(self, posts: Sequence[Post]) -> dict[UUID, Thread]:
        """The conversations that begin with one of these posts: nothing is stored of them yet."""
        found: dict[UUID, Thread] = {}
        for post in posts:
            if post.thread_id not in self.threads and post.caller.session_id and post.caller.id:
                thread = Thread.unbegun(post.thread_id, post.caller.id)
                found |= {post.thread_id: thread} if thread is not None else {}
        return found

    def thread(self, thread_id: UUID) -> Thread:
        """The thread to post in, which begins with that when it is a conversation."""
        thread = self._unbegun.get(thread_id)
        if thread is None:
            return self.threads[thread_id]
        assert thread.owner_user_id is not None
        assert thread.agent_key is not None
        return Thread.dm(thread.project_id, thread.owner_user_id, thread.agent_key)

    def _read(self, query: Any, asked: dict[str, Any]) -> None:
        for key, project_id, role in db.session.execute(query, asked):
            self._alive.add(key)
            if role is not None:
                self._roles[key, project_id] = role

    def refusal(self, post: Post) -> DomainError | None:
        """Why this post may not go on; None when it may."""
        key = post.caller.token_id or post.caller.session_id
        if key is None or key not in self._alive:
            return SignInNeeded()
        thread = self.threads.get(post.thread_id)
        role = self._roles.get((key, thread.project_id)) if thread else None
        if thread is None:
            return NotFound()
        if role is None:
            return NotYours(thread.project_id)
        now = replace(post.caller, roles={thread.project_id: role})
        if not now.may("message.read", thread.project_id):
            return Forbidden("this token may not do this", project=thread.project_id)
        if not is_open_to(now, thread, self._flags[thread.project_id]):
            return closed(thread, self._flags[thread.project_id])
        if not now.may("message.post", thread.project_id):
            return Forbidden("your role may not do this", project=thread.project_id)
        return None


# Put together once, which would take longer than the asking.
_THREADS = (
    select(Thread)
    .join(Project, Project.id == Thread.project_id)
    .where(Thread.id.in_(bindparam("ids", expanding=True)), Project.archived_at.is_(None))
)


_HERE = (Membership.user_id == UserSession.user_id) & Membership.project_id.in_(
    bindparam("projects", expanding=True)
)
_SESSIONS = (
    UserSession.alive(UserSession.id, Membership.project_id, Membership.role)
    .outerjoin(Membership, _HERE)
    .where(UserSession.id.in_(bindparam("ids", expanding=True)))
)
_TOKENS = ApiToken.alive(ApiToken.id, ApiToken.project_id, ApiToken.role()).where(
    ApiToken.id.in_(bindparam("ids", expanding=True))
)


def install(app: Flask) -> None:
    app.extensions["gate"] = Gate(write)


def enter(post: Post) -> Message:
    """Post through this process's gate. What this request has read so far is forgotten first."""
    db.session.close()
    gate: Gate[Post, Message] = current_app.extensions["gate"]
    message = gate.enter(post)
    g.checked = True  # by the transaction that posted it
    return message
