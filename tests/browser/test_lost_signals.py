"""What a page shows, or has to say, when one signal or one request of it was lost."""

import json
import re
from collections.abc import Callable

import pytest
from flask import Flask
from playwright.sync_api import Route, WebSocketRoute, expect
from sqlalchemy import select

from models import Agent, Delivery, Project, ThreadRead, User, db
from models.base import reading
from tests.browser.conftest import SLOW, House, Visitor

pytestmark = pytest.mark.databases("sqlite")


class Wire:
    """A person's websocket, on which agents say nothing but what a test lets them say."""

    def __init__(self, visitor: Visitor) -> None:
        visitor.page.route_web_socket(re.compile("/socket.io/"), self._open)
        visitor.open()
        visitor.page.locator("#connection").click()
        expect(visitor.page.locator('[data-conn="transport"]')).to_have_text("WebSocket")
        visitor.page.locator("#connection").click()

    def says(self, agent: str, status: str) -> None:
        said = {"agent": agent, "status": status, "activity": ""}
        self._page_side.send(f"42{json.dumps(['agent', said])}")

    def cut(self) -> None:
        self._page_side.close()
        self._server_side.close()

    def _open(self, page_side: WebSocketRoute) -> None:
        self._page_side, self._server_side = page_side, page_side.connect_to_server()
        self._server_side.on_message(self._pass)

    def _pass(self, said: str | bytes) -> None:
        if not str(said).startswith('42["agent"'):
            self._page_side.send(said)


class TestAnAgentThinksNoMoreThoughNothingSaidSo:
    def test_once_its_line_of_the_roster_is_idle(self, house: House, app: Flask) -> None:
        mara = house.enter("mara")
        wire = Wire(mara)
        does(app, "trunks", "thinking")
        wire.says("trunks", "thinking")
        expect(mara.page.locator(".typing")).to_have_text("Trunks is thinking…")

        does(app, "trunks", "idle")

        expect(mara.page.locator(".typing")).to_be_empty()

    def test_once_its_last_answer_has_ended(self, house: House, app: Flask) -> None:
        with app.app_context():
            Agent.provision(oasis().id, "piccolo", "Piccolo", runtime="external")
            db.session.commit()
        mara = house.enter("mara")
        wire = Wire(mara)
        for text in ("one.", "two."):
            mara.say(f"@piccolo {text}")
        for text in ("one.", "two."):
            mara.message(text).locator(".delivery").wait_for()
            at_work(app, text, Delivery.take)
            expect(mara.message(text).locator(".delivery")).to_have_attribute("data-state", "delivered")
        wire.says("piccolo", "thinking")

        at_work(app, "one.", lambda delivery: delivery.fail("a test"))
        expect(mara.message("one.").locator(".delivery")).to_have_attribute("data-state", "failed")
        expect(mara.page.locator(".typing")).to_have_text("Piccolo is thinking…")
        at_work(app, "two.", lambda delivery: delivery.fail("a test"))

        expect(mara.page.locator(".typing")).to_be_empty()

    def test_once_there_is_another_connection(self, house: House) -> None:
        mara = house.enter("mara")
        wire = Wire(mara)
        wire.says("trunks", "thinking")
        expect(mara.page.locator(".typing")).to_have_text("Trunks is thinking…")

        wire.cut()

        expect(mara.page.locator(".typing")).to_be_empty()


def test_a_read_mark_that_got_lost_is_sent_again(house: House, app: Flask) -> None:
    mara, jonas = house.enter("mara"), house.enter("jonas")
    lost: list[int] = []

    def lose_once(route: Route) -> None:
        seq = route.request.post_data_json["seq"]
        if seq in lost:
            return route.fallback()
        lost.append(seq)
        return route.abort()

    jonas.page.route("**/api/threads/*/read", lose_once)
    with jonas.page.expect_request_finished(lambda request: request.method == "PUT", timeout=SLOW):
        mara.say("@jonas one.")

    assert lost == [1]
    with app.app_context(), reading():
        mark = db.session.scalars(select(ThreadRead).join(User).where(User.handle == "jonas")).one()
        assert mark.read_seq == 1


def oasis() -> Project:
    project = Project.by_key("oasis")
    assert project
    return project


def does(app: Flask, agent: str, status: str) -> None:
    """What stands on the agent's line of the roster."""
    with app.app_context():
        found = Agent.by_key(oasis().id, agent)
        assert found
        found.state.say(status)
        db.session.commit()


def at_work(app: Flask, text: str, step: Callable[[Delivery], object]) -> None:
    """What happens to the delivery of a message."""
    with app.app_context():
        deliveries = db.session.scalars(select(Delivery).where(Delivery.project_id == oasis().id))
        [delivery] = [one for one in deliveries if text in one.message.content]
        step(delivery)
        db.session.commit()
