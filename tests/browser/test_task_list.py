"""The list and the board of tasks: found, gone through by key, changed many at once, and live."""

import pytest
from flask import Flask
from playwright.sync_api import Page, expect

from models import Draft, Project, Task, User, db
from models.posting import post
from tests import factories
from tests.browser.conftest import SLOW, House
from tests.browser.test_accessibility import violations

pytestmark = pytest.mark.databases("sqlite")

STATUS = {"Renew the certificate": "pending", "Write a runbook": "pending", "Old and done": "completed"}


@pytest.fixture
def tasks(house: House, app: Flask) -> None:
    """Two that are pending, one that is completed, and one whose plan waits."""
    with app.app_context():
        project, mara = Project.by_key("oasis"), User.by_email("mara@example.org")
        assert project
        assert mara
        for title in (*STATUS, "Rotate the key"):
            task = Task.promote(post(project.room, Draft.of(mara.id, title, title)), mara)
            task.status = STATUS.get(title, "pending")
        factories.plan(task, mara, "## Look")
        db.session.commit()
        db.engine.dispose()


def titles(page: Page) -> list[str]:
    return page.locator("#tasks [data-task] .title").all_inner_texts()


@pytest.mark.usefixtures("tasks")
def test_tasks_are_found_gone_through_and_changed(house: House) -> None:
    mara, jonas = house.enter("mara", "/oasis/tasks"), house.enter("jonas", "/oasis/tasks?view=board")
    page = mara.page
    assert titles(page) == ["Rotate the key", "Write a runbook", "Renew the certificate"]

    status = page.get_by_label("Status", exact=True)
    status.focus()
    status.select_option("completed")
    expect(page.locator("#tasks .title")).to_have_text(["Old and done"])
    expect(page).to_have_url(f"{house.live.url}/oasis/tasks?status=completed")
    expect(status).to_be_focused()
    status.select_option("all")
    expect(page.locator("#tasks .title")).to_have_count(4)
    page.locator("h1").click()
    page.keyboard.press("/")
    page.keyboard.type("RUNB")
    page.keyboard.press("Enter")
    expect(page.locator("#tasks .title")).to_have_text(["Write a runbook"])
    expect(page).to_have_url(f"{house.live.url}/oasis/tasks?q=RUNB&status=all")

    mara.open("/oasis/tasks")
    page.locator("h1").click()
    for key in "jjxkx":
        page.keyboard.press(key)
    expect(page.get_by_role("link", name="Rotate the key")).to_be_focused()
    expect(page.locator(".bulk b")).to_have_text("2 selected")
    expect(page.get_by_label("Select task 2")).to_be_checked()
    assert violations(page) == []
    page.get_by_label("What to do with them").select_option("priority:urgent")
    page.get_by_role("button", name="Apply").click()
    expect(page.locator(".toast")).to_have_text("2 tasks were changed")
    expect(page.locator('#tasks [data-p="urgent"]')).to_have_count(2)
    expect(jonas.page.locator('.tcard [data-p="urgent"]')).to_have_count(2)
    expect(jonas.page.get_by_label("Select task 2")).to_be_hidden()
    expect(page.locator(".bulk form")).to_be_hidden()

    page.get_by_role("link", name="Renew the certificate").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#task-title")).to_have_text("Renew the certificate")


@pytest.mark.usefixtures("tasks")
def test_a_change_elsewhere_keeps_filter_focus_and_selection(house: House, app: Flask) -> None:
    """What Mara selected completes meanwhile, with another: it can be cancelled no more, and she is told."""
    page = house.enter("mara", "/oasis/tasks?status=all&q=r&view=board").page
    for number in (1, 2):
        page.get_by_label(f"Select task {number}").check()
    page.get_by_role("link", name="Renew the certificate").focus()
    page.keyboard.press("ArrowDown" if titles(page)[0].startswith("Renew") else "ArrowUp")
    expect(page.get_by_role("link", name="Write a runbook")).to_be_focused()

    with app.app_context():
        project = Project.by_key("oasis")
        assert project
        for number, status in ((1, "completed"), (2, "failed")):
            task = Task.by_number(project.id, number)
            assert task
            task.advance("status", "pending", status)
        db.session.commit()
        db.engine.dispose()

    expect(page.locator("section[aria-labelledby=group_failed] .title")).to_have_text(
        "Write a runbook", timeout=SLOW
    )
    expect(page.get_by_role("link", name="Write a runbook")).to_be_focused()
    expect(page.locator(".bulk b")).to_have_text("2 selected")
    expect(page.get_by_label("Select task 1")).to_be_checked()
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("link", name="Renew the certificate")).to_be_focused()

    page.get_by_label("What to do with them").select_option("cancel:")
    page.get_by_role("button", name="Apply").click()
    expect(page.locator(".bulk .error")).to_contain_text("Task 1: This is completed already.")
    expect(page.locator("section[aria-labelledby=group_cancelled] .title")).to_have_text("Write a runbook")
    expect(page.locator(".bulk b")).to_have_text("1 selected")
    expect(page.get_by_role("link", name="Old and done")).to_have_count(0)
