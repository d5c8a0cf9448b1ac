"""Every decision and every change of who may what is on the audit page: each is done, and looked for."""

import ast
import json
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import select

from models import (
    AllowedHost,
    BrainDoc,
    Draft,
    ExecutorRequest,
    Invite,
    ProjectSecret,
    Proposal,
    Task,
    UserSession,
)
from models.base import utcnow
from models.inspection import Inspection
from models.posting import post
from models.user import Membership
from tests import factories
from tests.support.databases import SECRET_KEY
from tests.webapp.conftest import Site
from tests.webapp.test_invites import accept
from tests.webapp.test_sessions import form_token, sign_in
from webapp import accounts
from webapp.pages.audit import ACTIONS

pytestmark = pytest.mark.databases("sqlite")

ROOT = Path(__file__).parents[2]
RIGHTS = {
    "proposal.decide", "member.manage", "invite.manage", "token.manage", "labs.manage", "project.manage",
    "agent.provision", "agent.edit", "task.plan", "doc.edit", "host.manage", "secret.manage",
    "audit.run",
}  # fmt: skip
"""Whoever uses one of these leaves an entry."""
UNHEARD = {"POST /api/proposals/<uuid:proposal_id>/later", "DELETE /api/proposals/<uuid:proposal_id>/later"}
"""They fold a card for the caller alone."""

WRITES = ("audit.record", "note", "accounts.note", "refusal.note")
"""How the source writes to the log."""

API, MEMBER = "/api/projects/<uuid:project_id>", "/api/projects/<uuid:project_id>/members/<uuid:user_id>"
SETTINGS = "/<project_key>/settings"
TASKS = "/api/tasks/<uuid:task_id>"
PERSON = f"{SETTINGS}/people/<uuid:membership_id>"
ORIGIN = "https://api.example.org"
TASK = {"title": "Another", "description": "", "assignee_agent_key": None}
VERBS: dict[str, tuple[str, dict[str, Any]]] = {
    f"PATCH {MEMBER}": ("member.role", {"role": "viewer"}),
    f"DELETE {MEMBER}": ("member.removed", {}),
    f"PUT {MEMBER}/deactivation": ("member.deactivated", {}),
    f"DELETE {MEMBER}/deactivation": ("member.reactivated", {}),
    f"POST {MEMBER}/reset": ("password.reset_link", {}),
    f"POST {API}/invites": ("invite.created", {"role": "member"}),
    f"DELETE {API}/invites/<uuid:invite_id>": ("invite.revoked", {}),
    f"POST {API}/tokens": ("token.created", {"kind": "worker", "name": "host"}),
    f"DELETE {API}/tokens/<uuid:token_id>": ("token.revoked", {}),
    f"PUT {API}/labs": ("labs.switched", {"dms": False}),
    f"PATCH {API}": ("project.renamed", {"name": "Another"}),
    f"POST {API}/audits/<name>/runs": ("audit.asked", {}),
    f"POST {API}/audits/<name>/stop": ("audit.stopped", {}),
    f"PUT {API}/archive": ("project.archived", {}),
    f"POST {API}/agents": ("agent.requested", {"key": "gohan", "name": "Gohan"}),
    f"PUT {API}/docs/<agent_key>/<doc_type>": ("doc.written", {"content": "x", "base_digest": None}),
    "PATCH /api/agents/<uuid:agent_id>": ("agent.edited", {"title": "other"}),
    "POST /api/proposals/<uuid:proposal_id>/approve": ("proposal.approved", {}),
    "POST /api/proposals/<uuid:proposal_id>/reject": ("proposal.rejected", {}),
    "POST /api/proposals/<uuid:proposal_id>/retry": ("proposal.approved", {}),
    "POST /api/proposals/<uuid:proposal_id>/settle": (
        "proposal.settled",
        {"outcome": "executed", "note": "I looked"},
    ),
    "PATCH /api/proposals/<uuid:proposal_id>": ("proposal.edited", {"params": TASK}),
    f"PATCH {TASKS}": ("task.edited", {"priority": "high"}),
    f"POST {API}/tasks/change": ("task.cancelled", {"cancel": True}),
    f"POST {TASKS}/plan": ("task.plan_requested", {"remark": "Not before ten."}),
    f"POST {TASKS}/plan/stop": ("task.planning_stopped", {}),
    f"PATCH {TASKS}/plan": ("task.plan_edited", {"text": "## Look twice"}),
    f"POST {TASKS}/plan/reject": ("task.plan_rejected", {"reason": "Not now."}),
    f"POST {TASKS}/plan/approve": ("task.plan_approved", {}),
    f"POST {TASKS}/plan/take-back": ("task.approval_taken_back", {}),
    f"POST {TASKS}/plan/retry": ("task.plan_approved", {}),
    f"POST {TASKS}/settle": ("task.execution_settled", {"outcome": "failed", "note": "I looked"}),
    f"POST {TASKS}/stop": ("task.stop_wished", {}),
    f"POST {TASKS}/cancel": ("task.cancelled", {}),
    f"POST {SETTINGS}/labs": ("labs.switched", {"flag": "dms", "on": "false"}),
    f"POST {PERSON}": ("member.role", {"role": "viewer"}),
    f"POST {PERSON}/reset": ("password.reset_link", {}),
    f"POST {PERSON}/close": ("member.deactivated", {}),
    f"POST {PERSON}/reopen": ("member.reactivated", {}),
    f"POST {PERSON}/end": ("member.removed", {}),
    f"POST {SETTINGS}/invites": ("invite.created", {"role": "member"}),
    f"POST {SETTINGS}/invites/<uuid:invite_id>/revoke": ("invite.revoked", {}),
    f"POST {SETTINGS}/tokens": ("token.created", {"kind": "worker", "name": "host", "days": "7"}),
    f"POST {SETTINGS}/tokens/<uuid:token_id>/revoke": ("token.revoked", {}),
    f"POST {SETTINGS}/project": ("project.renamed", {"name": "Another"}),
    f"POST {SETTINGS}/project/default-agent": ("project.default_agent", {"default_agent_key": ""}),
    f"POST {SETTINGS}/project/new": ("project.created", {"new_name": "A new one"}),
    f"POST {SETTINGS}/project/archive": ("project.archived", {}),
    f"POST {SETTINGS}/servers/hosts": ("host.allowed", {"host": "api.example.com"}),
    f"POST {SETTINGS}/servers/hosts/<uuid:host_id>/remove": ("host.forbidden", {}),
    f"POST {SETTINGS}/servers/secrets": (
        "secret.stored",
        {"name": "other", "origin": ORIGIN, "value": "long value"},
    ),
    f"POST {SETTINGS}/servers/secrets/<uuid:secret_id>/remove": ("secret.removed", {}),
}
"""What each address that needs such a right leaves behind, and what it is sent."""


def addresses(app: Flask) -> Iterator[str]:
    for rule in app.url_map.iter_rules():
        for method in (rule.methods or set()) - {"GET", "HEAD", "OPTIONS"}:
            if app.view_functions[rule.endpoint].policy in RIGHTS:  # type: ignore[attr-defined]
                yield f"{method} {rule.rule}"


def test_no_address_that_decides_or_changes_a_right_is_forgotten(app: Flask) -> None:
    assert {*addresses(app)} - UNHEARD == {*VERBS}


@pytest.fixture
def places(site: Site) -> dict[str, str]:
    """What stands in the addresses."""
    project, member = site.project, site.people["member"]
    bulma = factories.agent(project, "bulma")
    membership = Membership.of(project.id, member.id)
    assert membership
    proposal = factories.proposal(project.room, bulma)
    invite, _ = Invite.create(project, "member", site.people["owner"])
    host = AllowedHost.add(project.id, ORIGIN.removeprefix("https://"), site.people["owner"])
    factories.db.session.flush()
    secret = ProjectSecret.store(project.id, "token", ORIGIN, "long value", site.people["owner"], SECRET_KEY)
    factories.db.session.flush()
    said = post(project.room, Draft.of(member.id, "The disk is full", "c1"))
    task = Task.promote(said, site.people["owner"])
    plan = factories.plan(task, site.people["owner"], "## Look")
    found = {
        "project_id": project.id,
        "project_key": project.key,
        "name": "ops-check",
        "user_id": member.id,
        "membership_id": membership.id,
        "invite_id": invite.id,
        "token_id": factories.token(project, "worker")[0].id,
        "host_id": host.id,
        "secret_id": secret.id,
        "agent_id": bulma.id,
        "agent_key": "bulma",
        "doc_type": "runbook",
        "proposal_id": proposal.id,
        "digest": proposal.digest,
        "task_id": task.id,
        "plan_digest": plan.digest,
    }
    factories.db.session.commit()
    return {name: str(value) for name, value in found.items()}


def entries(site: Site, owner: FlaskClient, settings: str = "") -> list[str]:
    """The actions that an owner sees; of a project that was put away, once it is open again."""
    site.project.archived_at = None
    factories.db.session.commit()
    answer = owner.get(f"{settings or site.settings}/audit/export?format=jsonl")
    assert answer.status_code == 200
    return [said["action"] for said in map(json.loads, answer.text.splitlines()) if "action" in said]


def carry_out_what_waits(db: SQLAlchemy) -> None:
    for request in db.session.scalars(select(ExecutorRequest).where(ExecutorRequest.kind == "doc_edit")):
        BrainDoc.carry_out(request)
    db.session.commit()


def approved_and_then(rule: str, places: dict[str, str], owner: FlaskClient, db: SQLAlchemy) -> None:
    """What a retry and a settling begin from: a failure, and an end that nobody knows."""
    status = {"retry": "error", "settle": "interrupted"}.get(rule.rpartition("/")[2])
    if status is None:
        return
    address = f"/api/proposals/{places['proposal_id']}/approve"
    assert owner.post(address, json={"digest": places["digest"]}).status_code == 200
    proposal = db.session.get_one(Proposal, UUID(places["proposal_id"]))
    assert proposal.run
    proposal.run.advance("status", "queued", status)
    if status == "error":
        proposal.advance("status", "approved", "failed", executed_at=utcnow(), execution_result="it broke")
    db.session.commit()


def as_it_begins(rule: str, site: Site, places: dict[str, str], db: SQLAlchemy) -> None:
    """What stopping, trying again and settling begin from: planning, a run, a failure, an unknown end."""
    task, owner = db.session.get_one(Task, UUID(places["task_id"])), site.people["owner"]
    match rule.removeprefix(f"POST {TASKS}").removeprefix(TASKS):
        case rule if rule.endswith("/audits/<name>/stop"):
            Inspection.ask_for(site.project.id, places["name"], owner)
        case "/plan/stop":
            task.request_plan(owner)
        case "/plan/retry":
            held, token = factories.begun(task, owner)
            held.failed(token, "it broke")
        case "/plan/take-back":
            session, _ = UserSession.start(owner, "127.0.0.1", "pytest")
            db.session.flush()
            task.approve(session.id, places["plan_digest"], utcnow() + timedelta(hours=1))
        case "/settle":
            held, token = factories.begun(task, owner)
            held.unknown(token, "its worker was lost")
        case "/stop":
            factories.begun(task, owner)
    db.session.commit()


@pytest.mark.parametrize("verb", VERBS)
def test_it_is_in_the_log(
    site: Site, owner: FlaskClient, places: dict[str, str], db: SQLAlchemy, verb: str
) -> None:
    action, body = VERBS[verb]
    method, _, rule = verb.partition(" ")
    path = re.sub(r"<(?:\w+:)?(\w+)>", lambda found: places[found[1]], rule)
    if "/proposals/" in rule:
        body = {"digest": places["digest"]} | body
        approved_and_then(rule, places, owner, db)
    if rule.endswith("/tasks/change"):
        body = {"ids": [places["task_id"]]} | body
    if rule.startswith(TASKS) or rule.endswith("/stop"):
        names_plan = (
            rule.rpartition("/")[2] in ("plan", "approve", "reject", "retry")
            and action != "task.plan_requested"
        )
        body = ({"digest": places["plan_digest"]} if names_plan else {}) | body
        as_it_begins(rule, site, places, db)
    before = entries(site, owner)

    answer = owner.open(path, method=method, **({"json": body} if "/api/" in rule else {"data": body}))
    assert answer.status_code < 400, answer.text
    carry_out_what_waits(db)

    found = entries(site, owner)[len(before) :]
    if action == "project.created":  # the owners of his other projects learn nothing of this one
        assert action not in found
        found = entries(site, owner, answer.headers["Location"].removesuffix("/labs"))
    assert action in found


def signing_in(site: Site, app: Flask) -> None:
    assert sign_in(app.test_client(), site.people["member"].email).status_code == 303


def failing_to_sign_in(site: Site, app: Flask) -> None:
    sign_in(app.test_client(), site.people["member"].email, "wrong wrong wrong")


def signing_out(site: Site, app: Flask) -> None:
    site.browser("member").post("/sign-out")


def changing_the_password(site: Site, app: Flask) -> None:
    said = {"current": factories.PASSWORD, "password": "another long one 7"}
    assert site.browser("member").put("/api/me/password", json=said).status_code == 204


def ending_other_sessions(site: Site, app: Flask) -> None:
    assert site.browser("member").delete("/api/sessions").status_code == 204


def ending_a_session(site: Site, app: Flask) -> None:
    client = site.browser("member")
    mine = factories.db.session.scalars(
        select(UserSession).where(UserSession.user_id == site.people["member"].id)
    )
    assert client.delete(f"/api/sessions/{mine.first().id}").status_code == 204  # type: ignore[union-attr]


def resetting_by_link(site: Site, app: Flask) -> None:
    with app.test_request_context():
        link = accounts.link_to_reset(site.people["member"])
    client, path = app.test_client(), link.removeprefix("http://localhost")
    said = {"password": "another long one 7", "csrf_token": form_token(client, path)}
    assert client.post(path, data=said).status_code < 400


def joining_by_invite(site: Site, app: Flask) -> None:
    url = site.browser("owner").post(f"{site.api}/invites", json={"role": "member"}).get_json()["url"]
    accept(app.test_client(), url.removeprefix("http://localhost"))


def asking_for_what_one_may_not(site: Site, app: Flask) -> None:
    site.browser("member").get(f"{site.settings}/tokens").close()  # it is written once the answer is out


def losing_the_role_after_a_decision(site: Site, app: Flask) -> None:
    proposal = factories.proposal(site.project.room, factories.agent(site.project, "trunks"))
    factories.db.session.commit()
    said = {"digest": proposal.digest}
    assert (
        site.browser("operator").post(f"/api/proposals/{proposal.id}/approve", json=said).status_code == 200
    )
    member = f"{site.api}/members/{site.people['operator'].id}"
    assert site.browser("owner").patch(member, json={"role": "viewer"}).status_code == 200


@pytest.mark.parametrize(
    ("does", "action"),
    [
        (signing_in, "sign_in"),
        (failing_to_sign_in, "sign_in.failed"),
        (signing_out, "sign_out"),
        (changing_the_password, "password.changed"),
        (ending_other_sessions, "sessions.revoked"),
        (ending_a_session, "sign_out"),
        (resetting_by_link, "password.reset"),
        (joining_by_invite, "account.created"),
        (joining_by_invite, "invite.accepted"),
        (asking_for_what_one_may_not, "access.refused"),
        (losing_the_role_after_a_decision, "proposal.voided"),
    ],
)
def test_what_people_do_by_themselves_is_in_the_log(
    site: Site,
    app: Flask,
    owner: FlaskClient,
    db: SQLAlchemy,
    does: Callable[[Site, Flask], None],
    action: str,
) -> None:
    site.people["member"].password_hash = factories.hashed()
    db.session.commit()
    before = entries(site, owner)

    does(site, app)

    assert action in entries(site, owner)[len(before) :]


def test_an_unheard_verb_would_be_noticed(
    site: Site, owner: FlaskClient, places: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: without the note there is no entry, and the test above would say so."""
    monkeypatch.setattr(accounts, "note", lambda *args, **more: None)
    owner.put(f"{site.api}/labs", json={"dms": False})

    assert "labs.switched" not in entries(site, owner)


def written_actions() -> set[str]:
    """Every action that the source gives to the log, as far as it is written out there."""
    found = set()
    for folder in ("models", "queues", "realtime", "webapp"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and ast.unparse(node.func) in WRITES:
                    found |= {text for argument in node.args[:2] for text in _texts(argument)}
    return {text for text in found if re.fullmatch(r"[a-z_]+(\.[a-z_]*)?", text)}


def _texts(argument: ast.expr) -> list[str]:
    if isinstance(argument, ast.JoinedStr):
        argument = argument.values[0]
    return [argument.value] if isinstance(argument, ast.Constant) and isinstance(argument.value, str) else []


def test_the_filter_knows_how_every_action_begins() -> None:
    written = written_actions() - {"nobody", "system", "operator"}

    assert {"sign_in", "labs.switched", "proposal.", "doc.written"} <= written
    assert [action for action in sorted(written) if not action.startswith(tuple(ACTIONS))] == []
