"""An agent that runs elsewhere, as people see it: provisioned, away, there, writing, stopped."""

from typing import Any

import httpx2
import pytest
from flask import Flask
from playwright.sync_api import expect

from models import Project, db
from tests import factories
from tests.browser.conftest import SLOW, House, Visitor


class Program:
    """What the agent's owner runs somewhere."""

    def __init__(self, house: House, app: Flask) -> None:
        with app.app_context():
            project = Project.by_key("oasis")
            assert project
            token = factories.token(project, "agent", agent_key="piccolo")[1]
            db.session.commit()
            db.engine.dispose()
        self._url, self._headers = f"{house.live.url}/api/agent/", {"Authorization": f"Bearer {token}"}

    def ask(self, path: str, **said: Any) -> httpx2.Response:
        return httpx2.post(self._url + path, json=said, headers=self._headers, timeout=30)

    def report(self, work: Any, verb: str, **said: Any) -> httpx2.Response:
        return self.ask(f"deliveries/{work['delivery_id']}/{verb}", attempt=work["attempt"], **said)


def provision(visitor: Visitor) -> None:
    visitor.page.get_by_role("button", name="New agent").click()
    form = visitor.page.get_by_role("dialog", name="New agent")
    form.get_by_label("Key").fill("piccolo")
    form.get_by_label("Name").fill("Piccolo")
    form.get_by_label("Runs").select_option("external")
    form.get_by_role("button", name="Provision agent").click()


@pytest.mark.databases("sqlite")
def test_it_is_away_until_it_asks_writes_while_one_looks_and_ends_when_it_is_stopped(
    house: House, app: Flask
) -> None:
    jonas, mara = house.enter("jonas"), house.enter("mara", "/oasis/agents")
    provision(mara)
    card = mara.page.locator('[data-agent-row="piccolo"]')
    expect(card).to_contain_text("runs elsewhere, reports with a token", timeout=SLOW)
    expect(card.locator("[data-doing]")).to_have_text("offline")
    expect(card.locator(".presence")).to_have_attribute("data-state", "away")
    row = jonas.page.locator('[data-agent-row="piccolo"]')
    expect(row.locator("[data-doing]")).to_have_text("offline")

    jonas.say("@piccolo count to three")
    line = jonas.message("count to three").locator(".delivery")
    expect(line).to_contain_text("Queued - agent will process when online", use_inner_text=True)
    program = Program(house, app)
    work = program.ask("claim", wait=10).json()
    expect(line).to_have_attribute("data-state", "delivered")
    for doing in (row, card):
        expect(doing.locator("[data-doing]")).to_have_text("thinking")

    program.report(work, "progress", text="one, ", offset=0)
    program.report(work, "progress", text="two, ", offset=5)
    writing = jonas.page.locator('article[aria-busy="true"]')
    expect(writing).to_contain_text("one, two,")
    program.report(work, "progress", text="2, ", offset=5)
    expect(writing).to_contain_text("one, 2,")
    writing.get_by_role("button", name="Stop").click()

    expect(jonas.answers("piccolo")).to_contain_text("Stopped by Jonas Weber", timeout=SLOW)
    expect(jonas.answers("piccolo")).to_contain_text("one, 2,")
    assert program.report(work, "progress").json()["error"]["code"] == "stopped"
    for doing in (row, card):
        expect(doing.locator("[data-doing]")).to_have_text("online")
        expect(doing.locator(".presence")).to_have_attribute("data-state", "on")
