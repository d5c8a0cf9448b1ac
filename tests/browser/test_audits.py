"""An audit from its button to its tasks, which somebody else sees come and go."""

import pytest
from flask import Flask
from playwright.sync_api import expect

from models import Membership, Project, User, db
from tests.browser.conftest import SLOW, House

pytestmark = [pytest.mark.databases("sqlite"), pytest.mark.usefixtures("executor")]

HERE = "/oasis/tasks/security-audit"


def make_jonas_an_owner(app: Flask) -> None:
    with app.app_context():
        project, jonas = Project.by_key("oasis"), User.by_email("jonas@example.org")
        assert project
        assert jonas
        membership = Membership.of(project.id, jonas.id)
        assert membership
        membership.change_role("owner")
        db.session.commit()
        db.engine.dispose()


def test_an_audit_finds_something_that_is_mended(house: House, app: Flask) -> None:
    mara, jonas = house.enter("mara", "/oasis/tasks"), house.enter("jonas", HERE)
    expect(jonas.page.locator("#audit")).to_contain_text("Security Audit was never made here")
    expect(jonas.page.get_by_role("button", name="Run Security Audit")).to_be_hidden()

    mara.page.get_by_role("link", name="Security Audit").click()
    run = mara.page.get_by_role("button", name="Run Security Audit")
    run.click()
    expect(mara.page.locator(".toast")).to_have_text("Security Audit was asked for")

    found = jonas.page.get_by_role("row", name="Only one person is an owner")
    expect(found).to_contain_text("Low · New", timeout=SLOW)
    expect(jonas.page.locator(".stats")).to_contain_text("Rule check")
    expect(jonas.page.locator(".tabs .count")).to_have_text(["1 open", "1 found"])
    found.get_by_role("link", name="Task 1").click()
    expect(jonas.page.locator("#task-title")).to_have_text("Only one person is an owner")
    expect(jonas.page.locator("ol.timeline")).to_contain_text("found it by Security Audit")

    make_jonas_an_owner(app)
    expect(run).to_be_enabled(timeout=SLOW)
    run.click()
    expect(mara.page.get_by_label("Gone since the run before")).to_contain_text("Task 1 closed", timeout=SLOW)
    expect(mara.page.locator(".tabs .count")).to_have_count(0)
    expect(jonas.page.locator("#task")).to_contain_text("Completed", timeout=SLOW)
    expect(jonas.page.locator("ol.timeline")).to_contain_text("did not find it any more, and closed it")
    expect(jonas.page.locator("#stage")).to_contain_text("Its audit does not find it any more.")
