"""What is done while the server does not answer: kept by the browser, sent once and in order when it does."""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from playwright.sync_api import Browser, BrowserContext, Page, Response, Route, expect
from sqlalchemy import select

from models import Message, Project, Reaction, Task, User, UserSession, db, labs
from models.base import reading
from scripts import programs
from tests.browser.conftest import SLOW, House, Visitor
from tests.browser.test_accessibility import LOOKS, violations
from tests.browser.test_dms import BOTH, panes
from tests.support.browser import DESK, FLAGS, PHONE

POSTS = "**/api/threads/*/messages"
TOO_MUCH = "x" * 16_400
WITHOUT_LOCKS = "LockManager.prototype.request = (name, work) => work()"

pytestmark = pytest.mark.databases("sqlite")


class Home:
    """One person's own browser: what it keeps outlives its windows."""

    context: BrowserContext

    def __init__(self, chromium: Browser, url: str, folder: Path) -> None:
        self._chromium, self._url, self._folder = chromium, url, folder
        self.faults: list[str] = []
        self._open = False

    def enter(
        self,
        secret: str,
        path: str = "/oasis/chat",
        state: str = "live",
        prepare: Callable[[BrowserContext], object] = lambda context: None,
        **options: Any,
    ) -> Visitor:
        """Open the browser and the room in it, signed in by this session; `prepare` comes before both."""
        self.context = self._chromium.browser_type.launch_persistent_context(
            str(self._folder),
            executable_path=programs.chromium(),
            args=FLAGS,
            base_url=self._url,
            **{"viewport": DESK, **options},
        )
        self._open = True
        self.sign_in(secret)
        prepare(self.context)
        return Visitor(self._watched(self.context.pages[0])).open(path, state)

    def sign_in(self, secret: str) -> None:
        cookie = {"name": "tr_sid", "value": secret, "url": self._url}
        self.context.add_cookies([cookie])  # type: ignore[list-item]

    def tab(self, path: str = "/oasis/chat", state: str = "live") -> Visitor:
        return Visitor(self._watched(self.context.new_page())).open(path, state)

    def close(self) -> None:
        if self._open:
            self.context.close()
        self._open = False

    def _watched(self, page: Page) -> Page:
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        return page


@pytest.fixture
def home(chromium: Browser, house: House, tmp_path: Path) -> Iterator[Home]:
    home = Home(chromium, house.live.url, tmp_path / "profile")
    yield home
    home.close()
    assert not home.faults, "\n".join(home.faults)


@dataclass
class Acknowledgements:
    """Lets posts through, and loses the answer to the first try of the first `lost` messages."""

    lost: int = 0
    tries: list[str] = field(default_factory=list)

    def on(self, context: BrowserContext) -> None:
        context.route(POSTS, self._pass)

    def _pass(self, route: Route) -> None:
        if route.request.method != "POST":
            return route.fallback()
        key = route.request.post_data_json["client_id"]
        first = key not in self.tries
        self.tries.append(key)
        if not first or len(set(self.tries)) > self.lost:
            return route.fallback()
        assert route.fetch().status == 201
        return route.abort()


def said(app: Flask) -> list[str]:
    """What was said in the room, in its order."""
    with app.app_context(), reading():
        room = Project.by_key("oasis").room  # type: ignore[union-attr]
        query = select(Message.content).where(Message.thread_id == room.id).order_by(Message.seq)
        return list(db.session.scalars(query))


def numbers(first: int, last: int) -> list[str]:
    return [f"@jonas number {number}." for number in range(first, last + 1)]


def lines(visitor: Visitor, state: str) -> Any:
    """The lines of what is on its way."""
    return visitor.page.locator(f'.outbox[data-state="{state}"]')


def say_too_much(visitor: Visitor) -> None:
    """What the server refuses; the field itself holds back only what is typed."""
    field = visitor.page.locator("#composer-text")
    field.evaluate("(it, text) => { it.value = text; it.dispatchEvent(new InputEvent('input')) }", TOO_MUCH)
    field.press("Enter")


def react(visitor: Visitor, text: str) -> None:
    visitor.message(text).hover()
    visitor.page.get_by_role("button", name="Add reaction").click()
    visitor.page.get_by_role("button", name="Thumbs up").click()


def edit(visitor: Visitor, text: str, better: str) -> None:
    visitor.message(text).focus()
    visitor.page.keyboard.press("e")
    visitor.page.locator("textarea:focus").fill(better)
    visitor.page.keyboard.press("Enter")


def comment(visitor: Visitor, text: str) -> None:
    visitor.page.locator("#comment-text").fill(text)
    visitor.page.keyboard.press("Enter")


def promote(app: Flask, text: str) -> None:
    with app.app_context():
        room = Project.by_key("oasis").room  # type: ignore[union-attr]
        message = db.session.scalars(select(Message).filter_by(thread_id=room.id, content=text)).one()
        Task.promote(message, db.session.get_one(User, message.user_id))
        db.session.commit()
        db.engine.dispose()


def leave(visitor: Visitor) -> None:
    visitor.page.locator("#whoami").click()
    visitor.page.get_by_role("button", name="Sign out").click()


def new_session(app: Flask) -> str:
    with app.app_context():
        user = User.by_email("mara@example.org")
        assert user
        _, secret = UserSession.start(user, "127.0.0.1", "a test")
        db.session.commit()
        db.engine.dispose()
    return secret


def fresh_client_ids(context: BrowserContext) -> None:
    """A control: each try is another message to the server."""

    def rename(route: Route) -> None:
        if route.request.method != "POST":
            return route.fallback()
        return route.fallback(post_data={**route.request.post_data_json, "client_id": uuid4().hex})

    context.route(POSTS, rename)


def away(house: House, home: Home, how: str, *, gone: bool) -> None:
    """The network of the browser, or the server itself."""
    if how == "network":
        home.context.set_offline(gone)
    elif gone:
        house.live.web.kill()
    else:
        house.live.web.start()
        house.live.wait_ready()


@pytest.mark.parametrize("how", ["network", "server"])
def test_what_was_done_offline_is_sent_once_and_in_order_after_the_browser_was_closed(
    house: House, home: Home, furnished: dict[str, str], app: Flask, how: str
) -> None:
    mara = home.enter(furnished["mara"])
    mara.say("@jonas before")
    mara.message("before").wait_for()
    promote(app, "@jonas before")
    thread = home.tab("/oasis/tasks/1", "backup")

    away(house, home, how, gone=True)
    for text in numbers(1, 20):
        mara.say(text)
    react(mara, "before")
    edit(mara, "before", "@jonas better")
    for text in ("first", "second", "never"):
        comment(thread, text)
    expect(lines(thread, "waiting")).to_have_count(3)
    thread.page.get_by_role("button", name="Cancel").last.click()
    expect(lines(mara, "waiting")).to_have_count(22)
    expect(lines(mara, "waiting").first).to_contain_text("Waits for the connection")
    home.close()
    assert said(app) == ["@jonas before"]

    if how == "server":
        away(house, home, how, gone=False)
    acknowledgements = Acknowledgements(lost=5)
    mara = home.enter(furnished["mara"], prepare=acknowledgements.on)

    expect(mara.message("number 20.")).to_be_visible(timeout=30_000)
    expect(mara.message("better").locator(".edited")).to_be_visible(timeout=SLOW)
    expect(mara.page.locator(".outbox")).to_have_count(0)
    assert said(app) == ["@jonas better", *numbers(1, 20)]
    assert len(mara.messages()) == 21
    assert len(set(acknowledgements.tries)) == 20
    expect(mara.message("better").locator('.reactions button[data-emoji="👍"]')).to_contain_text("1")
    with app.app_context(), reading():
        room = Project.by_key("oasis").room  # type: ignore[union-attr]
        given = select(Reaction).join(Message).where(Message.thread_id == room.id)
        assert len(db.session.scalars(given).all()) == 1
    mara.open("/oasis/tasks/1", "backup")
    expect(mara.page.locator(".timeline [data-mine] .prose")).to_have_text(["first", "second"], timeout=SLOW)
    comment(mara, "third, **now**")
    expect(mara.page.locator(".timeline [data-mine] strong")).to_have_text("now", timeout=SLOW)
    expect(mara.page.locator(".timeline .outbox")).to_have_count(0)
    expect(mara.page.locator(".timeline > *")).to_have_count(4)


def test_the_loss_of_acknowledgements_would_double_messages(home: Home, furnished: dict[str, str]) -> None:
    """The control: with another client_id for each try, what was acknowledged to nobody is said twice."""
    acknowledgements = Acknowledgements(lost=1)

    def prepare(context: BrowserContext) -> None:
        acknowledgements.on(context)
        fresh_client_ids(context)

    mara = home.enter(furnished["mara"], prepare=prepare)

    mara.say("@jonas once?")

    expect(mara.page.locator("article.msg[data-seq]", has_text="once?")).to_have_count(2, timeout=SLOW)


@pytest.mark.parametrize("locks", [True, False], ids=["locks", "control"])
def test_two_tabs_send_everything_once(
    home: Home, furnished: dict[str, str], app: Flask, locks: bool
) -> None:
    mara = home.enter(
        furnished["mara"], prepare=lambda context: None if locks else context.add_init_script(WITHOUT_LOCKS)
    )
    other = home.tab()
    answered: list[str] = []

    def note(response: Response) -> None:
        if response.request.method == "POST" and response.url.endswith("/messages"):
            answered.append(response.request.post_data_json["client_id"])

    home.context.on("response", note)
    home.context.set_offline(True)
    for text in numbers(1, 10):
        mara.say(text)
    expect(lines(other, "waiting")).to_have_count(10)
    for text in numbers(11, 20):
        other.say(text)
    expect(lines(mara, "waiting")).to_have_count(20)

    home.context.set_offline(False)

    for tab in (mara, other):
        expect(tab.message("number 20.")).to_be_visible(timeout=60_000)
        expect(tab.page.locator(".outbox")).to_have_count(0, timeout=SLOW)
    once_and_in_order = len(answered) == 20 and said(app) == numbers(1, 20)
    assert once_and_in_order is locks


def test_conversations_side_by_side_keep_what_waits_apart(
    home: Home, furnished: dict[str, str], app: Flask
) -> None:
    with app.app_context():
        labs.write(Project.by_key("oasis").id, {"dms": True})  # type: ignore[union-attr]
        db.session.commit()
    left, right = panes(home.enter(furnished["mara"], path=BOTH))
    home.context.set_offline(True)
    for pane, text in ((left, "one."), (right, "two."), (left, "three.")):
        pane.say(text)
    expect(left.frame.locator(".outbox")).to_have_count(2)
    expect(right.frame.locator(".outbox")).to_have_count(1)
    home.close()

    left, right = panes(home.enter(furnished["mara"], path=BOTH))

    left.message("three.").wait_for()
    right.message("two.").wait_for()
    own = left.frame.locator("article[data-seq][data-mine] .prose")
    expect(own).to_have_text(["one.", "three."])


def test_nobody_else_sees_or_sends_what_waits(home: Home, furnished: dict[str, str], app: Flask) -> None:
    mara = home.enter(furnished["mara"])
    home.context.set_offline(True)
    mara.say("@jonas for when I am back")
    expect(lines(mara, "waiting")).to_have_count(1)
    home.close()

    jonas = home.enter(furnished["jonas"])
    jonas.say("@mara where are you?")
    jonas.message("where are you?").wait_for()
    expect(jonas.page.locator(".outbox")).to_have_count(0)
    jonas.page.locator("#connection").click()
    expect(jonas.page.locator("#conn")).to_contain_text(re.compile(r"Waiting to send\s*Nothing"))
    home.close()
    assert said(app) == ["@mara where are you?"]

    mara = home.enter(furnished["mara"])
    mara.message("for when I am back").wait_for()
    assert said(app) == ["@mara where are you?", "@jonas for when I am back"]


def test_a_page_left_open_sends_nothing_in_the_name_of_another(
    home: Home, furnished: dict[str, str], app: Flask
) -> None:
    mara = home.enter(furnished["mara"])

    home.sign_in(furnished["jonas"])
    mara.say("@jonas I am Mara")

    expect(lines(mara, "waiting")).to_contain_text("Waits until you sign in again")
    assert said(app) == []
    home.sign_in(furnished["mara"])
    mara.page.reload()
    mara.message("I am Mara").wait_for()
    expect(mara.message("I am Mara")).to_have_attribute("data-mine", "")


def test_an_aged_token_is_renewed(home: Home, furnished: dict[str, str], app: Flask) -> None:
    mara = home.enter(furnished["mara"])

    home.sign_in(new_session(app))
    mara.say("@jonas still me")

    mara.message("still me").wait_for()
    assert said(app) == ["@jonas still me"]


def test_what_is_refused_says_why_and_holds_nothing_back(
    home: Home, furnished: dict[str, str], app: Flask
) -> None:
    mara = home.enter(furnished["mara"])
    home.context.set_offline(True)
    mara.say("@jonas first.")
    say_too_much(mara)
    mara.say("@jonas last.")
    expect(lines(mara, "waiting")).to_have_count(3)
    home.context.set_offline(False)

    mara.message("last.").wait_for()
    refused = lines(mara, "failed")
    expect(refused).to_contain_text("Not sent.")
    assert said(app) == ["@jonas first.", "@jonas last."]

    mara.page.reload()
    expect(refused).to_contain_text("Not sent.")
    refused.get_by_role("button", name="Edit").click()
    expect(refused).to_have_count(0)
    box = mara.page.locator("#composer-text")
    assert box.input_value() == TOO_MUCH
    mara.say("@jonas shorter.")
    mara.message("shorter.").wait_for()
    assert said(app)[-1] == "@jonas shorter."


def test_each_can_be_cancelled(home: Home, furnished: dict[str, str], app: Flask) -> None:
    mara = home.enter(furnished["mara"])
    mara.say("@jonas before")
    mara.message("before").wait_for()
    home.context.set_offline(True)
    for text in numbers(1, 3):
        mara.say(text)
    react(mara, "before")
    expect(lines(mara, "waiting")).to_have_count(4)

    mara.page.locator("article", has_text="number 2.").get_by_role("button", name="Cancel").click()
    mara.message("before").get_by_role("button", name="Cancel").click()
    expect(mara.message("before").locator(".reactions button")).to_have_count(0)
    mara.page.locator("#connection").click()
    expect(mara.page.locator("#conn")).to_contain_text("2 messages")
    mara.page.get_by_role("button", name="Cancel: @jonas number 3.").click()
    expect(lines(mara, "waiting")).to_have_count(1)
    home.context.set_offline(False)

    mara.message("number 1.").wait_for()
    expect(mara.page.locator(".outbox")).to_have_count(0)
    assert said(app) == ["@jonas before", "@jonas number 1."]


def test_plain_text_can_be_edited_offline_and_formatted_text_says_why_not(
    home: Home, furnished: dict[str, str]
) -> None:
    plain = "@jonas see https://example.org/a_b, 5 > 3\nand the next line\n\nThe end."
    mara = home.enter(furnished["mara"])
    for text in (plain, "@jonas **loud**"):
        mara.say(text)
        mara.message(text[-5:].strip("*")).wait_for()
    home.context.set_offline(True)

    mara.message("The end.").focus()
    mara.page.keyboard.press("e")
    expect(mara.page.locator(".editor textarea")).to_have_value(plain)
    mara.page.keyboard.press("Escape")
    mara.message("loud").focus()
    mara.page.keyboard.press("e")

    expect(mara.page.locator(".toast")).to_contain_text("Formatted text can be edited when it does.")
    expect(mara.page.locator(".editor")).to_have_count(0)


def test_the_server_is_not_asked_before_it_said_even_after_a_reload(
    home: Home, furnished: dict[str, str], app: Flask
) -> None:
    asked: list[float] = []

    def refuse_once(route: Route) -> None:
        if route.request.method != "POST":
            return route.fallback()
        asked.append(time.monotonic())
        if len(asked) > 1:
            return route.fallback()
        return route.fulfill(status=429, headers={"Retry-After": "5"}, json={"error": {"message": "slowly"}})

    mara = home.enter(furnished["mara"], prepare=lambda context: context.route(POSTS, refuse_once))
    mara.say("@jonas in a moment")
    expect(lines(mara, "waiting")).to_contain_text("the server is busy")

    mara.page.reload()

    mara.message("in a moment").wait_for(timeout=SLOW)
    assert len(asked) == 2
    assert asked[1] - asked[0] >= 4.9


def test_signing_out_asks_while_something_waits(home: Home, furnished: dict[str, str], app: Flask) -> None:
    mara = home.enter(furnished["mara"])
    say_too_much(mara)
    expect(lines(mara, "failed")).to_have_count(1)
    sign_out = partial(leave, mara)

    sign_out()
    question = mara.page.get_by_role("dialog", name="Sign out before all is sent?")
    expect(question).to_contain_text("1 message")
    assert violations(mara.page) == []
    question.get_by_role("button", name="Stay signed in").click()
    expect(question).to_be_hidden()
    sign_out()
    question.get_by_role("button", name="Keep and sign out").click()
    mara.page.wait_for_url("**/sign-in**")

    home.sign_in(new_session(app))
    mara.open()
    expect(lines(mara, "failed")).to_have_count(1)
    sign_out()
    question.get_by_role("button", name="Discard and sign out").click()
    mara.page.wait_for_url("**/sign-in**")
    home.sign_in(new_session(app))
    mara.open()
    expect(mara.page.locator(".outbox")).to_have_count(0)
    sign_out()
    mara.page.wait_for_url("**/sign-in**")


@pytest.mark.parametrize("look", LOOKS)
def test_axe_finds_nothing_in_what_waits(
    home: Home, furnished: dict[str, str], house: House, look: str
) -> None:
    options = {"viewport": PHONE, "has_touch": True} if look == "phone" else {}
    mara = home.enter(furnished["mara"], **options)
    say_too_much(mara)
    mara.say("@jonas before")
    mara.message("before").wait_for()
    house.live.web.kill()
    mara.is_in("offline")
    mara.say("@jonas while nobody hears")
    edit(mara, "before", "@jonas better")
    expect(lines(mara, "waiting")).to_have_count(2)
    expect(mara.page.locator("#composer-hint")).to_contain_text("until it can be sent")

    found = LOOKS[look](mara.page)
    mara.page.locator("#connection").click()
    found += LOOKS[look](mara.page)

    assert found == []
    expect(mara.page.locator("#conn")).to_contain_text("2 messages, 1 edit")
