"""The posting gate: posts that wait in this process are committed together, in the order they came."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from flask import Flask, current_app
from sqlalchemy import case, select
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from models.agent import Agent
from models.base import begin_reading, db, utcnow
from models.crashpoint import crashpoint
from models.errors import Busy, DomainError, Forbidden, NotFound, SignInNeeded
from models.message import Draft, Message
from models.policy import Principal
from models.posting import post_all
from models.session import UserSession
from models.thread import Thread
from models.token import ApiToken
from models.user import Membership, User

BATCH = 64
"""How many posts one transaction carries: enough to share a commit, few enough to keep the loop free."""
PATIENCE = 10.0
"""Seconds that a post waits for its turn and its commit."""


@dataclass(frozen=True)
class Post:
    """Who says what where; the caller was allowed to when this was made."""

    caller: Principal
    project_id: UUID
    thread_id: UUID
    draft: Draft


Outcome = Message | Exception


@dataclass(eq=False)
class _Waiter:
    post: Post
    leads: bool
    turn: threading.Event = field(default_factory=threading.Event)
    outcome: Outcome | None = None


class Gate:
    """Whoever finds the gate empty leads: commits all that wait, then lets the next one lead.

    A leader leads once, and its own post is in its batch, so that nobody works for others for ever.
    """

    def __init__(
        self,
        write: Callable[[Sequence[Post]], list[Message | DomainError]],
        *,
        batch: int = BATCH,
        patience: float = PATIENCE,
    ) -> None:
        self._write = write
        self._batch = batch
        self._patience = patience
        self._lock = threading.Lock()
        self._waiting: deque[_Waiter] = deque()
        self._led = False

    def enter(self, post: Post) -> Message:
        """The message, once committed; Busy when that took too long: the same client_id may ask again."""
        mine = self._join(post)
        if not mine.leads and not self._turn_of(mine):
            raise Busy("the server is busy, try again in a moment")
        if mine.leads:
            self._lead()
        if isinstance(mine.outcome, Exception):
            raise mine.outcome
        assert mine.outcome is not None
        return mine.outcome

    def _join(self, post: Post) -> _Waiter:
        with self._lock:
            mine = _Waiter(post, leads=not self._led)
            self._led = True
            self._waiting.append(mine)
            return mine

    def _turn_of(self, mine: _Waiter) -> bool:
        """Wait until it is answered or has to lead; False when it gave up."""
        try:
            if mine.turn.wait(self._patience):
                return True
        except BaseException:
            self._leave(mine)
            raise
        with self._lock:
            if mine.leads or mine.outcome is not None:
                return True
            if mine in self._waiting:
                self._waiting.remove(mine)
            return False

    def _leave(self, mine: _Waiter) -> None:
        """This request was ended from outside: whoever waits behind it must still get a leader."""
        with self._lock:
            if mine in self._waiting:
                self._waiting.remove(mine)
        if mine.leads:
            self._hand_over([])

    def _lead(self) -> None:
        batch: list[_Waiter] = []
        try:
            # Requests that are ready now join this batch, instead of each paying for a commit.
            time.sleep(0)
            batch = self._take()
            self._commit(batch)
        finally:
            self._hand_over(batch)

    def _take(self) -> list[_Waiter]:
        with self._lock:
            return [self._waiting.popleft() for _ in range(min(self._batch, len(self._waiting)))]

    def _commit(self, batch: list[_Waiter]) -> None:
        outcomes = self._outcomes([waiter.post for waiter in batch])
        for waiter, outcome in zip(batch, outcomes, strict=True):
            waiter.outcome = outcome

    def _outcomes(self, posts: Sequence[Post]) -> Sequence[Outcome]:
        try:
            return self._write(posts)
        except Busy as busy:
            db.session.rollback()
            return [busy] * len(posts)
        except (SQLAlchemyError, DomainError):
            db.session.rollback()
            return self._one_by_one(posts)

    def _one_by_one(self, posts: Sequence[Post]) -> list[Outcome]:
        """One post broke the batch: the others must not suffer. A database that is away answers all."""
        outcomes: list[Outcome] = []
        away: Exception | None = None
        for post in posts:
            try:
                outcomes.append(away or self._write([post])[0])
            except (SQLAlchemyError, DomainError) as error:
                db.session.rollback()
                away = error if isinstance(error, (OperationalError, Busy)) else None
                outcomes.append(error)
        return outcomes

    def _hand_over(self, batch: list[_Waiter]) -> None:
        with self._lock:
            following = self._waiting[0] if self._waiting else None
            self._led = following is not None
            if following is not None:
                following.leads = True
        for waiter in batch:
            if waiter.outcome is None:
                waiter.outcome = Busy("this was not posted, try again in a moment")
            waiter.turn.set()
        if following is not None:
            following.turn.set()


def write(posts: Sequence[Post]) -> list[Message | DomainError]:
    """Post all in one transaction, in order within each thread; who may not any more is refused."""
    begin_reading(False)
    # What was read outside is of an older snapshot.
    db.session.close()
    roles = _Roles(posts)
    outcomes: dict[int, Message | DomainError] = {}
    for place, post in enumerate(posts):
        if (refusal := roles.refusal(post)) is not None:
            outcomes[place] = refusal
    # Threads in the order of their ids, so that the transactions of two processes cannot wait crosswise.
    for thread_id in sorted({post.thread_id for post in posts}):
        places = [
            place for place, post in enumerate(posts) if post.thread_id == thread_id and place not in outcomes
        ]
        if places:
            thread = db.session.get_one(Thread, thread_id)
            messages = post_all(thread, [posts[place].draft for place in places])
            outcomes.update(zip(places, messages, strict=True))
    crashpoint("post.before_commit")
    db.session.commit()
    crashpoint("post.after_commit")
    return [outcomes[place] for place in range(len(posts))]


class _Roles:
    """What the callers of a batch may do now, whatever they could when they were authenticated."""

    def __init__(self, posts: Sequence[Post]) -> None:
        sessions = {post.caller.session_id for post in posts if not post.caller.token_id}
        tokens = {post.caller.token_id for post in posts if post.caller.token_id}
        self._alive: set[UUID] = set()
        self._roles: dict[tuple[UUID, UUID], str] = {}
        if sessions:
            self._read(_sessions(sessions, {post.project_id for post in posts}))
        if tokens:
            self._read(_tokens(tokens))

    def _read(self, query: Any) -> None:
        for key, project_id, role in db.session.execute(query):
            self._alive.add(key)
            if role is not None:
                self._roles[key, project_id] = role

    def refusal(self, post: Post) -> DomainError | None:
        """Why this post may not go on; None when it may."""
        key = post.caller.token_id or post.caller.session_id
        if key is None or key not in self._alive:
            return SignInNeeded()
        role = self._roles.get((key, post.project_id))
        if role is None:
            return NotFound()
        now = replace(post.caller, roles={post.project_id: role})
        return None if now.may("message.post", post.project_id) else Forbidden("your role may not post here")


def _sessions(ids: Collection[UUID | None], project_ids: set[UUID]) -> Any:
    here = (Membership.user_id == UserSession.user_id) & Membership.project_id.in_(project_ids)
    return (
        select(UserSession.id, Membership.project_id, Membership.role)
        .join(User, User.id == UserSession.user_id)
        .outerjoin(Membership, here)
        .where(UserSession.id.in_(ids), *UserSession.living(utcnow()), User.deactivated_at.is_(None))
    )


def _tokens(ids: Collection[UUID | None]) -> Any:
    """A person's token has his role while the account lives; an agent's posts while the agent is there."""
    owner = (Membership.user_id == User.id) & (Membership.project_id == ApiToken.project_id)
    agent = (Agent.project_id == ApiToken.project_id) & (Agent.key == ApiToken.agent_key)
    role = case((Agent.id.is_not(None), "member"), else_=Membership.role)
    return (
        select(ApiToken.id, ApiToken.project_id, role)
        .outerjoin(User, (User.id == ApiToken.user_id) & User.deactivated_at.is_(None))
        .outerjoin(Membership, owner)
        .outerjoin(Agent, agent & Agent.archived_at.is_(None))
        .where(ApiToken.id.in_(ids), ApiToken.revoked_at.is_(None), ApiToken.expires_at > utcnow())
    )


def install(app: Flask) -> None:
    app.extensions["gate"] = Gate(write)


def enter(post: Post) -> Message:
    """Post through this process's gate. What this request has read so far is forgotten first."""
    db.session.close()
    gate: Gate = current_app.extensions["gate"]
    return gate.enter(post)
