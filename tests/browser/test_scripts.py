"""T-XS1: what agents and people write stays text on every page that shows it, in a real browser."""

import itertools
import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Browser, Dialog, Page, Response, Route, expect

from models import Agent, Project, Run, Thread, User, UserSession, db, labs, markup
from models.base import new_id
from models.execution import Execution
from models.message import Draft, Message
from models.note import Note
from models.posting import post
from models.proposal import Proposal
from models.task import Task
from models.token import ApiToken
from models.wish import Wish
from tests import factories
from tests.browser.conftest import House
from tests.support import live as commands
from tests.support.browser import Screens
from tests.support.live import Live
from tests.support.processes import wait_until

pytestmark = pytest.mark.databases("sqlite")

VECTORS = (
    "<script>{run}</script>",
    "<script src=//evil.invalid/{n}></script>",
    "<img src=x onerror={run}>",
    "<img src=//evil.invalid/{n}>",
    "<svg onload={run}>",
    "<svg><script>{run}</script>",
    "<details open ontoggle={run}>x",
    "<input autofocus onfocus={run}>",
    "<iframe src=javascript:{run}>",
    "<iframe srcdoc='<script>{run}</script>'>",
    "<object data=//evil.invalid/{n}>",
    "<embed src=//evil.invalid/{n}>",
    "<video><source onerror={run}></video>",
    "<link rel=stylesheet href=//evil.invalid/{n}>",
    "<style>@import '//evil.invalid/{n}';</style>",
    "<p style=background:url(//evil.invalid/{n})>x",
    "<base href=//evil.invalid/{n}/>",
    "<form action=javascript:{run}><button>x",
    "<a href=javascript:{run}>x</a>",
    "<a href=x onclick={run}>x</a>",
    "<math><mtext><table><mglyph><style><img src=x onerror={run}>",
    "<template><img src=x onerror={run}></template>",
    "[x](javascript:{run})",
    "![x](//evil.invalid/{n})",
    "<javascript:{run}>",
)
"""What would run, or ask another server, if it were more than text."""
CONTEXTS = (
    "{v}", '">{v}', "'>{v}", "x={v} y", "</title>{v}", "</textarea>{v}", "</script>{v}", "--> {v}", "]]>{v}",
    "`{v}", "**{v}", "&quot;>{v}",
)  # fmt: skip
"""What it would break out of: attributes, elements of our pages, comments, markdown."""
CORPUS = [
    context.replace("{v}", vector).replace("{run}", "alert({n})" if n % 10 == 9 else "top.hit({n})")
    .replace("{n}", str(n))
    for n, (context, vector) in enumerate(itertools.product(CONTEXTS, VECTORS))
]  # fmt: skip
BY_CONTEXT = ["\n\n".join(CORPUS[at : at + len(VECTORS)]) for at in range(0, len(CORPUS), len(VECTORS))]
NUMBER = re.compile(r"(?:hit\(|alert\(|evil\.invalid/)(\d+)")

PAGES = (
    "chat", "dms?left=trunks&right=bulma", "needs-you", "tasks", "tasks/1", "agents", "agents/skills",
    "knowledge",
    "knowledge/project/manners", "knowledge/project/manners/edit", "knowledge/project/manners/history",
    "settings/people", "settings/project", "settings/tokens", "settings/account", "settings/audit",
)  # fmt: skip
ARMED = """() => {
  const found = []
  const told = (e, what) => found.push(`<${e.localName} ${what}>`)
  const look = (root) => {
    for (const e of root.querySelectorAll("*")) {
      if (e.matches("iframe, object, embed, base, math, meta[http-equiv]")) told(e, "")
      const ours = /json|importmap/.test(e.type) || e.src?.startsWith?.(location.origin)
      if (e.localName === "script" && !ours) told(e, e.src)
      for (const { name, value } of e.attributes) {
        const plain = value.replace(/[\\0- ]/g, "").toLowerCase()
        if (/^on|^srcdoc$/.test(name) || /^(javascript|vbscript|data:text)/.test(plain)) told(e, name)
        const asks = !e.matches("a") && /^(src|href|data|action|style)$/.test(name)
        if (asks && plain.includes("evil.invalid")) told(e, name)
      }
      if (e.content instanceof DocumentFragment) look(e.content)
    }
  }
  look(document)
  return found
}"""
"""What on the page would run, ask another server, or wait for a click to do so."""


class Watch:
    """What a page does that nobody meant it to do. No foreign server is ever reached."""

    def __init__(self, page: Page, home: str) -> None:
        self.page = page
        self.ran: list[Any] = []
        self.foreign: list[str] = []
        self.unguarded: list[str] = []
        page.expose_function("hit", lambda number: self.ran.append(number))
        page.on("dialog", self._dialog)
        page.on("response", self._response)
        page.context.route(lambda url: not url.startswith((home, "data:", "blob:")), self._foreign)

    @property
    def faults(self) -> dict[str, list[Any]]:
        armed = self.page.evaluate(ARMED)
        kinds = {"ran": self.ran, "foreign": self.foreign, "without a policy": self.unguarded, "armed": armed}
        return {kind: found for kind, found in kinds.items() if found}

    def _dialog(self, dialog: Dialog) -> None:
        self.ran.append(dialog.message)
        dialog.dismiss()

    def _foreign(self, route: Route) -> None:
        self.foreign.append(route.request.url)
        route.abort()

    def _response(self, response: Response) -> None:
        page = response.headers.get("content-type", "").startswith("text/html")
        if page and "script-src 'self'" not in response.headers.get("content-security-policy", ""):
            self.unguarded.append(response.url)


class Author:
    """Writes the corpus wherever agents and people write; each short text is the next of it.

    The names of hosts, secrets, handles and keys take none of it.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self._mara = db.session.query(User).filter_by(handle="mara").one()
        # By sevens, so that what stands side by side has another context each.
        self._deck = itertools.cycle(CORPUS[at * 7 % len(CORPUS)] for at in range(len(CORPUS)))

    def everywhere(self) -> None:
        labs.write(self._project.id, dict.fromkeys(labs.FLAGS, True))
        self.names()
        for content in itertools.islice(self._deck, 8):
            self.say(content, promoted=True)
        self.documents()
        self.skills()
        self.proposals()
        said = [self.say(content) for content in BY_CONTEXT]
        self.say(BY_CONTEXT[0], reply_to=said[3].id)
        for key in ("trunks", "bulma"):
            self.say(BY_CONTEXT[5], Thread.dm(self._project.id, self._mara.id, key))

    def say(self, content: str, thread: Thread | None = None, promoted: bool = False, **more: Any) -> Message:
        draft = Draft.of(None, content, str(new_id()), agent_key="trunks", **more)
        said = post(thread or self._project.room, draft)
        db.session.flush()
        if promoted:
            self.thread(Task.promote(said, self._mara))
        return said

    def thread(self, task: Task) -> None:
        """What agents add to it; an output as an older version may have kept it, which nobody checked."""
        task.add(Note.words("agent_update", BY_CONTEXT[3], None), "trunks")
        meta = {"output_type": "text", "storage_path": None, "link_url": None}
        task.add(Note.output(next(self._deck)[:200], meta, BY_CONTEXT[1], None), "bulma")
        for kind in ("link", "file"):
            old = {"output_type": kind, "storage_path": next(self._deck), "link_url": next(self._deck)}
            task.record("output_added", "bulma", next(self._deck), **old)

    def names(self) -> None:
        self._project.name = next(self._deck)
        for user in db.session.query(User):
            user.name = next(self._deck)
        for agent in Agent.of_project(self._project.id):
            agent.edit(name=next(self._deck), title=next(self._deck), persona=BY_CONTEXT[1])
            agent.state.activity = next(self._deck)
        ApiToken.create(self._project.id, "user", next(self._deck), user_id=self._mara.id)
        UserSession.start(self._mara, next(self._deck)[:64], next(self._deck))

    def documents(self) -> None:
        for number in range(2):
            factories.doc(self._project, self._mara, "\n\n".join(CORPUS[number:]))

    def skills(self) -> None:
        """As a SKILL.md of a workspace says them; a command has been checked word by word before."""
        for number, status in enumerate(("ready", "needs_setup", "blocked")):
            factories.skill(
                self._project,
                f"skill-{number}",
                status,
                source="project",
                name=next(self._deck),
                description=BY_CONTEXT[number],
                reasons=[{"code": "unreadable", "text": next(self._deck)}],
                setup_steps=[{"kind": "bins", "text": next(self._deck), "command": next(self._deck)}],
                warnings=[next(self._deck)],
                missing={"bins": [next(self._deck)]},
                checked_on=next(self._deck),
            )

    def proposals(self) -> None:
        path = (text for text in self._deck if not re.search(r"[:\\]|//|/$|^/", text))
        self.task()
        self.propose(
            "schedule_job",
            name=next(self._deck),
            schedule_expr="0 9 * * *",
            target_agent_key="bulma",
            instructions=BY_CONTEXT[4],
        )
        self.propose("edit_doc", doc_type="manners", agent_key="project", content="\n\n".join(CORPUS[9:]))
        self.propose("send_message", channel="room", recipient="Team Room", content=BY_CONTEXT[2])
        headers = {"X-A": next(self._deck)}
        self.propose("api_call", url="https://a.example/", method="PUT", headers=headers, body=BY_CONTEXT[3])
        self.propose("file_write", path=next(path), content=BY_CONTEXT[6])
        self.decided("reject", next(self._deck))
        for settled in (False, True):
            self.interrupted(settled)

    def task(self) -> Proposal:
        title, description = next(self._deck), BY_CONTEXT[0]
        return self.propose("create_task", title=title, description=description, assignee_agent_key=None)

    def propose(self, action_type: str, **params: Any) -> Proposal:
        wish = Wish.of("trunks", action_type, params, BY_CONTEXT[7], str(new_id()))
        return Proposal.make(self._project.room, wish)

    def decided(self, verb: str, *more: str) -> Proposal:
        proposal = self.task()
        getattr(proposal, verb)(self._session, proposal.digest, *more)
        return proposal

    def interrupted(self, settled: bool) -> None:
        proposal = self.decided("approve")
        run = db.session.query(Run).filter_by(approval_id=proposal.approval_id).one()
        held = Execution.hold(run.id)
        token = held.claim("a worker")
        assert token
        assert held.begin(token)
        assert held.unknown(token, next(self._deck))
        if settled:
            proposal.settle(self._session, proposal.digest, "failed", next(self._deck))

    @property
    def _session(self) -> Any:
        session, _ = UserSession.start(self._mara, "", "")
        db.session.flush()
        return session.id


@pytest.fixture
def write(app: Flask) -> Callable[[Callable[[Author], Any]], None]:
    def write(work: Callable[[Author], Any]) -> None:
        with app.app_context():
            project = Project.by_key("oasis")
            assert project
            work(Author(project))
            db.session.commit()
            db.session.remove()
            db.engine.dispose()

    return write


def test_nothing_that_is_written_runs(
    live: Live,
    screens: Screens,
    chromium: Browser,
    furnished: dict[str, str],
    write: Callable[[Callable[[Author], Any]], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert len(CORPUS) == 300
    live.start("web")
    live.wait_web()
    write(Author.everywhere)
    mara = House(live, screens, furnished).enter("mara", "/oasis/settings/labs", "backup")
    watch = Watch(mara.page, live.url)
    for path in PAGES:
        mara.open(f"/oasis/{path}", "backup")
        shown = set(map(int, NUMBER.findall(mara.page.content())))
        assert shown, f"{path} shows none of it"
        assert watch.faults == {}, path
        if path == "chat":
            assert shown == set(range(len(CORPUS))), "the room shows all of it"
            # What comes while the page is open takes another way.
            write(lambda author: author.say(f"{BY_CONTEXT[8]}\n\nthe last"))
            expect(mara.message("the last")).to_be_visible()
            assert watch.faults == {}
    mara.page.close()

    # The control: a build that believes all this is caught, by each of the questions.
    monkeypatch.setitem(commands.COMMANDS, "careless", ("-m", "tests.browser.careless_pages"))
    monkeypatch.setattr(markup, "_sanitise", lambda html: html)
    monkeypatch.setitem(markup._markdown.options, "html", True)  # type: ignore[arg-type]
    write(lambda author: author.say("\n\n".join(BY_CONTEXT)[:16_000]))
    live.web.end()
    live.start("web", "careless")
    live.wait_web()
    believed = Screens(chromium, live.url)  # whose faults are what it is for
    page = believed.open()
    page.context.add_cookies([{"name": "tr_sid", "value": furnished["mara"], "url": live.url}])
    careless = Watch(page, live.url)
    page.goto("/oasis/chat", wait_until="commit")
    wait_until(lambda: len(careless.faults) == 4, what="each kind of fault", pause=0.1)
    believed.close()
