"""L1: a change in any table that a page shows is seen on that page without loading it again."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from flask import Flask
from playwright.sync_api import Locator, Page, expect
from sqlalchemy import select

from models import (
    Agent,
    AllowedHost,
    ApiToken,
    BrainDoc,
    Delivery,
    Draft,
    ExecutorRequest,
    Invite,
    Message,
    Project,
    ProjectSecret,
    Proposal,
    ProposalFold,
    RunEvent,
    Task,
    Thread,
    User,
    UserSession,
    audit,
    db,
    labs,
)
from models.base import utcnow
from models.delivery import NOT_ENDED
from models.posting import post
from realtime.registry import PUBLISHED
from tests import factories
from tests.browser.conftest import SLOW, House
from tests.support.processes import wait_until

ROOM, TASKS, TASK, AGENTS = "/oasis/chat", "/oasis/tasks", "/oasis/tasks/1", "/oasis/agents"
PEOPLE, TOKENS = "/oasis/settings/people", "/oasis/settings/tokens"
SERVERS = "/oasis/settings/servers"
LABS, ACCOUNT = "/oasis/settings/labs", "/oasis/settings/account"

KNOWLEDGE, AUDIT = "/oasis/knowledge", "/oasis/settings/audit"
SKILLS = "/oasis/agents/skills"

SHOWN_NOWHERE = {"schedules"}
"""Published, but no page shows it yet."""


class Oasis:
    """The rows that changes begin with, read anew for each."""

    @property
    def project(self) -> Project:
        found = Project.by_key("oasis")
        assert found
        return found

    @property
    def room(self) -> Thread:
        return self.project.room

    def person(self, name: str) -> User:
        found = User.by_email(f"{name}@example.org")
        assert found
        return found

    def agent(self, key: str) -> Agent:
        found = Agent.by_key(self.project.id, key)
        assert found
        return found

    def propose(self) -> Proposal:
        return factories.proposal(self.room, self.agent("trunks"))

    def approve(self) -> None:
        proposal = self.propose()
        session, _ = UserSession.start(self.person("mara"), "127.0.0.1", "a test")
        db.session.flush()
        proposal.approve(session.id, proposal.digest)

    def say(self, text: str) -> Message:
        return post(self.room, Draft.of(self.person("jonas").id, text, text[:20]))


def answered(oasis: Oasis) -> None:
    """Every agent has answered: an answer is unread, too, and its end sets the agent's line to idle.

    Of this project: who lived in the house before may have left what waits for ever.
    """
    waiting = select(Delivery.id).where(NOT_ENDED, Delivery.project_id == oasis.project.id).limit(1)

    def nothing_waits() -> bool:
        none = db.session.scalar(waiting) is None
        db.session.rollback()  # what holds the write lock here keeps the agents from answering
        return none

    wait_until(nothing_waits, 30, "the last answer", pause=0.1)


def unread(oasis: Oasis) -> None:
    answered(oasis)
    oasis.say("@mara not read yet")


@dataclass(frozen=True)
class Sight:
    """On which page a table is seen, what changes in it, and what is there then and was not before."""

    path: str
    change: Callable[[Oasis], object]
    seen: Callable[[Page], Locator]
    text: str = ""
    ready: Callable[[Oasis], object] = lambda oasis: None

    def on(self, page: Page) -> Locator:
        return self.seen(page).filter(has_text=self.text)


def pause(oasis: Oasis) -> None:
    oasis.room.paused_at = utcnow()


def rename(oasis: Oasis) -> None:
    oasis.project.name = "Second Oasis"


def rename_mara(oasis: Oasis) -> None:
    oasis.person("mara").name = "Mara Renamed"


def task_one(oasis: Oasis) -> Task:
    return Task.by_number(oasis.project.id, 1) or Task.promote(oasis.say("a task"), oasis.person("mara"))


def executing(oasis: Oasis) -> None:
    """Its plan is being carried out."""
    task = task_one(oasis)
    factories.plan(task, oasis.person("mara"), "## Look\n\n`ls`")
    factories.begun(task, oasis.person("mara"))


def print_something(oasis: Oasis) -> None:
    run = task_one(oasis).run
    assert run
    RunEvent.add(run, [("output", "printed just now")])


SIGHTS = {
    "project_chat_messages": Sight(
        ROOM, lambda o: o.say("hello"), lambda page: page.locator("article.msg[data-seq]"), "hello"
    ),
    "reactions": Sight(
        ROOM,
        lambda o: o.say("react").react(o.person("jonas"), "🎉"),
        lambda page: page.locator('.reactions button[data-emoji="🎉"]'),
        "1",
    ),
    "chat_delivery_queue": Sight(
        ROOM, lambda o: o.say("@krillin hello"), lambda page: page.locator(".delivery"), "Krillin"
    ),
    "proposals": Sight(ROOM, Oasis.propose, lambda page: page.locator('.approval[data-state="waiting"]')),
    "proposal_folds": Sight(
        ROOM,
        lambda o: ProposalFold.fold(o.propose(), o.person("mara").id),
        lambda page: page.locator(".approval[data-folded]"),
    ),
    "runs": Sight(ROOM, Oasis.approve, lambda page: page.locator(".approval .settled"), "approved by Mara"),
    "project_chat_threads": Sight(ROOM, pause, lambda page: page.locator(".breaker:visible")),
    "thread_reads": Sight(
        AGENTS,
        lambda o: o.room.mark_read(o.person("mara"), o.room.last_seq),
        lambda page: page.locator("#nav-pages [data-unread][hidden]"),
        ready=unread,
    ),
    "tasks": Sight(
        TASKS,
        lambda o: Task.promote(o.say("the disk is full"), o.person("mara")),
        lambda page: page.locator("#tasks"),
        "the disk is full",
    ),
    "task_events": Sight(
        TASK,
        lambda o: task_one(o).record("noted", "trunks", "so far"),
        lambda page: page.locator(".timeline .event"),
        "so far",
    ),
    "run_events": Sight(
        TASK, print_something, lambda page: page.locator(".log li"), "printed just now", ready=executing
    ),
    "agents": Sight(
        AGENTS,
        lambda o: Agent.provision(o.project.id, "gohan", "Gohan"),
        lambda page: page.locator("#agents"),
        "Gohan",
    ),
    "agent_status": Sight(
        AGENTS,
        lambda o: o.agent("trunks").state.say("tool", "reads the log"),
        lambda page: page.locator("#agents"),
        "reads the log",
        ready=answered,
    ),
    "executor_requests": Sight(
        AGENTS,
        lambda o: ExecutorRequest.ask(
            o.project.id, "agent_provision", {"key": "trunks", "name": "Trunks the second"}, None
        ),
        lambda page: page.locator("#requests"),
        "Trunks the second",
    ),
    "brain_docs": Sight(
        KNOWLEDGE,
        lambda o: BrainDoc.write(
            o.project.id, "trunks", "runbook", "Restart it.", base_digest=None, by_user=o.person("mara").id
        ),
        lambda page: page.locator("#docs_trunks article:visible"),
        "runbook",
    ),
    "skills_mirror": Sight(
        SKILLS,
        lambda o: factories.skill(o.project, "look-at-disks"),
        lambda page: page.locator("#skills .skill"),
        "look-at-disks",
    ),
    "audit_log": Sight(
        AUDIT,
        lambda o: audit.record("operator", "something.happened", "seen", project_id=o.project.id),
        lambda page: page.locator("#audit-entries li"),
        "something.happened",
    ),
    "memberships": Sight(
        PEOPLE,
        lambda o: User.create("kim@example.org", "Kim Nguyen", None).join(o.project, "viewer"),
        lambda page: page.locator("#member-list"),
        "Kim Nguyen",
    ),
    "invites": Sight(
        PEOPLE,
        lambda o: Invite.create(o.project, "operator", o.person("mara")),
        lambda page: page.locator("#invite-list"),
        "Operator",
    ),
    "api_tokens": Sight(
        TOKENS,
        lambda o: ApiToken.create(o.project.id, "worker", "the new worker"),
        lambda page: page.locator("#token-list"),
        "the new worker",
    ),
    "allowed_hosts": Sight(
        SERVERS,
        lambda o: AllowedHost.add(o.project.id, "api.example.org", o.person("mara")),
        lambda page: page.locator("#host-list"),
        "https://api.example.org",
    ),
    "project_secrets": Sight(
        SERVERS,
        lambda o: ProjectSecret.store(
            o.project.id,
            "key",
            "https://api.example.org",
            "a secret value",
            o.person("mara"),
            "a key of tests",
        ),
        lambda page: page.locator("#secret-list"),
        "key",
    ),
    "project_settings": Sight(
        LABS,
        lambda o: labs.write(o.project.id, {"dms": True}),
        lambda page: page.locator("#s-dms:checked"),
    ),
    "user_sessions": Sight(
        ACCOUNT,
        lambda o: UserSession.start(o.person("mara"), "192.0.2.7", "a test"),
        lambda page: page.locator("#session-list"),
        "192.0.2.7",
    ),
    "users": Sight(ACCOUNT, rename_mara, lambda page: page.locator("#whoami"), "Mara Renamed"),
    "projects": Sight(ACCOUNT, rename, lambda page: page.locator("#workspace"), "Second Oasis"),
}


def test_every_published_table_has_a_page_that_shows_it() -> None:
    assert {*SIGHTS} | SHOWN_NOWHERE == {*PUBLISHED}


@pytest.mark.databases("sqlite")
def test_a_change_of_every_table_is_seen_without_loading_the_page_again(house: House, app: Flask) -> None:
    mara, blind, loaded = house.enter("mara"), {}, ""

    def commit(change: Callable[[Oasis], object]) -> None:
        with app.app_context():
            change(Oasis())
            db.session.commit()
            db.engine.dispose()

    for table, sight in SIGHTS.items():
        if sight.path != loaded:
            mara.open(sight.path, "backup" if sight.path in (SKILLS, TASK) else "live")  # no runs worker
            mara.page.evaluate("window.loadedOnce = true")
            loaded = sight.path
        commit(sight.ready)
        expect(sight.on(mara.page)).to_have_count(0)
        commit(sight.change)
        try:
            expect(sight.on(mara.page).first).to_be_attached(timeout=SLOW)
            assert mara.page.evaluate("window.loadedOnce === true"), "it was loaded again"
        except AssertionError as error:
            blind[table] = str(error)
    assert blind == {}
