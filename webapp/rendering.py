"""Pages inside a project: what the layout shows, read in the one snapshot of the request."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from typing import Any, TypeVar
from uuid import UUID

from flask import Response, current_app, g, make_response, render_template, request
from sqlalchemy import and_, select

from models import labs
from models.agent import Agent
from models.base import db, utcnow
from models.decider import RIGHT
from models.policy import Principal
from models.project import Project
from models.proposal_fold import ProposalFold
from models.secret import digest
from models.session import LONGEST, NOTED_EVERY
from models.task import Task
from models.thread import Thread, ThreadRead
from models.user import Membership, User
from realtime import health
from realtime.registry import PUBLISHED, plain
from webapp import conversations, shown
from webapp.auth import current_project, current_user, principal, projects
from webapp.conversations import Conversation
from webapp.csrf import csrf_token, session_cookie_name
from webapp.kept import Document, Kept, Place, Recent, State
from webapp.security import csp_nonce
from webapp.visible import proposal_kinds

PAGES_KEPT, ROSTERS_KEPT = 100, 100
HEALTH_SECONDS = 2.0
WAITING_SAYS = ("id", "headline", "risk_level", "proposed_by", "proposed_at")
ROSTER = ("memberships", "agents", "agent_status")

View = TypeVar("View", bound=Callable[..., Any])

_rosters: Kept[dict[str, list[dict[str, Any]]]] = Kept(ROSTERS_KEPT)


def page(template: str, **values: Any) -> str:
    """A page inside the project of the address."""
    return render_template(template, **page_layout(), **values)


def page_layout() -> dict[str, Any]:
    """What the layout shows, for a page that shows some of it otherwise."""
    return layout(_state())


@dataclass(frozen=True)
class _Seen:
    """A page as a session saw it: true while the state is the same, and the session need not be looked at."""

    caller: Principal
    document: Document
    streams: tuple[str, ...]
    state: tuple[State, dict[str, Any]]
    until: datetime


_seen: Recent[_Seen] = Recent(PAGES_KEPT)


def kept(view: View) -> View:
    """Answer with the page that this session saw before, while nothing in it and nobody's right has changed.

    The view has a policy and answers by `kept_page`, with published rows only: then the same epoch and
    the same heads mean the same page, and neither who asks nor what is shown has to be read again.
    """

    @wraps(view)
    def answer(*args: Any, **kwargs: Any) -> Any:
        seen = _seen.get(_address())
        if seen is not None and utcnow() < seen.until and _still_true(seen):
            g.principal = seen.caller
            return _response(seen.document)
        return view(*args, **kwargs)

    return answer  # type: ignore[return-value]


def kept_page(make: Callable[[State], str]) -> Response:
    """The page that `make` gives for the state of its streams."""
    names, address = _streams(), _address()
    now, seen = (State.of(names), _health()), _seen.get(address)
    if seen is None or seen.streams != names or seen.state != now:
        document = Document(make(now[0]), _secrets())
    else:
        document = seen.document
    if (session := g.get("user_session")) is not None:
        until = min(session.seen_at + NOTED_EVERY, session.created_at + LONGEST)
        _seen.put(address, _Seen(principal(), document, names, now, until))
    return _response(document)


def _address() -> tuple[str, ...]:
    """Whose page of which address; a token's begins with its own header, and is kept by nobody."""
    secret = request.cookies.get(session_cookie_name(), "")
    theme = request.cookies.get("theme", "")
    return request.headers.get("Authorization", ""), digest(secret), request.full_path, theme


def _still_true(seen: _Seen) -> bool:
    # The session would cost more than the one statement.
    with db.engine.connect() as connection:
        return seen.state == (State.of(seen.streams, connection), _health())


def _secrets() -> dict[str, str]:
    return {"csrf": csrf_token(), "nonce": csp_nonce()}


def _response(document: Document) -> Response:
    return make_response(document.with_secrets(_secrets()))


def _state() -> State:
    return State.of(_streams())


def _streams() -> tuple[str, ...]:
    """The streams that this page follows."""
    project, who = current_project(), principal()
    names = (f"project:{project.id}", f"user:{who.id}")
    return (*names, f"admin:{project.id}") if who.may("admin.read", project.id) else names


def layout(state: State) -> dict[str, Any]:
    """What templates/layout.html shows."""
    project, user = current_project(), current_user()
    flags = labs.read(project.id)
    room, read_seq, muted = _room(project, user) if flags["team_room"] else (None, 0, False)
    people_and_agents = roster(project, state.place(f"project:{project.id}"))
    dms = _dms(project, user, people_and_agents["agents"]) if flags["dms"] else None
    silent = [room.id] if room and muted else []
    silent += [one.thread_id for one in dms or () if one.muted]
    return {
        "project": project,
        "projects": _by_name(projects()),
        "flags": flags,
        "roster": people_and_agents,
        "streams": [{"name": place.name, "seq": place.head} for place in state.places],
        "room": room,
        "room_read_seq": read_seq,
        "muted": [str(thread_id) for thread_id in silent],
        "dms": dms,
        "unread": {
            "room": [(str(room.id), room.last_seq, read_seq)] if room else [],
            "dms": [(str(one.thread_id), one.last_seq, one.read_seq) for one in dms or ()],
        },
        "health": _health(),
        "waiting": waiting(project, user, flags, state) if principal().may(RIGHT, project.id) else None,
        "demo": not (current_app.config["ANTHROPIC_API_KEY"] or current_app.config["ANTHROPIC_BASE_URL"]),
    }


def waiting(project: Project, user: User, flags: dict[str, bool], state: State) -> dict[str, Any]:
    """What waits for this person, oldest first: as HTML, and the little of each that every page knows."""
    cards = shown.waiting(project.id, user.id, proposal_kinds(flags), state)
    folds = ProposalFold.of_person(user.id, [UUID(card["id"]) for card in cards])
    rows = [{name: card["row"][name] for name in WAITING_SAYS} for card in cards]
    paused = [_pause(thread) for thread in Thread.paused(project.id)] if flags["team_room"] else []
    tasks = [_task(task) for task in Task.waiting(project.id)] if flags["task_threads"] else []
    shown_cards = [(card["row"]["proposed_at"], card["id"], card["html"]) for card in cards]
    shown_pauses = [(row["paused_at"], row["id"], html) for row, html in paused]
    shown_tasks = [(row["waits_since"], row["id"], html) for row, html in tasks]
    return {
        "all": [html for *_, html in sorted(shown_cards + shown_pauses + shown_tasks)],
        "known": {
            "rows": rows + [row for row, _ in paused + tasks],
            "folds": {str(key): str(of) for key, of in folds.items()},
        },
    }


def _pause(thread: Thread) -> tuple[dict[str, Any], str | None]:
    row = {"id": str(thread.id), "paused_at": plain(thread.paused_at)}
    return row, PUBLISHED[Thread.__tablename__].html(thread)


def _task(task: Task) -> tuple[dict[str, Any], str | None]:
    published = PUBLISHED[Task.__tablename__]
    said = published.row(task)
    return {name: said[name] for name in ("id", "number", "title", "waits_since")}, published.html(task)


def _by_name(projects: dict[Any, Project]) -> list[Project]:
    return sorted(projects.values(), key=lambda one: (one.name, one.key))


def _room(project: Project, user: User) -> tuple[Thread | None, int, bool]:
    mark = and_(ThreadRead.thread_id == Thread.id, ThreadRead.user_id == user.id)
    query = select(Thread, ThreadRead.read_seq, ThreadRead.muted).outerjoin(ThreadRead, mark)
    found = db.session.execute(query.where(Thread.project_id == project.id, Thread.kind == "room")).first()
    return (found[0], found[1] or 0, bool(found[2])) if found else (None, 0, False)


def _dms(project: Project, user: User, agents: list[dict[str, Any]]) -> list[Conversation] | None:
    """His own conversations; a program with his token has none."""
    if principal().token_id is not None:
        return None
    return conversations.of(user, project.id, [agent["key"] for agent in agents])


def _health() -> dict[str, Any]:
    """The health that pages begin with; they ask anew by themselves, so it may be a moment old."""
    kept: tuple[float, dict[str, Any]] | None = current_app.extensions.get("page_health")
    if kept is None or time.monotonic() - kept[0] > HEALTH_SECONDS:
        kept = current_app.extensions["page_health"] = (time.monotonic(), health.status("chat"))
    return kept[1]


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
            "runtime": agent.runtime,
            "status": agent.state.shown,
            "activity": agent.state.activity,
        }
        for agent in Agent.of_project(project.id)
    ]
