"""A person makes a task of a message, and everybody sees both sides of it."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import House

pytestmark = pytest.mark.databases("sqlite")


def test_promoting_a_message(house: House) -> None:
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

    mara.page.get_by_role("link", name="a message").click()
    expect(mara.message("The disk is full")).to_be_in_viewport()


def test_the_sidebar_leads_to_the_tasks(house: House) -> None:
    mara = house.enter("mara")
    mara.page.keyboard.press("Escape")
    mara.page.locator(".sidebar").get_by_role("link", name="Tasks").click()

    expect(mara.page.locator("h1")).to_have_text("Tasks")
    expect(mara.page.locator(".empty")).to_contain_text("No task yet")
