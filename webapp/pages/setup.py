"""First run: one page, opened by a one-time link, makes the first owner and the first project."""

from flask import Blueprint, Response, current_app, make_response, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from models.errors import NotFound
from models.policy import OPEN
from webapp import accounts, devices, doctor
from webapp.accounts import FirstRun
from webapp.auth import policy, set_session_cookie
from webapp.forms import shown_again

bp = Blueprint("setup", __name__)


@bp.get("/setup")
@policy(OPEN)
def show() -> AnyResponse:
    try:
        return _page()
    except NotFound:
        return redirect("/sign-in", 303)


def _page() -> Response:
    code = request.values.get("code", "")
    accounts.check_setup_code(code)
    html = render_template("setup/show.html", code=code, checks=doctor.examine(), engine=_engine())
    response = make_response(html)
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
@shown_again(_page)
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
    user, project = accounts.set_up(form)
    _, secret = accounts.start_session(user, None)
    first = "chat" if form.labs else "settings/labs"
    response = make_response(redirect(f"/{project.key}/{first}", 303))
    set_session_cookie(response, secret, remember=True)
    devices.remember(response, user)
    return response
