"""The DMs page: two private conversations with agents, side by side."""

from datetime import timedelta
from typing import Any

from flask import Blueprint, Response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from models import labs
from models.errors import NotFound
from models.policy import SIGNED_IN
from webapp import conversations, cookies, rendering, visible
from webapp.auth import current_project, current_user, policy
from webapp.conversations import Conversation
from webapp.kept import Place, State
from webapp.panels import Panel

bp = Blueprint("dms", __name__)

SIDES = {"left": "around", "right": "right_around"}
"""Each panel, and the parameter that says where in its conversation it stands."""
OPEN = "dms"
"""The cookie with the agents of the two panels that were open last, as left.right."""
KEPT_FOR = timedelta(days=365)


@bp.get("/dms")
@policy(SIGNED_IN)
def home() -> AnyResponse:
    """To those of the project used last."""
    project = visible.last_project()
    if project is None:
        raise NotFound("you are not in a project yet: ask an owner for an invite")
    return redirect(url_for("dms.show", project_key=project.key))


@bp.get("/<project_key>/dms")
@rendering.kept
@policy("dm.read")
def show(project_key: str) -> AnyResponse:
    """The conversations that the address names; without any, those that were open last."""
    if not labs.enabled("dms", current_project().id):
        raise NotFound
    if not any(side in request.args for side in SIDES):
        return redirect(url_for("dms.show", project_key=project_key, **_last_open()))
    return rendering.kept_page(_show)


def _last_open() -> dict[str, Any]:
    """What the cookie remembers; at first the project's default agent."""
    left, dot, right = request.cookies.get(OPEN, "").partition(".")
    return {"left": left, "right": right} if dot else {"left": current_project().default_agent_key or ""}


def _show(state: State) -> str:
    layout = rendering.layout(state)
    place = state.place(f"user:{current_user().id}")
    agents = {agent["key"]: agent for agent in layout["roster"]["agents"]}
    own = {one.agent_key: one for one in layout["dms"]}
    panels: dict[str, Panel | None] = {}
    for side in SIDES:
        key = request.args.get(side, "")
        twice = any(panel and panel.agent and panel.agent["key"] == key for panel in panels.values())
        free = key in own and not twice
        panels[side] = _panel(side, own[key], agents[key], place) if free else None
    last = conversations.said_last(current_user(), current_project().id)
    return render_template("dms/show.html", **layout, panels=panels, last=last)


def _panel(side: str, conversation: Conversation, agent: dict[str, str], place: Place) -> Panel:
    path = url_for("dms.show", project_key=current_project().key, left=agent["key"])
    about = {"agent": agent, "side": side, "around": SIDES[side]}
    if conversation.thread is None:
        return Panel(conversation.thread_id, 0, path, **about)  # type: ignore[arg-type]
    return Panel.of(conversation.thread, conversation.read_seq, place, path, **about)


@bp.after_request
def remember(response: Response) -> Response:
    """The two agents that are open; a link to one message says nothing about what one wants open."""
    if request.endpoint == "dms.show" and response.status_code == 200 and "around" not in request.args:
        value = f"{request.args.get('left', '')}.{request.args.get('right', '')}"
        if len(value) < 80 and value.isascii() and request.cookies.get(OPEN) != value:
            cookies.keep(response, OPEN, value, KEPT_FOR)
    return response
