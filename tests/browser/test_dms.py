"""Two conversations side by side, as one would use them; and what others see of them."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from flask import Flask
from playwright.sync_api import Locator, Page, WebSocket, expect

from models import Draft, Project, Thread, User, db, labs
from models.posting import post_all
from tests.browser.conftest import SLOW, House, Visitor
from tests.support.browser import Screens

BOTH = "/oasis/dms?left=trunks&right=bulma"


@dataclass
class Pane:
    """One of the two panels of a page."""

    page: Page
    side: str

    @property
    def frame(self) -> Locator:
        return self.page.locator(f"#pane-{self.side}")

    @property
    def field(self) -> Locator:
        return self.page.locator(f"#composer-text-{self.side}")

    @property
    def writing(self) -> Locator:
        return self.frame.locator('article[aria-busy="true"]')

    @property
    def scroller(self) -> Locator:
        return self.frame.locator(".stream")

    def say(self, text: str) -> None:
        self.field.fill(text)
        self.field.press("Enter")

    def message(self, text: str) -> Locator:
        return self.frame.locator("article.msg[data-seq]").filter(has_text=text).last

    def answers(self) -> Locator:
        return self.frame.locator('article.msg[data-seq][data-author^="agent:"]')

    def texts(self) -> list[str]:
        return self.frame.locator("article.msg[data-seq] .prose").all_inner_texts()

    def shows(self, agent: str) -> None:
        expect(self.frame.locator(".pane__head")).to_have_attribute("data-agent-row", agent)


def panes(visitor: Visitor) -> tuple[Pane, Pane]:
    return Pane(visitor.page, "left"), Pane(visitor.page, "right")


@pytest.fixture(autouse=True)
def dms_are_on(house: House, app: Flask) -> None:
    with app.app_context():
        project = Project.by_key("oasis")
        assert project
        labs.write(project.id, {"dms": True})
        db.session.commit()


Told = Callable[..., None]


@pytest.fixture
def told(app: Flask) -> Told:
    """An agent says so many things to a person by itself, as an approved message does."""

    def told(agent: str, who: str, *texts: str) -> None:
        with app.app_context():
            project, user = Project.by_key("oasis"), User.by_email(f"{who}@example.org")
            assert project
            assert user
            drafts = [Draft.of(None, text, f"{who}-{text}"[:64], agent_key=agent) for text in texts]
            post_all(Thread.dm(project.id, user.id, agent), drafts)
            db.session.commit()

    return told


def test_two_agents_answer_at_once_and_nothing_crosses(house: House) -> None:
    mara = house.enter("mara", BOTH)
    left, right = panes(mara)

    left.say("Hello **Trunks**, tell me a story")
    right.say("And you, tell me a story")

    for pane in (left, right):
        expect(pane.writing).to_contain_text("sentence 4 of", timeout=SLOW)
        expect(pane.writing).to_have_count(1)
    expect(left.writing).to_have_attribute("data-agent", "trunks")
    expect(right.writing).to_have_attribute("data-agent", "bulma")
    left.writing.get_by_role("button", name="Stop").click()
    expect(left.answers()).to_contain_text("Stopped by Mara Lindqvist", timeout=SLOW)
    expect(right.writing).to_have_count(1)
    right.field.focus()
    mara.page.keyboard.press("Escape")
    expect(right.answers()).to_contain_text("Stopped by Mara Lindqvist", timeout=SLOW)

    for pane, agent in ((left, "Trunks"), (right, "Bulma")):
        line = pane.frame.locator(".delivery")
        expect(line).to_have_count(1)
        expect(line).to_contain_text(agent)
        expect(line).to_have_attribute("data-state", "processed")
    before = [left.texts(), right.texts()]
    assert [len(texts) for texts in before] == [2, 2]
    assert "Trunks" in before[0][0]
    mara.page.reload()
    expect(left.answers()).to_have_count(1)
    expect(right.answers()).to_have_count(1)
    assert [left.texts(), right.texts()] == before


def test_nobody_else_is_sent_a_word_of_it(house: House) -> None:
    heard: dict[str, list[str]] = {"mara": [], "jonas": []}

    def listen(name: str, page: Page) -> None:
        def note(socket: WebSocket) -> None:
            socket.on("framereceived", lambda frame: heard[name].append(str(frame)))

        page.on("websocket", note)

    mara, jonas = house.enter("mara", BOTH), house.enter("jonas", "/oasis/dms?left=trunks")
    for name, visitor in (("mara", mara), ("jonas", jonas)):
        listen(name, visitor.page)
        visitor.page.reload()
        visitor.is_in("live")
    left, _ = panes(mara)

    left.say("the word is swordfish, tell me a story about it")
    expect(left.writing).to_contain_text("sentence 4 of", timeout=SLOW)
    left.writing.get_by_role("button", name="Stop").click()
    expect(left.answers()).to_have_count(1, timeout=SLOW)
    theirs, _ = panes(jonas)
    theirs.say("hello")
    expect(theirs.answers()).to_have_count(1, timeout=SLOW)

    assert "swordfish" in "".join(heard["mara"]), "the control: it is sent to whom it belongs"
    assert heard["jonas"]
    for private in ("swordfish", "sentence 4"):
        assert private not in "".join(heard["jonas"])
    assert "swordfish" not in " ".join(theirs.texts())


@pytest.mark.databases("sqlite")
class TestPanes:
    def test_keys_mean_the_panel_that_was_entered(self, house: House) -> None:
        mara = house.enter("mara", BOTH)
        left, right = panes(mara)
        keyboard = mara.page.keyboard

        keyboard.press("Alt+2")
        expect(right.field).to_be_focused()
        keyboard.type("for bulma")
        keyboard.press("Alt+1")
        expect(left.field).to_be_focused()
        keyboard.type("for trunks")
        keyboard.press("Enter")
        expect(left.answers()).to_have_count(1, timeout=SLOW)
        expect(right.field).to_have_value("for bulma")
        left.message("for trunks").focus()
        keyboard.press("r")
        expect(left.field).to_be_focused()
        expect(left.frame.locator(".composer__reply")).to_be_visible()
        expect(right.frame.locator(".composer__reply")).to_be_hidden()
        left.scroller.focus()
        keyboard.press("c")
        expect(left.field).to_be_focused()

    def test_a_task_of_a_message_is_for_everybody_and_the_page_says_so(
        self, house: House, told: Told
    ) -> None:
        told("trunks", "mara", "the disk is full")
        mara = house.enter("mara", BOTH)
        left, _ = panes(mara)
        promote = left.message("the disk is full").get_by_role("button", name="Promote to task")
        asked, said = left.frame.get_by_role("dialog"), mara.page.locator(".toast")

        for answer in ("Keep it here", "Make the task"):
            left.message("the disk is full").hover()
            promote.click()
            expect(asked).to_contain_text("everybody in Oasis reads tasks")
            expect(said).to_have_count(0)
            asked.get_by_role("button", name=answer).click()
            expect(asked).to_be_hidden()
        expect(said).to_have_text("Task 1 was made.")

    def test_another_agent_in_one_leaves_the_other_as_it_is(self, house: House, told: Told) -> None:
        told("bulma", "mara", *[f"line {number}" for number in range(1, 61)])
        mara = house.enter("mara", BOTH)
        left, right = panes(mara)
        right.scroller.evaluate("it => it.scrollTop = 700")
        right.field.fill("not sent yet")
        top = right.scroller.evaluate("it => it.scrollTop")
        left.field.focus()

        mara.page.locator('.dm-list [data-agent-row="krillin"]').click()

        left.shows("krillin")
        expect(left.field).to_be_focused()
        expect(mara.page).to_have_url(re.compile(r"left=krillin&right=bulma$"))
        assert right.scroller.evaluate("it => it.scrollTop") == top
        expect(right.field).to_have_value("not sent yet")
        expect(mara.page.locator('.dm-list [aria-current="true"]')).to_have_count(2)
        left.say("hello")
        expect(left.answers()).to_have_count(1, timeout=SLOW)
        right.say("tell me a story")
        expect(right.writing).to_contain_text("sentence 1 of", timeout=SLOW)

        mara.page.go_back()
        left.shows("trunks")
        expect(mara.page).to_have_url(re.compile(r"left=trunks&right=bulma$"))

    def test_an_agent_that_is_open_is_gone_to(self, house: House) -> None:
        mara = house.enter("mara", BOTH)
        left, right = panes(mara)
        left.field.focus()

        mara.page.locator('.dm-list [data-agent-row="bulma"]').click()

        expect(right.field).to_be_focused()
        left.shows("trunks")

    def test_one_is_closed_another_chosen_and_both_are_remembered(self, house: House) -> None:
        mara = house.enter("mara", BOTH)
        left, right = panes(mara)

        right.frame.get_by_role("button", name="Close the conversation with Bulma").click()
        right.frame.get_by_role("heading", name="Choose an agent").wait_for()
        right.frame.locator('[data-agent-row="krillin"]').click()
        right.shows("krillin")
        mara.open("/oasis/dms")

        left.shows("trunks")
        right.shows("krillin")

    def test_what_is_written_into_a_new_conversation_stays_where_it_was_written(self, house: House) -> None:
        mara = house.enter("mara", BOTH)
        left, right = panes(mara)

        left.field.press_sequentially("half a thought")
        mara.page.reload()

        expect(left.field).to_have_value("half a thought")
        expect(right.field).to_have_value("")

    def test_older_messages_are_loaded_in_their_own_panel(self, house: House, told: Told) -> None:
        told("trunks", "mara", *[f"line {number}." for number in range(1, 121)])
        mara = house.enter("mara", BOTH)
        left, right = panes(mara)

        for seq in (60, 20):
            left.scroller.evaluate("it => it.scrollTop = 0")
            expect(left.frame.locator(f'article[data-seq="{seq}"]')).to_be_attached()
        left.scroller.evaluate("it => it.scrollTop = 0")
        expect(left.message("line 1.")).to_be_visible()
        assert right.texts() == []

    def test_a_link_leads_to_the_message(self, house: House, told: Told) -> None:
        told("trunks", "mara", *[f"line {number}." for number in range(1, 121)])
        mara = house.enter("mara", "/oasis/dms?left=trunks&around=30")

        expect(Pane(mara.page, "left").message("line 30.")).to_be_in_viewport()

    def test_what_an_agent_says_is_counted_until_it_is_read(self, house: House, told: Told) -> None:
        mara = house.enter("mara", "/oasis/agents")
        count = mara.page.locator('.sidebar a[data-go="d"] .count')
        expect(count).to_be_hidden()

        told("krillin", "mara", "one", "two")
        expect(count).to_have_text("2 unread")
        expect(mara.page).to_have_title(re.compile(r"^\(2\) "))
        mara.open(BOTH)
        row = mara.page.locator('.dm-list [data-agent-row="krillin"]')
        listed = row.locator(".count")
        expect(listed).to_have_text("2 unread")
        expect(row.locator(".said")).to_have_text("two")
        row.click()

        expect(count).to_be_hidden()
        expect(listed).to_be_hidden()
        expect(mara.page).to_have_title("DMs · Oasis")
        told("krillin", "mara", "And *three*")
        expect(row.locator(".said")).to_have_text("And three")
        expect(row.locator("time")).to_be_visible()

        bell = mara.page.locator('.pane__head[data-agent-row="krillin"]').get_by_role("button", name="Mute")
        bell.click()
        expect(bell).to_have_attribute("aria-pressed", "true")
        mara.open("/oasis/agents")
        told("krillin", "mara", "Not that loud")
        told("bulma", "mara", "Me")
        expect(count).to_have_text("1 unread")
        expect(mara.page).to_have_title(re.compile(r"^\(1\) "))

    def test_switching_them_off_ends_the_page(self, house: House, app: Flask, screens: Screens) -> None:
        mara = house.enter("mara", BOTH)
        left, _ = panes(mara)
        left.say("tell me a story")
        expect(left.writing).to_contain_text("sentence 1 of", timeout=SLOW)

        with app.app_context():
            labs.write(Project.by_key("oasis").id, {"dms": False})  # type: ignore[union-attr]
            db.session.commit()

        expect(mara.page.locator(".pane")).to_have_count(0)
        mara.page.goto("/oasis/chat")
        expect(mara.page.locator('.sidebar a[data-go="d"]')).to_have_count(0)
        # The page asked for itself, and the browser notes that it is gone.
        screens.faults[:] = [fault for fault in screens.faults if "status of 404" not in fault]

    def test_first_messages_wait_for_the_server_in_their_own_panels(self, house: House) -> None:
        mara = house.enter("mara", BOTH)
        left, right = panes(mara)
        house.live.web.stop()

        left.say("for trunks")
        right.say("for bulma")
        waiting = [pane.frame.locator(".waiting article") for pane in (left, right)]
        expect(waiting[0]).to_have_count(1)
        expect(waiting[0]).to_contain_text("for trunks")
        expect(waiting[1]).to_contain_text("for bulma")
        house.live.web.start()

        for pane, text in ((left, "for trunks"), (right, "for bulma")):
            expect(pane.message(text)).to_be_visible(timeout=30_000)
            expect(pane.answers()).to_have_count(1, timeout=30_000)
            expect(pane.frame.locator(".waiting article")).to_have_count(0)
            assert pane.texts()[0] == text

    def test_an_agent_that_is_away_is_said_to_be(self, house: House) -> None:
        house.live.worker.stop()
        mara = house.enter("mara", BOTH, state="backup")
        left, _ = panes(mara)

        expect(mara.page.locator("#composer-hint-left")).to_contain_text(
            "Will be delivered when agent comes online"
        )
        expect(left.frame.locator(".pane__head [data-doing]")).to_have_text("offline")
        left.say("status please")
        expect(left.message("status please").locator(".delivery")).to_contain_text(
            "Queued - agent will process when online"
        )


@pytest.mark.databases("sqlite")
def test_on_a_phone_one_swipes_between_them(house: House, told: Told) -> None:
    told("bulma", "mara", "read me")
    mara = house.enter("mara", BOTH, phone=True)
    left, right = panes(mara)
    listed = mara.page.locator('.dm-list [data-agent-row="bulma"] .count')
    expect(left.field).to_be_in_viewport()
    expect(right.field).not_to_be_in_viewport()
    assert mara.page.evaluate("document.documentElement.scrollWidth") == 390
    mara.page.wait_for_timeout(700)  # longer than a read mark takes: nothing says that there was none
    expect(listed).to_have_text("1 unread")

    mara.page.locator(".panes").evaluate("it => it.scrollBy({ left: 300, behavior: 'smooth' })")

    expect(right.field).to_be_in_viewport(ratio=1)
    expect(left.field).not_to_be_in_viewport()
    expect(mara.page.locator(".dm-list [data-meant]")).to_have_attribute("data-agent-row", "bulma")
    expect(listed).to_be_hidden()
    right.say("hello")
    expect(right.answers()).to_have_count(2, timeout=SLOW)
    mara.page.locator('.dm-list [data-agent-row="trunks"]').tap()
    expect(left.field).to_be_in_viewport(ratio=1)
    mara.page.locator('.dm-list [data-agent-row="krillin"]').tap()
    left.shows("krillin")
    expect(left.field).to_be_in_viewport(ratio=1)
