"""Rows that tests start from. Each makes what it needs and flushes; the test commits, or its client does."""

import io
import itertools
from datetime import timedelta
from typing import Any
from uuid import UUID

from flask import Flask
from flask.testing import FlaskClient

from models.agent import Agent
from models.attachment import Attachment, Received
from models.base import db, new_id, utcnow
from models.brain_doc import PROJECT, BrainDoc
from models.canonical import canonical, digest_of
from models.finding import Finding, Looked
from models.inspection import Inspection
from models.labs import FLAGS
from models.labs import write as write_labs
from models.order import KIND as EXECUTION
from models.order import Order
from models.plan import Plan
from models.plan_execution import PlanExecution
from models.planning import Planning
from models.policy import TOKEN_RIGHTS
from models.project import Project
from models.proposal import Proposal
from models.run import Run
from models.run_event import RunEvent
from models.session import UserSession
from models.skill import Skill
from models.task import Task
from models.thread import Thread
from models.token import ApiToken
from models.user import Membership, User, hash_password
from models.wish import Wish
from webapp.csrf import HEADER, token_for

PASSWORD = "correct horse battery"
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
    "0000000c4944415408d763f8cfc000000301010018dd8db00000000049454e44ae426082"
)
"""An image of one red point."""
_numbers = itertools.count(1)
_hashes: dict[str, str] = {}


def hashed(password: str = PASSWORD) -> str:
    """Hashing is slow on purpose, so each password of the tests is hashed once."""
    if password not in _hashes:
        _hashes[password] = hash_password(password)
    return _hashes[password]


def user(name: str = "", email: str = "", password: str = PASSWORD) -> User:
    number = next(_numbers)
    return User.create(email or f"person{number}@example.org", name or f"Person {number}", hashed(password))


def project(key: str = "", name: str = "", labs: bool = True) -> Project:
    made = Project.create(key or f"project{next(_numbers)}", name or "Project")
    db.session.flush()
    if labs:
        write_labs(made.id, dict.fromkeys(FLAGS, True))
        db.session.flush()
    return made


def membership(of: Project | None = None, who: User | None = None, role: str = "member") -> Membership:
    made = (who or user()).join(of or project(), role)
    db.session.flush()
    return made


def member(of: Project, role: str = "member", name: str = "") -> User:
    """A new person with a role in the project."""
    who = user(name)
    membership(of, who, role)
    return who


def agent(of: Project, key: str = "", name: str = "", **fields: Any) -> Agent:
    key = key or f"agent{next(_numbers)}"
    return Agent.provision(of.id, key, name or key.capitalize(), **fields)


def proposal(where: Thread | Task, by: Agent, action_type: str = "create_task", **params: Any) -> Proposal:
    """A proposal of the agent in a thread or a task's timeline, to create a task unless told otherwise."""
    task = {"title": "Look at the disk", "description": "", "assignee_agent_key": None}
    wish = Wish.of(by.key, action_type, params or task, "because it is full", f"wish-{next(_numbers)}")
    return Proposal.make(where, wish) if isinstance(where, Thread) else Proposal.make_in_task(where, wish)


def doc(
    of: Project, who: User, content: str = "Be kind.", doc_type: str = "manners", agent_key: str = PROJECT
) -> BrainDoc:
    """A document, or the next version of it, written by this person, who must be an operator."""
    before = BrainDoc.find(of.id, agent_key, doc_type)
    base = before.digest if before else None
    return BrainDoc.write(of.id, agent_key, doc_type, content, base_digest=base, by_user=who.id)


def skill(of: Project, key: str = "ops-check", status: str = "ready", **fields: Any) -> Skill:
    """A skill as the executor last found it."""
    missing = {kind: [] for kind in ("bins", "anyBins", "env", "config", "os")} | fields.pop("missing", {})
    said = {
        "source": "shipped",
        "path": f"skills/{key}",
        "name": key,
        "description": "Looks at something.",
        "revision": "a" * 64,
        "reasons": [],
        "setup_steps": [],
        "warnings": [],
        "checked_at": utcnow(),
        "checked_on": "here",
    }
    made = Skill(project_id=of.id, key=key, status=status, missing=missing, **(said | fields))
    db.session.add(made)
    db.session.flush()
    return made


def room(of: Project) -> Thread:
    return of.room


def attachment(where: Thread, by: User, name: str = "notes.txt", data: bytes = b"Water the plants.") -> UUID:
    """A file that this person uploaded for a message to come in the thread."""
    with Received.read(name, io.BytesIO(data), 10 << 20) as file:
        return Attachment.keep(new_id(), where, by, file, 1 << 30).id


def token(
    of: Project,
    kind: str = "user",
    who: User | None = None,
    scopes: list[str] | None = None,
    agent_key: str | None = None,
    life: timedelta = timedelta(days=30),
) -> tuple[ApiToken, str]:
    """The token's row and its text; an agent's token speaks for `agent_key`, an agent made for it at need."""
    key = (agent_key or "bulma") if kind == "agent" else None
    if key and Agent.by_key(of.id, key) is None:
        agent(of, key)
    made, text = ApiToken.create(
        of.id,
        kind,
        f"{kind} token",
        scopes=sorted(TOKEN_RIGHTS[kind]) if scopes is None else scopes,
        agent_key=key,
        user_id=who.id if who else None,
        life=life,
    )
    db.session.flush()
    return made, text


def sign_in(client: FlaskClient, who: User) -> UserSession:
    """Sign the client in without the form; it sends the CSRF token with everything from now on."""
    session, secret = UserSession.start(who, "127.0.0.1", "pytest")
    db.session.flush()
    client.set_cookie("tr_sid", secret)
    client.environ_base["HTTP_" + HEADER.upper().replace("-", "_")] = token_for(secret)
    return session


def signed_in(app: Flask, who: User) -> FlaskClient:
    """A browser in which the person is signed in."""
    client = app.test_client()
    sign_in(client, who)
    return client


def again(client: FlaskClient) -> FlaskClient:
    """Another tab of the same browser."""
    tab = client.application.test_client()
    for cookie in client._cookies.values():
        tab.set_cookie(cookie.key, cookie.value)
    tab.environ_base.update(client.environ_base)
    return tab


def bearer(app: Flask, text: str) -> FlaskClient:
    """A program that sends this token with everything."""
    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {text}"
    return client


def plan(task: Task, by: User, text: str) -> Plan:
    """What an agent made for this task; it waits for a person."""
    run = task.request_plan(by, remark="Not before ten.")
    held = Planning.hold(run.id)
    token = held.claim("host:1")
    assert token is not None
    assert held.done(token, text, {})
    made = task.plan
    assert made is not None
    return made


def audited(of: Project, by: User, *findings: Finding) -> Run:
    """An audit that a worker made to its end, of the kind of its findings; of none it is an Ops Check."""
    name = findings[0].audit if findings else "ops-check"
    held = Inspection.hold(Inspection.ask_for(of.id, name, by).id)
    token = held.claim("host:1")
    assert token is not None
    rule = findings[0].rule if findings else "disk"
    looked = Looked(rule, "What lies there", "All was looked at.", findings=findings)
    blind = Looked("blind", "What cannot be seen", "Not looked at: it is dark.", ran=False)
    assert held.done(token, [looked, blind])
    return held.run


def finding(subject: str = "README.md", **fields: Any) -> Finding:
    said = {"audit": "qa-audit", "rule": "links", "title": f"Links in {subject} lead nowhere",
            "description": "What they name is not there.", "evidence": f"{subject}:3 → plan.md"}  # fmt: skip
    return Finding(subject=subject, **{**said, **fields})


def first_order(plan: Plan, *_: Any) -> Order:
    """As `Order.of` was until a plan could be carried out at a time."""
    data = canonical({"v": 1, "plan": plan.said, "plan_digest": plan.digest})
    return Order(data, digest_of(EXECUTION, data))


def begun(task: Task, by: User) -> tuple[PlanExecution, str]:
    """Its plan was approved, and a worker holds it under this token."""
    session, _ = UserSession.start(by, "127.0.0.1", "pytest")
    db.session.flush()
    task.approve(session.id, task.plan_digest or "")
    run = task.run
    assert run is not None
    held = PlanExecution.hold(run.id)
    token = held.claim("host:1")
    assert token is not None
    assert held.begin(token)
    return held, token


def executed(task: Task, by: User, report: str) -> None:
    """Its plan was carried out."""
    held, token = begun(task, by)
    held.tell(token, [("command", "$ ls"), ("output", "a\nb\n"), ("said", "Two files.")])
    held.done(token, report, None)


def event(task: Task, by: User) -> RunEvent:
    """Something that is printed while its plan is carried out."""
    plan(task, by, "## Look\n\n`ls`")
    held, token = begun(task, by)
    held.tell(token, [("output", "a\n")])
    return RunEvent.newest(held.run.id, 1, 100)[0]
