"""Who may use which address: generated from the address map, so that no route can be forgotten."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_sqlalchemy import SQLAlchemy
from werkzeug.routing import Rule

from models.agent import Agent
from models.base import new_id
from models.delivery import Delivery
from models.message import Draft
from models.policy import OPEN, RIGHTS, ROLES, SIGNED_IN, TOKEN_RIGHTS
from models.posting import post_all
from models.task import Task
from models.workspace import Workspace
from tests import factories
from tests.webapp.conftest import Site
from webapp import auth, idempotency
from webapp.csrf import VISITOR, token_for

LEVEL = {role: number for number, role in enumerate(ROLES)}
ROLE_OF = {"agent token": "member", "worker token": "viewer", "user token": "member"}
BODIES: dict[str, dict[str, Any]] = {
    "threads.read": {"seq": 1},
    "threads.mute": {"muted": True},
    "messages.post": {"content": "hello", "client_id": "matrix"},
    "messages.edit": {"content": "other words"},
    "tasks.comment": {"content": "hello", "client_id": "matrix"},
    "task_events.create": {"event_type": "comment", "content": "hello"},
    "tasks.edit": {"priority": "low"},
    "tasks.change": {"ids": ["01a201e4-9f45-721a-8f11-c71283e81b68"], "cancel": True},
    "agents.edit": {"title": "other"},
    "agent_work.progress": {"attempt": 1},
    "agent_work.finish": {"attempt": 1},
    "agent_work.propose": {
        "attempt": 1,
        "action_type": "create_task",
        "params": {"title": "x", "description": "", "assignee_agent_key": None},
        "why": "y",
    },
    "agent_work.fail": {"attempt": 1, "reason": "none"},
    "proposals.approve": {"digest": "0" * 64},
    "proposals.reject": {"digest": "0" * 64},
    "proposals.retry": {"digest": "0" * 64},
    "proposals.settle": {"digest": "0" * 64, "outcome": "executed"},
    "proposals.edit": {"digest": "0" * 64, "params": {}},
    "plans.edit": {"digest": "0" * 64, "text": "## Look"},
    "plans.reject": {"digest": "0" * 64},
    "plans.approve": {"digest": "0" * 64},
    "plans.retry": {"digest": "0" * 64},
    "plans.settle": {"outcome": "failed"},
}
# These load what they need by something else than the address, such as a token, and have tests of their own.
BY_BODY = {"chat.deliver", "streams.read", "agent_work.claim", "proposals.index", "skills.index"}


def routes(app: Flask) -> Iterator[tuple[Rule, str, str]]:
    """Every rule and method with the policy that its view declares."""
    for rule in app.url_map.iter_rules():
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            yield rule, method, app.view_functions[rule.endpoint].policy  # type: ignore[attr-defined]


def expected(name: str, policy: str) -> str:
    """`in`, `sign in`, `forbidden` or `missing`, said by the table of rights alone."""
    if policy == OPEN:
        return "in"
    if name == "nobody":
        return "sign in"
    token = name.split()[0] if name.endswith("token") else None
    if policy == SIGNED_IN:
        return "forbidden" if token else "in"
    if name == "stranger":
        return "missing"
    role = ROLE_OF.get(name, name)
    enough = LEVEL[role] >= LEVEL[RIGHTS[policy]]
    return "in" if enough and (token is None or policy in TOKEN_RIGHTS[token]) else "forbidden"


def got(response: Any) -> str:
    if response.status_code == 401 or (response.location or "").startswith("/sign-in"):
        return "sign in"
    return {403: "forbidden", 404: "missing"}.get(response.status_code, "in")


@pytest.fixture
def everybody(site: Site, app: Flask) -> dict[str, FlaskClient]:
    clients = {name: site.browser(name) for name in site.people}
    clients["nobody"] = visitor(app)
    for kind in TOKEN_RIGHTS:
        who = site.people["member"] if kind == "user" else None
        _, text = factories.token(site.project, kind, who)
        clients[f"{kind} token"] = factories.bearer(app, text)
    return clients


def visitor(app: Flask) -> FlaskClient:
    """Nobody, but with the token of the form, so that the policy is what refuses."""
    client = app.test_client()
    client.set_cookie(VISITOR, "somebody")
    with app.app_context():
        client.environ_base["HTTP_X_CSRF_TOKEN"] = token_for("somebody")
    return client


@pytest.fixture
def empty_views(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check runs, the view behind it does not: an owner may then try `remove this member`."""

    def nothing(right: str, view: Callable[..., Any], args: Any, kwargs: Any) -> tuple[str, int]:
        auth.g.checked = True
        return "", 204

    monkeypatch.setattr(idempotency, "once", nothing)


def address(rule: Rule, values: dict[str, Any]) -> str:
    """The rule with its values; an id that means nothing where none is given."""
    given = {name: values.get(name, new_id()) for name in rule.arguments}
    return str(rule.build(given)[1])  # type: ignore[index]


def wrong(matrix: list[tuple[str, str, str, str, str]]) -> list[str]:
    return [f"{who} {method} {path}: expected {want}, got {have}"
            for who, method, path, want, have in matrix if want != have]  # fmt: skip


@pytest.mark.databases("sqlite")
@pytest.mark.usefixtures("empty_views")
def test_every_route_of_a_project_lets_in_whom_the_table_says(
    app: Flask, site: Site, everybody: dict[str, FlaskClient]
) -> None:
    values = {"project_key": site.project.key, "project_id": site.project.id, "filename": "x", "number": 1}
    matrix = []
    for rule, method, policy in routes(app):
        by_address = rule.arguments & {"project_key", "project_id"}
        if policy in RIGHTS and not by_address:
            continue
        if policy == OPEN and method != "GET":
            continue  # a form of a visitor: tests of its own
        for name, client in everybody.items():
            path = address(rule, values)
            have = got(client.open(path, method=method))
            matrix.append((name, method, path, expected(name, policy), have))

    assert len(matrix) > 300
    assert wrong(matrix) == []


def test_routes_that_find_their_project_by_an_object_refuse_whom_the_table_says(
    app: Flask, site: Site, everybody: dict[str, FlaskClient], db: SQLAlchemy
) -> None:
    agent = Agent.by_key(site.project.id, "bulma")
    assert agent
    file_id = factories.attachment(site.project.room, site.people["owner"])
    draft = Draft.of(site.people["owner"].id, "@bulma", "c", attachments=[file_id])
    [message] = post_all(site.project.room, [draft])
    db.session.flush()
    delivery = db.session.query(Delivery).one()
    task = Task.promote(message, site.people["owner"])
    values = {
        "thread_id": site.project.room.id,
        "message_id": message.id,
        "task_id": task.id,
        "run_id": factories.event(task, site.people["owner"]).run_id,
        "output_id": output(task, site),
        "delivery_id": delivery.id,
        "agent_id": agent.id,
        "proposal_id": factories.proposal(site.project.room, agent).id,
        "skill_id": factories.skill(site.project).id,
        "emoji": "👍",
        "attachment_id": file_id,
    }
    matrix = []
    for rule, method, policy in routes(app):
        if policy not in RIGHTS or rule.arguments & {"project_key", "project_id"}:
            continue
        if rule.endpoint in BY_BODY:
            continue
        for name, client in everybody.items():
            want = expected(name, policy)
            if want == "in" and method != "GET":
                continue  # what it then does has tests of its own
            path = address(rule, values)
            have = got(client.open(path, method=method, json=BODIES.get(rule.endpoint)))
            if rule.rule.endswith("/partial") and want != "sign in":
                want = "missing"  # nobody writes at this moment
            matrix.append((name, method, path, want, have))

    assert len(matrix) > 50
    assert wrong(matrix) == []


def output(task: Task, site: Site) -> UUID:
    """A file that a person added to the task."""
    Workspace.of(site.project.key).write("a.txt", b"x", None)
    meta: dict[str, Any] = {"output_type": "file", "storage_path": "a.txt", "link_url": None}
    return task.record("output_added", "ui", "A", user_id=site.people["owner"].id, **meta).id


def test_the_matrix_would_notice_a_route_that_lets_in_too_many(
    app: Flask, site: Site, everybody: dict[str, FlaskClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Control: with the check taken out, what is asserted above is false."""
    monkeypatch.setattr(auth, "_check", lambda right, kwargs: setattr(auth.g, "checked", True))
    path = f"{site.api}/tokens"

    assert got(everybody["stranger"].get(path)) != expected("stranger", "token.manage")


def test_the_application_refuses_to_start_when_a_route_has_no_policy(
    make_app: Callable[..., Flask],
) -> None:
    app = make_app()
    auth.refuse_views_without_policy(app)
    app.view_functions["forgotten"] = lambda: "open to all"
    app.url_map.add(Rule("/forgotten", endpoint="forgotten"))

    with pytest.raises(RuntimeError, match="forgotten"):
        auth.refuse_views_without_policy(app)


def test_nor_when_a_repeated_post_could_ask_nobody_whether_it_may(make_app: Callable[..., Flask]) -> None:
    app = make_app()
    app.view_functions["kept"] = auth.policy("message.post")(lambda: "done")
    app.url_map.add(Rule("/api/kept", endpoint="kept", methods=["POST"]))

    with pytest.raises(RuntimeError, match="could ask nobody whether it may: kept"):
        auth.refuse_views_without_policy(app)


def test_an_unknown_right_cannot_be_declared() -> None:
    with pytest.raises(ValueError, match="no such right"):
        auth.policy("everything")


def test_a_view_that_forgets_to_ask_about_its_object_breaks(
    make_app: Callable[..., Flask], site: Site
) -> None:
    app = make_app()
    rule = Rule("/api/forgetful", endpoint="forgetful", methods=["GET"])
    app.url_map.add(rule)
    app.view_functions["forgetful"] = auth.policy("message.read")(lambda: "everybody's secrets")

    with pytest.raises(RuntimeError, match="asked nobody"):
        factories.signed_in(app, site.people["owner"]).get("/api/forgetful")


def test_missing_and_not_yours_look_the_same(site: Site) -> None:
    stranger = site.browser("stranger")

    foreign = stranger.get(f"{site.api}/members")
    missing = stranger.get(f"/api/projects/{new_id()}/members")

    assert foreign.status_code == missing.status_code == 404
    assert foreign.json == missing.json
