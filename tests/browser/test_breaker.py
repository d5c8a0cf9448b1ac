"""The banner of paused agents: its buttons work, and say why when they do not."""

import re

import pytest
from flask import Flask
from playwright.sync_api import expect
from sqlalchemy import select

from models import Thread, db
from models.base import changed_rows, utcnow
from tests.browser.conftest import House


def pause(app: Flask) -> None:
    with app.app_context():
        for thread in db.session.scalars(select(Thread)):
            thread.paused_at = utcnow()
        db.session.commit()
        db.engine.dispose()


def resume_unseen(app: Flask) -> None:
    """As another person does, a moment before the page hears of it."""
    with app.app_context():
        changed_rows(Thread.__table__.update().values(paused_at=None))  # type: ignore[attr-defined]
        db.session.commit()
        db.engine.dispose()


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("label", ["Continue", "Stop"])
def test_a_press_that_changed_nothing_says_so(house: House, app: Flask, label: str) -> None:
    mara = house.enter("mara")
    pause(app)
    banner = mara.page.locator(".breaker")
    button, said = banner.get_by_role("button", name=label), mara.page.locator(".toast")
    expect(banner).to_be_visible()

    mara.page.route("**/api/threads/**", lambda route: route.abort())
    button.click()
    expect(said.filter(has_text="The server does not answer. Look whether it was done")).to_be_visible()
    expect(banner).to_be_visible()

    mara.page.unroute("**/api/threads/**")
    mara.is_in("live")
    resume_unseen(app)
    button.click()
    expect(said.filter(has_text="not paused")).to_be_visible()


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("label", ["Continue", "Stop"])
def test_a_press_takes_the_banner_away_and_it_works_again(house: House, app: Flask, label: str) -> None:
    mara, needs = house.enter("mara"), house.enter("mara", "/oasis/needs-you")
    banner = mara.page.locator(".breaker")

    for _ in range(2):
        pause(app)
        expect(banner).to_be_visible()
        expect(mara.page.locator(".rail .mini")).to_have_text(re.compile("Agents paused"))
        expect(needs.page.locator(".pause")).to_contain_text("Agents paused.")
        for page in (mara.page, needs.page):
            expect(page.locator(".sidebar .count[data-tone]")).to_contain_text("1")
        if label == "Stop":
            needs.page.reload()
        expect(needs.page.locator("[data-needs-target=count]")).to_have_text("1")
        banner.get_by_role("button", name=label).click()
        expect(banner).to_be_hidden()
        expect(needs.page.get_by_text("Nothing waits for you")).to_be_visible()
        for page in (mara.page, needs.page):
            expect(page.locator(".sidebar .count[data-tone]")).to_be_hidden()
