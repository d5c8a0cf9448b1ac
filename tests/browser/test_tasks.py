"""A person makes a task of a message, and everybody sees both sides of it."""

import json
import urllib.request
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Locator, Page, Route, expect

from models import Project, Task, db
from tests import factories
from tests.browser.conftest import SLOW, House

pytestmark = pytest.mark.databases("sqlite")
WANTED = {"action_type": "file_write", "params": {"path": "rules/disk.json", "content": "{}"}}


def report(house: House, app: Flask, **said: Any) -> None:
    """What Trunks says of the task, with a token, from elsewhere."""
    with app.app_context():
        project = Project.by_key("oasis")
        assert project
        task = Task.by_number(project.id, 1)
        assert task
        token, address = (
            factories.token(project, "agent", agent_key="trunks")[1],
            f"/api/tasks/{task.id}/events",
        )
        db.session.commit()
        db.engine.dispose()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(house.live.url + address, json.dumps(said).encode(), headers)
    with urllib.request.urlopen(request, timeout=20) as answer:
        assert answer.status == 201


def lose_the_answer(route: Route) -> None:
    """The server does what it is asked, and nobody hears so."""
    route.fetch()
    route.abort()


def test_promoting_a_message_and_its_thread(house: House, app: Flask) -> None:
    """The runs worker is away: who reads is told so, and goes on; what an agent asks for waits."""
    mara, jonas = house.enter("mara"), house.enter("jonas", "/oasis/tasks")
    mara.say("The disk is full")
    said = mara.message("The disk is full")
    said.hover()
    said.get_by_role("button", name="Promote to task").click()

    expect(mara.page.locator(".toast")).to_have_text("Task 1 was made.")
    expect(jonas.page.locator(".task-row")).to_contain_text("The disk is full")
    link = said.get_by_role("link", name="Task 1")
    said.hover()
    expect(said.get_by_role("button", name="Promote to task")).to_be_hidden()
    link.click()
    expect(mara.page.locator("#task-title")).to_have_text("The disk is full")
    expect(mara.page.locator(".timeline .event")).to_contain_text("Mara Lindqvist made it of a message")

    jonas.open("/oasis/tasks/1", "backup")
    expect(jonas.page.locator(".banner")).to_contain_text("Agent offline")
    form = mara.page.locator("#add-output")
    form.get_by_text("Add output").click()
    form.get_by_label("Title").fill("The graph")
    form.get_by_label("Address").fill("ftp://example.org/")
    form.get_by_role("button", name="Add", exact=True).click()
    expect(form.locator(".error:visible")).to_contain_text("http or https")
    form.get_by_label("Address").fill("https://graphs.example.org/disk")
    mara.page.route("**/api/tasks/*/events", lose_the_answer, times=1)
    form.get_by_role("button", name="Add", exact=True).click()
    expect(form.locator(".error:visible")).to_contain_text("nothing is done twice")
    form.get_by_role("button", name="Add", exact=True).click()
    expect(form.get_by_label("Title")).to_be_hidden()
    thread = jonas.page.locator("ol.timeline")
    graph = thread.get_by_role("link", name="The graph")
    expect(graph.first).to_have_attribute("href", "https://graphs.example.org/disk")
    expect(thread).to_contain_text("graphs.example.org")

    form.get_by_text("Add output").click()
    form.get_by_label("Title").fill("How it was found")
    form.get_by_label("Address").fill("no address")
    form.get_by_label("Text", exact=True).check()
    form.get_by_label("Text, as Markdown").fill("By looking.")
    form.get_by_role("button", name="Add", exact=True).click()
    expect(thread).to_contain_text("added a text")

    report(house, app, event_type="agent_update", content="Reading the **rules**.")
    report(house, app, event_type="approval_request", content="It must be there first.", metadata=WANTED)
    expect(thread.locator(".bubble strong")).to_have_text("rules")
    expect(graph).to_have_count(1)
    card = thread.locator(".approval")
    expect(card.locator(".title")).to_have_text("Create the file rules/disk.json")
    expect(card.locator(".card__foot .btn:visible")).to_have_count(0)
    hers = mara.page.locator("ol.timeline .approval")
    reject = hers.get_by_role("button", name="Reject…")
    expect(reject).to_be_enabled()
    reject.press("Enter")
    dialog = mara.page.get_by_role("dialog")
    dialog.locator("textarea:visible").fill("Not this week.")
    dialog.get_by_role("button", name="Reject", exact=True).click()
    expect(card).to_have_attribute("data-state", "rejected")
    expect(thread).to_contain_text("Mara Lindqvist rejected the proposal: Not this week.")

    mara.page.get_by_role("link", name="a message").click()
    expect(mara.message("The disk is full")).to_be_in_viewport()


def test_the_sidebar_leads_to_the_tasks(house: House) -> None:
    mara = house.enter("mara")
    mara.page.keyboard.press("Escape")
    mara.page.locator(".sidebar").get_by_role("link", name="Tasks").click()

    expect(mara.page.locator("h1")).to_have_text("Tasks")
    expect(mara.page.locator(".empty")).to_contain_text("No task yet")


@pytest.mark.usefixtures("executor")
def test_a_plan_is_made_changed_refused_and_carried_out(house: House) -> None:
    """Mara asks, the demo plans, Jonas watches; she changes one step, refuses it, and approves the next."""
    mara = house.enter("mara")
    mara.say("The disk is full")
    said = mara.message("The disk is full")
    said.hover()
    said.get_by_role("button", name="Promote to task").click()
    said.get_by_role("link", name="Task 1").click()
    jonas = house.enter("jonas", "/oasis/tasks/1")
    stage, theirs = mara.page.locator("#stage"), jonas.page.locator("#stage")
    expect(theirs.locator("h2")).to_have_text("No plan yet")
    expect(theirs.get_by_role("button")).to_have_count(0)

    stage.get_by_label("Hint for the plan").fill("Not before ten.")
    stage.get_by_role("button", name="Generate Plan").click()

    expect(theirs.locator("h2")).to_have_text("Plan v1 waits", timeout=SLOW)
    plan = mara.page.locator("#plan")
    expect(plan.locator("h3")).to_have_text(
        ["1 Look at what the task asks for", "2 Write a note into the workspace"]
    )
    expect(mara.page.locator("ol.timeline")).to_contain_text("asked for a plan: Not before ten.")

    elsewhere = house.enter("mara", "/oasis/needs-you")
    expect(elsewhere.page.locator(".needs__list")).to_contain_text("Plan v1 by Trunks waits for a decision.")
    plan.get_by_text("Edit this step").last.click()
    plan.get_by_label("Step 2").fill("## Write it down\n\nInto `notes/disk.md`.")
    plan.get_by_role("button", name="Save").last.click()

    expect(jonas.page.locator("#plan-title")).to_have_text("Plan v2")
    expect(jonas.page.locator("#plan h3").last).to_have_text("2 Write it down")
    jonas.page.get_by_text("What was changed of v1").click()
    expect(jonas.page.locator("#plan .sides")).to_contain_text("notes/demo-plan.md")

    expect(stage.locator("h2")).to_have_text("Plan v2 waits")
    stage.get_by_text("Reject…").click()
    stage.get_by_label("Why").fill("Not during the sale.")
    stage.get_by_role("button", name="Reject", exact=True).click()

    expect(theirs.locator("h2")).to_have_text("Rejected")
    expect(elsewhere.page.locator(".needs__list > *")).to_have_count(0)
    expect(theirs).to_contain_text("Not during the sale.")
    expect(jonas.page.locator("ol.timeline")).to_contain_text("Mara Lindqvist rejected the plan")
    expect(jonas.page.locator("#plan .badge")).to_have_text("Rejected")

    stage.get_by_role("button", name="Generate Plan").click()
    waits = elsewhere.page.locator(".needs__list > .pause")
    expect(waits).to_contain_text("Plan v3", timeout=SLOW)
    expect(elsewhere.page.locator("#nav-pages [data-controller=waiting]")).to_have_text("1 waiting")
    waits.get_by_role("link", name="Task 1").click()
    elsewhere.page.get_by_role("button", name="Approve & Run Now").click(timeout=SLOW)

    expect(theirs.locator("h2")).to_have_text("Completed", timeout=SLOW)
    attempt = jonas.page.locator("#attempts .run")
    expect(attempt.locator(".badge")).to_have_text("Done")
    expect(attempt.locator(".prose")).to_contain_text("and read it again")
    attempt.get_by_text("What happened").click()
    expect(attempt.locator(".log")).to_contain_text("Written by the demo.")
    expect(jonas.page.locator("ol.timeline")).to_contain_text("Trunks carried out the plan")


def choose_time(form: Locator, page: Page) -> None:
    """In some seconds, as the picker says it: in the reader's own zone."""
    form.get_by_label("Schedule").check()
    local = """() => { const at = new Date(Date.now() + 4000 - new Date().getTimezoneOffset() * 60000)
        return at.toISOString().slice(0, 19) }"""
    form.get_by_label("Date and time").fill(page.evaluate(local))
    expect(form).to_contain_text("(in less than a minute)")


@pytest.mark.databases("sqlite", "postgresql")
@pytest.mark.usefixtures("executor")
def test_from_an_audit_to_a_plan_that_was_carried_out(house: House) -> None:
    """Phase 6 of the seed document, at chosen times; and nobody decides on what he does not see."""
    mara = house.enter("mara", "/oasis/tasks/security-audit")
    mara.page.get_by_role("button", name="Run Security Audit").click()
    mara.page.get_by_role("row", name="Only one person is an owner").get_by_role("link").click(timeout=SLOW)
    expect(mara.page.locator("#task-title")).to_have_text("Only one person is an owner")
    stage = mara.page.locator("#stage")
    choose_time(stage, mara.page)
    stage.get_by_role("button", name="Schedule Plan").click()
    expect(stage).to_contain_text("Take back")
    expect(stage.locator("h2")).to_have_text("Plan v1 waits", timeout=SLOW)

    other = house.enter("mara", "/oasis/tasks/1")
    other.page.get_by_text("Edit this step").first.click()
    other.page.get_by_label("Step 1").fill("## Half a thought")
    mara.page.get_by_text("Edit this step").last.click()
    mara.page.get_by_label("Step 2").fill("## Write it down\n\nInto `notes/disk.md`.")
    mara.page.locator("#plan").get_by_role("button", name="Save").last.click()
    expect(mara.page.locator("#plan-title")).to_have_text("Plan v2")
    expect(other.page.locator("ol.timeline")).to_contain_text("changed the plan: version 2")
    expect(other.page.locator("#plan-title")).to_have_text("Plan v1")
    other.page.get_by_role("button", name="Approve & Run Now").click()
    expect(other.page.locator("#stage [role=alert]:not([hidden])")).to_contain_text("version 2")
    other.open("/oasis/tasks/1?plan=1")
    expect(other.page.get_by_role("button", name="Approve & Run Now")).to_have_count(0)

    choose_time(stage.locator("form").first, mara.page)
    stage.get_by_label("Run /oasis-op after execution").check()
    stage.get_by_role("button", name="Approve & Schedule Execution").click()
    expect(stage.locator("h2")).to_have_text("Scheduled")
    expect(stage.locator("dl")).to_contain_text("by Mara Lindqvist")
    expect(stage.locator("h2")).to_have_text("Completed", timeout=SLOW)
    looked = mara.page.locator("#attempts .run section")
    expect(looked.locator(".badge")).to_have_text("Done", timeout=SLOW)
    expect(looked).to_contain_text("As planned, with remarks.")
    expect(mara.page.locator("ol.timeline > li").last).to_contain_text("looked afterwards, as /oasis-op says")
