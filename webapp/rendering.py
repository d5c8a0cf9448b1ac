"""Pages inside a project: what the layout shows, read in the one snapshot of the request."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from typing import Any

from flask import Response, current_app, g, make_response, render_template, request
from sqlalchemy import and_, select

from models import labs
from models.agent import Agent
from models.base import db
from models.project import Project
from models.thread import Thread, ThreadRead
from models.user import Membership, User
from realtime import health
from webapp.auth import current_project, current_user, principal, projects
from webapp.csrf import csrf_token
from webapp.kept import Documents, Kept, Place, places
from webapp.security import csp_nonce

DOCUMENTS_KEPT, ROSTERS_KEPT = 100, 100
HEALTH_SECONDS = 2.0
ROSTER = ("memberships", "agents", "agent_status")

_documents = Documents(DOCUMENTS_KEPT)
_rosters: Kept[dict[str, list[dict[str, Any]]]] = Kept(ROSTERS_KEPT)


def page(template: str, **values: Any) -> str:
    """A page inside the project of the address."""
    return render_template(template, **layout(_places()), **values)


def kept_page(key: Hashable, make: Callable[[dict[str, Place]], str]) -> Response:
    """A page that shows published rows only: made once for this person, until one of his streams moves.

    `make` is given the places of the streams, by name.
    """
    project, user, at = current_project(), current_user(), _places()
    state = (
        tuple(at.values()),
        tuple((one.id, one.key, one.name) for one in _by_name(projects())),
        g.role,
        request.cookies.get("theme"),
        _health(),
    )
    secrets = {"csrf": csrf_token(), "nonce": csp_nonce()}
    html = _documents.get((user.id, project.id, key), state, secrets, lambda: make(at))
    return make_response(html)


def _places() -> dict[str, Place]:
    """Where the streams of this page stand."""
    project, user = current_project(), current_user()
    names = [f"project:{project.id}", f"user:{user.id}"]
    if principal().may("admin.read", project.id):
        names.append(f"admin:{project.id}")
    return places(names)


def layout(at: dict[str, Place]) -> dict[str, Any]:
    """What templates/layout.html shows."""
    project, user = current_project(), current_user()
    flags = labs.read(project.id)
    room, read_seq = _room(project, user) if flags["team_room"] else (None, 0)
    return {
        "project": project,
        "projects": _by_name(projects()),
        "flags": flags,
        "roster": roster(project, at[f"project:{project.id}"]),
        "streams": [{"name": place.name, "seq": place.head} for place in at.values()],
        "room": room,
        "room_read_seq": read_seq,
        "health": _health(),
        "demo": not (current_app.config["ANTHROPIC_API_KEY"] or current_app.config["ANTHROPIC_BASE_URL"]),
    }


def _by_name(projects: dict[Any, Project]) -> list[Project]:
    return sorted(projects.values(), key=lambda one: (one.name, one.key))


def _room(project: Project, user: User) -> tuple[Thread | None, int]:
    mark = and_(ThreadRead.thread_id == Thread.id, ThreadRead.user_id == user.id)
    query = select(Thread, ThreadRead.read_seq).outerjoin(ThreadRead, mark)
    found = db.session.execute(query.where(Thread.project_id == project.id, Thread.kind == "room")).first()
    return (found[0], found[1] or 0) if found else (None, 0)


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
            "status": agent.state.status,
            "activity": agent.state.activity,
        }
        for agent in Agent.of_project(project.id)
    ]
