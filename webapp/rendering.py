"""What the layout shows, and messages as HTML: made once, and kept until their stream says otherwise."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID

from flask import current_app, render_template
from markupsafe import Markup
from sqlalchemy import and_, func, select

from models import labs
from models.agent import Agent
from models.base import db
from models.message import Message
from models.project import Project
from models.stream import Stream, StreamChange
from models.thread import Thread, ThreadRead
from models.user import Membership, User
from realtime import health
from realtime.registry import PUBLISHED
from webapp.auth import current_project, current_user, principal, projects

PAGES_KEPT, MESSAGES_KEPT, ROSTERS_KEPT = 40, 2000, 100
HEALTH_SECONDS = 1.0
MESSAGES = "project_chat_messages"
ROSTER = ("memberships", "agents", "agent_status")

Made = TypeVar("Made")


# --- the layout ---


def page(template: str, **values: Any) -> str:
    """A page inside the project of the address, all read in this request's one snapshot."""
    return render_template(template, **layout(), **values)


def layout() -> dict[str, Any]:
    """What templates/layout.html shows."""
    project, user = current_project(), current_user()
    flags = labs.read(project.id)
    at = places(_streams(project, user))
    room, read_seq = _room(project, user) if flags["team_room"] else (None, 0)
    return {
        "project": project,
        "projects": sorted(projects().values(), key=lambda one: (one.name, one.key)),
        "flags": flags,
        "roster": roster(project, at[f"project:{project.id}"]),
        "streams": [{"name": place.name, "seq": place.head} for place in at.values()],
        "room": room,
        "room_read_seq": read_seq,
        "health": _health(),
        "demo": not (current_app.config["ANTHROPIC_API_KEY"] or current_app.config["ANTHROPIC_BASE_URL"]),
    }


def _streams(project: Project, user: User) -> list[str]:
    names = [f"project:{project.id}", f"user:{user.id}"]
    return [*names, f"admin:{project.id}"] if principal().may("admin.read", project.id) else names


def _room(project: Project, user: User) -> tuple[Thread | None, int]:
    mark = and_(ThreadRead.thread_id == Thread.id, ThreadRead.user_id == user.id)
    query = select(Thread, ThreadRead.read_seq).outerjoin(ThreadRead, mark)
    found = db.session.execute(query.where(Thread.project_id == project.id, Thread.kind == "room")).first()
    return (found[0], found[1] or 0) if found else (None, 0)


def _health() -> dict[str, Any]:
    """The health that pages begin with; they ask anew by themselves, so it may be a second old."""
    kept: tuple[float, dict[str, Any]] | None = current_app.extensions.get("page_health")
    if kept is None or time.monotonic() - kept[0] > HEALTH_SECONDS:
        kept = current_app.extensions["page_health"] = (time.monotonic(), health.status("chat"))
    return kept[1]


# --- what is kept ---


@dataclass(frozen=True)
class Place:
    """Where a stream stands in this snapshot; what was up to `floor` is forgotten."""

    name: str
    head: int = 0
    floor: int = 0


def places(names: Iterable[str]) -> dict[str, Place]:
    names = list(names)
    query = select(Stream.name, Stream.head, Stream.floor).where(Stream.name.in_(names))
    found = {row.name: Place(*row) for row in db.session.execute(query)}
    return {name: found.get(name) or Place(name) for name in names}


class Kept(Generic[Made]):
    """A bounded number of things made from a stream's rows, each with the place for which it is true."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._made: OrderedDict[Any, tuple[int, Made]] = OrderedDict()

    def at(self, key: Any, place: Place) -> tuple[int, Made] | None:
        """What was made for this place or an earlier one that the stream still remembers."""
        with self._lock:
            found = self._made.get(key)
            if found is None or not place.floor <= found[0] <= place.head:
                return None
            self._made.move_to_end(key)
            return found

    def put(self, key: Any, head: int, made: Made) -> None:
        with self._lock:
            if key not in self._made or self._made[key][0] <= head:
                self._made[key] = (head, made)
            while len(self._made) > self._most:
                self._made.popitem(last=False)

    def get(self, key: Any, place: Place, tables: Sequence[str], make: Callable[[], Made]) -> Made:
        """What is kept, unless a row of these tables changed on the stream since; then it is made anew."""
        found = self.at(key, place)
        if found is not None and not _changed(place, found[0], tables):
            made = found[1]
        else:
            made = make()
        self.put(key, place.head, made)
        return made


def _changed(place: Place, since: int, tables: Sequence[str]) -> bool:
    if since == place.head:
        return False
    newer = _since(place, since).where(StreamChange.table.in_(tables))
    return db.session.scalar(newer.with_only_columns(StreamChange.seq).limit(1)) is not None


def _since(place: Place, since: int) -> Any:
    return select(StreamChange).where(
        StreamChange.stream == place.name, StreamChange.seq > since, StreamChange.seq <= place.head
    )


_rosters: Kept[dict[str, list[dict[str, Any]]]] = Kept(ROSTERS_KEPT)
_pages: Kept[MessageList] = Kept(PAGES_KEPT)
_shown: Kept[dict[str, Any]] = Kept(MESSAGES_KEPT)


def roster(project: Project, place: Place) -> dict[str, list[dict[str, Any]]]:
    """Who people and agents are: the one place on the page that knows names."""
    return _rosters.get(
        project.id, place, ROSTER, lambda: {"people": _people(project), "agents": _agents(project)}
    )


def _people(project: Project) -> list[dict[str, Any]]:
    query = select(User, Membership.role).join(Membership, Membership.user_id == User.id)
    rows = db.session.execute(query.where(Membership.project_id == project.id).order_by(User.name, User.id))
    return [
        {
            "id": str(user.id),
            "name": user.name,
            "handle": user.handle,
            "avatar": user.initials,
            "role": role,
            "active": user.active,
        }
        for user, role in rows
    ]


def _agents(project: Project) -> list[dict[str, Any]]:
    return [
        {
            "id": str(agent.id),
            "key": agent.key,
            "name": agent.name,
            "title": agent.title,
            "tone": agent.tone,
            "status": agent.state.status,
            "activity": agent.state.activity,
        }
        for agent in Agent.of_project(project.id)
    ]


# --- messages ---


@dataclass(frozen=True)
class MessageList:
    """A page of a thread, in order."""

    messages: list[dict[str, Any]]
    has_before: bool
    has_after: bool

    @property
    def html(self) -> Markup:
        return Markup("\n").join(Markup(message["html"]) for message in self.messages)

    def as_json(self) -> dict[str, Any]:
        return {
            "messages": self.messages,
            "first": self.messages[0]["seq"] if self.messages else None,
            "last": self.messages[-1]["seq"] if self.messages else None,
            "has_before": self.has_before,
            "has_after": self.has_after,
        }


def messages(
    thread: Thread,
    *,
    before: int | None = None,
    after: int | None = None,
    around: int | None = None,
    limit: int = 50,
    place: Place | None = None,
) -> MessageList:
    """The newest messages, or those before, after or around a seq: found by key, whatever lies between."""
    if place is None:
        [name] = PUBLISHED["project_chat_threads"].streams(thread)
        place = places([name])[name]
    window = (before, after, around, limit)

    def make() -> MessageList:
        ids = _ids(thread.id, *window)
        first, last = (ids[0].seq, ids[-1].seq) if ids else _nowhere(thread, before, after)
        return MessageList(_as_shown([row.id for row in ids], place), first > 1, last < thread.last_seq)

    return _pages.get((thread.id, *window), place, (MESSAGES,), make)


def _nowhere(thread: Thread, before: int | None, after: int | None) -> tuple[int, int]:
    """Where an empty page stands: behind the end, or before the beginning."""
    return (1, 0) if before is not None else (thread.last_seq + 1, thread.last_seq)


def _ids(thread_id: UUID, before: int | None, after: int | None, around: int | None, limit: int) -> list[Any]:
    query = select(Message.id, Message.seq).where(Message.thread_id == thread_id)
    if around is not None:
        earlier = _ids(thread_id, around, None, None, limit // 2) if limit > 1 else []
        return earlier + _ids(thread_id, None, around - 1, None, limit - len(earlier))
    if after is not None:
        return list(db.session.execute(query.where(Message.seq > after).order_by(Message.seq).limit(limit)))
    if before is not None:
        query = query.where(Message.seq < before)
    return list(db.session.execute(query.order_by(Message.seq.desc()).limit(limit)))[::-1]


def _as_shown(ids: list[UUID], place: Place) -> list[dict[str, Any]]:
    """The messages as pages and the API show them; only those are made that changed or were never made."""
    shown = _still_true(ids, place)
    missing = [message_id for message_id in ids if message_id not in shown]
    if missing:
        published = PUBLISHED[MESSAGES]
        for message in published.load(missing):
            shown[message.id] = {
                "id": str(message.id),
                "seq": message.seq,
                "html": published.html(message),
                "row": published.row(message),
            }
    for message_id, made in shown.items():
        _shown.put(message_id, place.head, made)
    return [shown[message_id] for message_id in ids]


def _still_true(ids: list[UUID], place: Place) -> dict[UUID, dict[str, Any]]:
    found = {message_id: kept for message_id in ids if (kept := _shown.at(message_id, place)) is not None}
    if not found:
        return {}
    latest = (
        _since(place, min(head for head, _ in found.values()))
        .where(StreamChange.table == MESSAGES)
        .with_only_columns(StreamChange.row_id, func.max(StreamChange.seq))
        .group_by(StreamChange.row_id)
    )
    changed: dict[UUID, int] = dict(db.session.execute(latest).all())
    return {key: made for key, (head, made) in found.items() if changed.get(key, 0) <= head}
