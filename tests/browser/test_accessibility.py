"""axe finds nothing on any page, in both themes and on a phone."""

import json
from pathlib import Path

import pytest
from flask import Flask
from playwright.sync_api import Page

from models import Agent, AllowedHost, Draft, Project, ProjectSecret, Task, Thread, User, db, labs
from models.note import Note
from models.posting import post
from tests import factories
from tests.browser.conftest import House

AXE = Path("node_modules/axe-core/axe.min.js")
PAGES = (
    "/oasis/chat",
    "/oasis/needs-you",
    "/oasis/tasks",
    "/oasis/tasks?view=board&status=all",
    "/oasis/tasks/1",
    "/oasis/tasks/2",
    "/oasis/tasks/3",
    "/oasis/tasks/4",
    "/oasis/tasks/ops-check",
    "/oasis/tasks/qa-audit",
    "/oasis/dms?left=trunks&right=bulma",
    "/oasis/dms?left=&right=bulma",
    "/oasis/agents",
    "/oasis/agents/skills",
    "/oasis/knowledge",
    "/oasis/knowledge/project/manners",
    "/oasis/knowledge/project/manners/edit",
    "/oasis/knowledge/project/manners/history?old=1&new=2",
    "/oasis/settings/people",
    "/oasis/settings/tokens",
    "/oasis/settings/servers",
    "/oasis/settings/labs",
    "/oasis/settings/project",
    "/oasis/settings/audit",
    "/oasis/settings/account",
)

PLAN = "The backups are elsewhere.\n\n## Copy\n\n```sh\ncp -a old new\n```\n\n## Compare\n\nBoth are *equal*."
LINK = {"output_type": "link", "storage_path": None, "link_url": "https://example.org/a"}
TEXT = {"output_type": "text", "storage_path": None, "link_url": None}
TASKS = (f"/oasis/tasks/{name}" for name in (1, 2, 3, 4, "ops-check", "qa-audit"))
AWAY = dict.fromkeys(("/oasis/agents/skills", *TASKS), "backup")
"""What asks for the runs worker, which is not there."""


def fill(app: Flask) -> None:
    """Something to see on every page."""
    with app.app_context():
        project, mara = Project.by_key("oasis"), User.by_email("mara@example.org")
        assert project
        assert mara
        labs.write(project.id, {"dms": True})
        for content in ("# Manners\n\nBe *kind*.", "# Manners\n\nBe *kind*, and \u202e short."):
            factories.doc(project, mara, content)
        factories.skill(project)
        step = {"kind": "bins", "text": "Install jq.", "command": "sudo apt-get install jq"}
        lacking = {"missing": {"bins": ["jq"]}, "setup_steps": [step], "warnings": ["It has no name"]}
        factories.skill(project, "lacking", "needs_setup", source="project", **lacking)
        off = [{"code": "disabled", "text": "It is switched off in this project."}]
        factories.skill(project, "off", "blocked", reasons=off)
        AllowedHost.add(project.id, "http://api.example.org", mara)
        db.session.flush()
        ProjectSecret.store(project.id, "token", "http://api.example.org", "Bearer s3cret", mara, "k" * 40)
        said = post(project.room, Draft.of(mara.id, "The **disk** is full", "c1"))
        db.session.flush()
        thread = Task.promote(said, mara)
        thread.add(Note.words("agent_update", "Reading `both`.", None), "trunks")
        for meta, text in ((LINK, ""), (TEXT, "## Restore\n\nSee [this](https://example.org/).")):
            thread.add(Note.output("What is needed", meta, text, None), "trunks")
        trunks = Agent.by_key(project.id, "trunks")
        assert trunks
        factories.proposal(thread, trunks)
        planned = Task.promote(post(project.room, Draft.of(mara.id, "Move the backups", "c3")), mara)
        factories.plan(planned, mara, PLAN)
        executed = Task.promote(post(project.room, Draft.of(mara.id, "Move the rest", "c4")), mara)
        factories.plan(executed, mara, PLAN)
        factories.executed(executed, mara, "It **is** done.")
        for others in ((factories.finding("b.md"),), ()):
            factories.audited(project, mara, factories.finding(priority="urgent"), *others)
        code = Draft.of(None, "See `code` and\n\n```python\nprint(1)\n```", "c2", agent_key="trunks")
        post(Thread.dm(project.id, mara.id, "trunks"), code)
        db.session.commit()
        db.engine.dispose()


FAINT_IN_THE_DARK = """() => {
    const text = Object.assign(document.createElement("p"), { id: "faint", textContent: "Hard to read" })
    document.querySelector("main").append(text)
    const sheet = new CSSStyleSheet()
    sheet.replaceSync("@media (prefers-color-scheme: dark) { #faint { color: #222; background: #111 } }")
    document.adoptedStyleSheets = [sheet]
}"""


def violations(page: Page, *rules: str) -> list[str]:
    """What axe finds, one line each, by these rules or by all that it has switched on."""
    # Evaluated by the debugger, which the page's policy does not bind; the page itself could not.
    page.evaluate(AXE.read_text())
    page.evaluate("document.getAnimations().forEach(each => each instanceof CSSTransition && each.finish())")
    only = {"runOnly": {"type": "rule", "values": rules}} if rules else {}
    found = page.evaluate("async only => (await axe.run(only)).violations", only)
    return [f"{one['id']}: {json.dumps([node['target'] for node in one['nodes']])}" for one in found]


OF_COLOURS = ("color-contrast", "link-in-text-block")


def of_both_themes(page: Page) -> list[str]:
    """The same in each theme, which decides about colours alone."""
    found = violations(page)
    page.emulate_media(color_scheme="dark")
    found += [f"dark: {line}" for line in violations(page, *OF_COLOURS)]
    page.emulate_media(color_scheme="light")
    return found


LOOKS = {"desk": of_both_themes, "phone": violations}


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("look", LOOKS)
def test_axe_finds_nothing(house: House, app: Flask, look: str) -> None:
    fill(app)
    mara = house.enter("mara", phone=look == "phone")
    mara.say("Hello @bulma, here is `code` and\n\n```python\nprint(1)\n```")
    mara.answers("bulma").wait_for(timeout=15_000)

    found = {}
    for path in PAGES:
        mara.open(path, AWAY.get(path, "live"))
        if found_here := LOOKS[look](mara.page):
            found[path] = found_here
    assert found == {}


@pytest.mark.databases("sqlite")
def test_axe_finds_nothing_in_what_opens(house: House) -> None:
    mara = house.enter("mara")
    page = mara.page
    mara.say("@jonas hello")
    mara.message("hello").wait_for()

    def opened() -> list[str]:
        found = violations(page)
        page.keyboard.press("Escape")
        return found

    found = {}
    for button in (".me", "#connection"):
        page.locator(button).click()
        found[button] = opened()
    for key, before in (("?", ".stream"), ("+", "article[data-mine]"), ("e", "article[data-mine]")):
        page.locator(before).last.focus()
        page.keyboard.press(key)
        page.locator(":popover-open, dialog[open], .editor textarea").first.wait_for()
        found[key] = opened()
    page.locator("#composer-text").press_sequentially("@")
    page.get_by_role("listbox").wait_for()
    found["@"] = opened()
    mara.open("/oasis/agents")
    page.get_by_role("button", name="New agent").click()
    found["agent"] = opened()
    assert {what: lines for what, lines in found.items() if lines} == {}


@pytest.mark.databases("sqlite")
def test_axe_would_find_something(house: House) -> None:
    """The control: a picture without words is reported."""
    mara = house.enter("mara")

    mara.page.evaluate("document.querySelector('main').append(document.createElement('img'))")

    mara.page.evaluate(FAINT_IN_THE_DARK)
    found = of_both_themes(mara.page)

    assert any(line.startswith("image-alt") for line in found)
    assert any(line.startswith("dark: color-contrast") for line in found)
    assert not any(line.startswith("color-contrast") for line in found)
