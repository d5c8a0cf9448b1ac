"""Skills in a real browser, with the real worker that looks for them."""

from pathlib import Path

import pytest
from flask import Flask
from playwright.sync_api import expect

from models import Project, db
from models.skill import configure
from tests.browser.conftest import SLOW, House
from tests.browser.test_accessibility import violations

pytestmark = [pytest.mark.databases("sqlite"), pytest.mark.usefixtures("executor")]

SKILLS = "/oasis/agents/skills"
NEEDS_SERVER = """---
name: status-mail
description: Writes to people when something affects them.
metadata: {"openclaw": {"requires": {"config": ["mail.server"]}}}
---
"""
AWAY = "Requires executor connection"


def test_a_skill_is_found_mended_and_checked_again_while_the_worker_is_there(
    house: House, app: Flask
) -> None:
    own = Path(house.live.environ["WORKSPACES_FOLDER"]) / "oasis/skills/status-mail"
    own.mkdir(parents=True)
    (own / "SKILL.md").write_text(NEEDS_SERVER)
    mara = house.enter("mara", SKILLS)
    page = mara.page
    page.get_by_role("button", name="Check all again").click()
    row = page.get_by_role("button", name="status-mail")
    expect(row).to_be_visible(timeout=SLOW)
    expect(page.locator("#skills_ready .skill")).to_have_count(4)

    row.focus()
    page.keyboard.press("Enter")
    drawer = page.locator(".drawer:popover-open")
    expect(drawer.get_by_role("heading", level=2)).to_have_text("status-mail")
    command = "flask --app webapp skills set oasis mail.server true"
    expect(drawer.locator("code", has_text=command)).to_be_visible()
    assert violations(page) == []

    with app.app_context():
        project = Project.by_key("oasis")
        assert project
        configure(project.id, "mail.server", "smtp.example.org")
        db.session.commit()
        db.engine.dispose()
    again = drawer.get_by_role("button", name="Check again")
    again.click()
    expect(drawer.locator(".badge")).to_have_text("Ready", timeout=SLOW)
    expect(again).to_be_enabled(timeout=SLOW)
    page.keyboard.press("Escape")
    expect(drawer).to_have_count(0)
    expect(row).to_be_focused()
    expect(page.locator("#skills_ready .skill")).to_have_count(5)

    row.click()
    drawer.get_by_role("link", name="Open its runs").click()
    expect(page.locator("#audit")).to_contain_text("status-mail was never run here")
    expect(page.get_by_role("link", name="status-mail")).to_have_attribute("aria-current", "page")
    vera = house.enter("vera", "/oasis/tasks/status-mail")
    viewer = vera.page
    page.get_by_label("What it is about").fill("Only the last week")
    page.get_by_role("button", name="Run status-mail").click()
    answer = viewer.get_by_label("What the agent says")
    expect(answer).to_contain_text("Writes to people when something affects them.", timeout=SLOW)
    expect(answer).to_contain_text("Only the last week")
    expect(viewer.get_by_role("button", name="Run status-mail")).to_be_hidden()
    expect(page.get_by_role("button", name="Run status-mail")).to_be_enabled(timeout=SLOW)
    assert violations(page) == []

    house.live.processes["runs"].stop()
    mara.open(SKILLS, "backup")
    button = page.get_by_role("button", name="Check all again")
    expect(button).to_be_disabled()
    expect(button).to_have_attribute("title", AWAY)
    expect(page.locator(".skills__away")).to_be_visible()
    vera.open(SKILLS, "backup")
    expect(viewer.get_by_role("button", name="Check all again")).to_have_count(0)

    house.live.start("runs")
    mara.is_in("live")
    expect(button).to_be_enabled()
    expect(page.locator(".skills__away")).to_be_hidden()
