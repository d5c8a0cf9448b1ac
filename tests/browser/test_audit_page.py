"""The audit page in a real browser: what happens appears, a filter is set by keys, and a copy is had."""

import json
import re
from pathlib import Path

import pytest
from flask import Flask
from playwright.sync_api import expect

from models import Project, audit, db
from tests.browser.conftest import House

pytestmark = pytest.mark.databases("sqlite")

AUDIT = "/oasis/settings/audit"


def record(app: Flask, *subjects: str) -> None:
    with app.app_context():
        project = Project.by_key("oasis")
        assert project
        for subject in subjects:
            audit.record("operator", "something.happened", subject, project_id=project.id, why="to look")
        db.session.commit()
        db.engine.dispose()


def test_what_another_owner_does_appears_and_open_details_stay_open(house: House, app: Flask) -> None:
    record(app, "the first")
    page = house.enter("mara", AUDIT).page
    first = page.locator("#audit-entries li").filter(has_text="the first")
    first.get_by_text("Details").click()
    expect(first.get_by_text("to look")).to_be_visible()
    page.evaluate("window.loadedOnce = true")

    record(app, "the second")

    expect(page.locator("#audit-entries li").first).to_contain_text("the second")
    expect(first.get_by_text("to look")).to_be_visible()
    assert page.evaluate("window.loadedOnce === true")


def test_a_filter_is_set_by_keys_and_a_copy_is_had(house: House, app: Flask, tmp_path: Path) -> None:
    record(app, "the first", "the second")
    page = house.enter("mara", AUDIT).page
    page.get_by_label("About").focus()
    page.keyboard.type("second")
    page.keyboard.press("Enter")
    expect(page.locator("#audit-entries li")).to_have_count(1)
    expect(page).to_have_url(re.compile("subject=second"))

    with page.expect_download() as download:
        page.get_by_role("link", name="JSON lines").focus()
        page.keyboard.press("Enter")

    copy = tmp_path / "copy"
    download.value.save_as(copy)
    [said] = map(json.loads, copy.read_text().splitlines())
    assert said["subject"] == "the second"
    page.get_by_role("link", name="Show all").click()
    expect(page.locator("#audit-entries li")).not_to_have_count(1)


def test_it_fits_on_a_phone(house: House, app: Flask) -> None:
    record(app, "x" * 190)
    page = house.enter("mara", AUDIT, phone=True).page

    expect(page.locator("#audit-entries li").first).to_be_visible()
    assert page.evaluate("document.querySelector('.page').scrollWidth") <= 390


def test_the_clock_checks_it(house: House, app: Flask) -> None:
    page = house.enter("mara", AUDIT).page

    for _ in range(40):
        if page.locator("#audit-chain .badge").inner_text() == "Whole":
            break
        page.wait_for_timeout(1000)
        page.reload()
    expect(page.locator("#audit-chain")).to_contain_text("fitted at the last check")
