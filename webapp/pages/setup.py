"""First run: one page, opened by a one-time link, makes the first owner and the first project."""

from flask import Blueprint, Response, current_app, make_response, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from models.base import db
from models.errors import Conflict, Invalid, NotFound
from models.policy import OPEN
from webapp import accounts, devices, doctor
from webapp.accounts import FirstRun
from webapp.auth import only_read_from_here, policy, set_session_cookie

bp = Blueprint("setup", __name__)


@bp.get("/setup")
@policy(OPEN)
def show() -> AnyResponse:
    code = request.args.get("code", "")
    try:
        accounts.check_setup_code(code)
    except NotFound:
        return redirect("/sign-in", 303)
    return _page(code)


def _page(
    code: str, errors: dict[str, list[str]] | None = None, values: dict[str, object] | None = None
) -> Response:
    html = render_template(
        "setup/show.html",
        code=code,
        checks=doctor.examine(),
        errors=errors or {},
        values=values or {},
        engine=_engine(),
    )
    response = make_response(html, 422 if errors else 200)
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def _engine() -> str:
    """Who answers for agents: the demo, unless a key or an own endpoint is set."""
    settings = current_app.config
    if settings["ANTHROPIC_API_KEY"] or settings["ANTHROPIC_BASE_URL"]:
        return settings["ANTHROPIC_MODEL"] or settings["ANTHROPIC_BASE_URL"] or "the default model"
    return "demo"


@bp.post("/setup")
@policy(OPEN)
def create() -> AnyResponse:
    said = request.form
    form = FirstRun(
        code=said.get("code", ""),
        name=said.get("name", ""),
        email=said.get("email", ""),
        password=said.get("password", ""),
        project_name=said.get("project_name", ""),
        labs=said.get("labs") == "on",
        agents=said.get("agents") == "on",
    )
    try:
        user, project = accounts.set_up(form)
        _, secret = accounts.start_session(user, None)
    except (Invalid, Conflict) as error:
        db.session.rollback()
        only_read_from_here()
        typed = {name: said.get(name, "") for name in ("name", "email", "project_name")}
        values = {**typed, "labs": form.labs, "agents": form.agents}
        return _page(form.code, error.fields or {"code": [error.message]}, values)
    first = "chat" if form.labs else "settings/labs"
    response = make_response(redirect(f"/{project.key}/{first}", 303))
    set_session_cookie(response, secret, remember=True)
    devices.remember(response, user)
    return response
