"""The Team Room's page, and the addresses that lead to it."""

from datetime import timedelta

from flask import Blueprint, Response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from models import labs
from models.errors import NotFound
from models.policy import SIGNED_IN
from models.project import Project
from models.thread import Thread
from webapp import cookies, rendering, visible
from webapp.auth import current_project, policy
from webapp.kept import State
from webapp.panels import Panel
from webapp.visible import LAST_PROJECT

bp = Blueprint("rooms", __name__)

A_YEAR = timedelta(days=365)


@bp.get("/")
@bp.get("/chat")
@policy(SIGNED_IN)
def home() -> AnyResponse:
    """To the project used last."""
    project = visible.last_project()
    if project is None:
        raise NotFound("you are not in a project yet: ask an owner for an invite")
    return redirect(_first_page(project))


@bp.get("/<project_key>/")
@policy("project.read")
def project(project_key: str) -> AnyResponse:
    return redirect(_first_page(current_project()))


def _first_page(project: Project) -> str:
    on = labs.enabled("team_room", project.id)
    return url_for("rooms.chat", project_key=project.key) if on else f"/{project.key}/settings"


@bp.get("/<project_key>/chat")
@rendering.kept
@policy("message.read")
def chat(project_key: str) -> Response:
    """The newest messages, or those around the seq of a permalink."""
    return rendering.kept_page(_chat)


def _chat(state: State) -> str:
    layout = rendering.layout(state)
    room: Thread | None = layout["room"]
    if room is None:
        raise NotFound
    place = state.place(f"project:{room.project_id}")
    panel = Panel.of(room, layout["room_read_seq"], place, request.path)
    return render_template("room/show.html", **layout, panel=panel)


@bp.after_app_request
def remember(response: Response) -> Response:
    """Whose room, or DMs, are open is the project used last."""
    if request.endpoint in ("rooms.chat", "dms.show") and response.status_code == 200:
        key = str((request.view_args or {})["project_key"])
        if request.cookies.get(LAST_PROJECT) != key:
            cookies.keep(response, LAST_PROJECT, key, A_YEAR)
    return response
