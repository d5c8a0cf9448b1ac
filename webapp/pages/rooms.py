"""The Team Room's page, and the addresses that lead to it."""

from datetime import timedelta

from flask import Blueprint, Response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from models import labs
from models.errors import NotFound
from models.policy import SIGNED_IN
from models.project import Project
from models.thread import Thread
from webapp import cookies, rendering, shown, visible
from webapp.auth import current_project, policy
from webapp.kept import State
from webapp.schemas import LAST_SEQ
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
    layout, around = rendering.layout(state), _anchor()
    room: Thread | None = layout["room"]
    if room is None:
        raise NotFound
    found = shown.messages(room, around=around, place=state.place(f"project:{room.project_id}"))
    return render_template(
        "room/show.html",
        **layout,
        thread=room,
        read_seq=layout["room_read_seq"],
        messages=found.messages,
        has_before=found.has_before,
        has_after=found.has_after,
        anchor_seq=around,
    )


def _anchor() -> int | None:
    """The seq in the address; what is none asks for the newest."""
    text = request.args.get("around", "")
    return min(int(text), LAST_SEQ) if text.isdecimal() and len(text) < 20 else None


@bp.after_request
def remember(response: Response) -> Response:
    """Whose room is open is the project used last."""
    if request.endpoint == "rooms.chat" and response.status_code == 200:
        key = str((request.view_args or {})["project_key"])
        if request.cookies.get(LAST_PROJECT) != key:
            cookies.keep(response, LAST_PROJECT, key, A_YEAR)
    return response
