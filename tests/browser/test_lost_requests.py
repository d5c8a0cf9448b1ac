"""What one lost request, or one change of size, must not do to a page of the room."""

import re

import pytest
from flask import Flask
from playwright.sync_api import Locator, Route, TimeoutError, expect

from models import Draft, Project, User, db
from models.base import utcnow
from models.posting import post_all
from tests.browser.conftest import House, Visitor

pytestmark = pytest.mark.databases("sqlite")


class Lost:
    """Loses the first of the requests that come by."""

    count = 0

    def __call__(self, route: Route) -> None:
        self.count += 1
        if self.count == 1:
            return route.abort()
        return route.fallback()


def long_ago(app: Flask, count: int) -> None:
    """So many messages, all of them read by Mara."""
    with app.app_context():
        room, jonas, mara = (
            Project.by_key("oasis").room,  # type: ignore[union-attr]
            User.by_email("jonas@example.org"),
            User.by_email("mara@example.org"),
        )
        post_all(room, [Draft.of(jonas.id, f"@mara line {n}.", f"old-{n}") for n in range(1, count + 1)])  # type: ignore[union-attr]
        room.mark_read(mara, count)  # type: ignore[arg-type]
        db.session.commit()
        db.engine.dispose()


def top(article: Locator) -> float:
    """Where its words begin on the screen."""
    return float(article.locator(".prose").evaluate("it => it.getBoundingClientRect().top"))


def check(visitor: Visitor) -> None:
    """The badge asks the server, as when somebody comes back to the page."""
    visitor.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


@pytest.mark.parametrize("side", ["before", "after"])
def test_a_page_of_messages_that_was_lost_is_asked_for_again(house: House, app: Flask, side: str) -> None:
    long_ago(app, 400)
    mara, lost = house.enter("mara"), Lost()
    mara.page.route(f"**/messages?{side}=*", lost)

    with mara.page.expect_event("requestfailed"):
        mara.open("/oasis/chat?around=200")
        mara.page.locator(".stream").evaluate(
            "(it, top) => it.scrollTo(0, top ? 0 : it.scrollHeight)", side == "before"
        )
    articles = mara.page.locator("article.msg[data-seq]")
    edge = articles.first if side == "before" else articles.last
    seq = int(edge.get_attribute("data-seq") or 0)
    edge = mara.page.locator(f'article[data-seq="{seq}"]')
    place = top(edge)

    beyond = seq - 1 if side == "before" else seq + 1
    expect(mara.page.locator(f'article[data-seq="{beyond}"]')).to_be_attached()
    assert top(edge) == pytest.approx(place, abs=1)
    assert lost.count == 2


def test_one_lost_request_is_not_offline_while_the_websocket_answers(house: House) -> None:
    mara, lost = house.enter("mara"), Lost()
    transport = mara.page.locator('[data-conn="transport"]')
    mara.page.locator("#connection").click()
    expect(transport).to_have_text("WebSocket")
    mara.page.route("**/api/health?*", lost)

    with mara.page.expect_event("requestfailed"):
        check(mara)

    with pytest.raises(TimeoutError):
        mara.page.locator('.conn[data-state="offline"]').wait_for(timeout=4000)
    expect(transport).to_have_text("WebSocket")


def test_offline_ends_as_soon_as_the_server_answers(house: House) -> None:
    """The badge itself asks: here nothing else is answered."""
    mara = house.enter("mara")
    mara.page.route_web_socket(re.compile("/socket.io/"), lambda websocket: websocket.close())
    mara.page.route("**/api/**", lambda route: route.abort())
    mara.open(state="offline")

    mara.page.route("**/api/health?*", lambda route: route.continue_())

    expect(mara.page.locator(".conn")).to_have_attribute("data-state", "live", timeout=5000)


def test_a_server_that_hangs_is_offline_before_a_post_is_given_up(house: House) -> None:
    mara = house.enter("mara")
    mara.page.clock.install()
    mara.open()
    house.live.web.pause()
    try:
        with mara.page.expect_request("**/messages"):
            mara.say("@jonas is it still there?")
        for milliseconds in (5000, 3000):
            mara.page.clock.fast_forward(milliseconds)
        expect(mara.page.locator(".conn")).to_have_attribute("data-state", "offline", timeout=5000)
    finally:
        house.live.web.resume()

    mara.is_in("live")
    expect(mara.message("is it still there?")).to_be_visible()
    assert mara.messages() == ["@Jonas Weber is it still there?"]


def pause_with_a_word(app: Flask) -> None:
    """As the loop breaker does: the last message and the pause come as one change."""
    with app.app_context():
        room, jonas = Project.by_key("oasis").room, User.by_email("jonas@example.org")  # type: ignore[union-attr]
        post_all(room, [Draft.of(jonas.id, "@mara the last word", "last")])  # type: ignore[union-attr]
        room.paused_at = utcnow()
        db.session.commit()
        db.engine.dispose()


@pytest.mark.parametrize("phone", [False, True], ids=["desk", "phone"])
def test_who_follows_stays_at_the_end_when_the_banner_comes(house: House, app: Flask, phone: bool) -> None:
    long_ago(app, 200)
    mara, above = house.enter("mara", phone=phone), house.enter("jonas", phone=phone)
    shown = above.page.locator('article[data-seq="160"]')
    shown.scroll_into_view_if_needed()
    above.page.locator('article[data-seq="101"]').wait_for(state="attached")
    place = top(shown)

    pause_with_a_word(app)

    for visitor in (mara, above):
        expect(visitor.page.locator(".breaker")).to_be_visible()
    expect(mara.message("the last word")).to_be_in_viewport(ratio=1)
    expect(mara.page.locator(".pill")).to_be_hidden()
    assert top(shown) == place
