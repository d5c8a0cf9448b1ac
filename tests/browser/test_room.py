"""Two people and three agents in the room, as they would use it."""

import re

import pytest
from flask import Flask
from playwright.sync_api import Route, WebSocketRoute, expect

from models import Agent, Draft, Message, Project, User, UserSession, db
from models.delivery import WATCHDOG_SECONDS
from models.posting import post_all
from tests.browser.conftest import SLOW, House

TYPING_LASTS = 5000
"""Milliseconds after which somebody types no more who did not say so."""


def test_a_message_its_streamed_answer_and_its_fate_are_seen_by_both(house: House) -> None:
    mara, jonas = house.enter("mara"), house.enter("jonas", phone=True)

    mara.say("Hello **all**, @bulma tell me a story")

    expect(jonas.message("tell me a story").locator("strong")).to_have_text("all")
    for visitor in (mara, jonas):
        writing = visitor.page.locator('article[aria-busy="true"]')
        expect(writing).to_contain_text("sentence 4 of", timeout=SLOW)
    mara.page.locator('article[aria-busy="true"]').get_by_role("button", name="Stop").click()

    for visitor in (mara, jonas):
        expect(visitor.answers("bulma")).to_contain_text("Stopped by Mara Lindqvist", timeout=SLOW)
        expect(visitor.answers("bulma")).to_contain_text("sentence 4 of")
        line = visitor.message("tell me a story").locator(".delivery")
        expect(line).to_have_attribute("data-state", "processed")

    before = jonas.messages()
    jonas.page.reload()
    expect(jonas.answers("bulma")).to_have_count(1)
    assert jonas.messages() == before


def test_all_three_agents_answer_when_all_are_called(house: House) -> None:
    mara = house.enter("mara")

    mara.say("@all who is here?")

    for agent in ("trunks", "bulma", "krillin"):
        expect(mara.answers(agent)).to_have_count(1, timeout=SLOW)
    lines = mara.message("who is here?").locator('.delivery[data-state="processed"]')
    expect(lines).to_have_count(3)
    lines.first.locator("summary").click()
    expect(lines.first.locator(".history li")).to_have_count(3)


@pytest.mark.databases("sqlite")
@pytest.mark.environ(CHAT_SLOTS="1")
def test_what_waits_for_a_free_slot_does_not_say_that_its_agent_is_away(house: House) -> None:
    mara = house.enter("mara")
    mara.say("@bulma tell me a story")
    expect(mara.message("tell me a story").locator(".delivery")).to_have_attribute("data-state", "delivered")

    mara.say("@trunks status please")

    line = mara.message("status please").locator(".delivery summary")
    expect(line).to_have_text(re.compile("Queued - waiting for a free slot · Trunks"), use_inner_text=True)


@pytest.mark.databases("sqlite")
def test_an_agent_that_is_away_answers_when_it_returns(house: House) -> None:
    house.live.worker.stop()
    mara = house.enter("mara", state="backup")

    expect(mara.page.locator("#composer-hint")).to_contain_text("Will be delivered when agent comes online")
    mara.say("@trunks status please")
    line = mara.message("status please").locator(".delivery")
    expect(line).to_contain_text("Queued - agent will process when online", use_inner_text=True)

    house.live.worker.start()

    expect(line).to_have_attribute("data-state", "processed", timeout=SLOW)
    expect(mara.answers("trunks")).to_have_count(1)


@pytest.mark.databases("sqlite")
@pytest.mark.environ(WATCHDOG_SECONDS="3", DEMO_DELAY="0")
def test_a_failed_delivery_says_why_and_can_be_tried_again(house: House) -> None:
    assert WATCHDOG_SECONDS == 120
    mara = house.enter("mara")

    mara.say("@krillin fail")

    line = mara.message("fail").locator(".delivery")
    expect(line).to_have_attribute("data-state", "failed", timeout=SLOW)
    line.get_by_role("button", name="Retry").click()
    expect(line.locator(".history")).to_contain_text("attempt 2", timeout=SLOW)
    expect(line.locator(".history")).to_contain_text("Failed: ")
    expect(line.locator(".history")).to_contain_text("Tried again by Mara Lindqvist")


@pytest.mark.databases("sqlite")
@pytest.mark.environ(DEMO_DELAY="0")
def test_another_answer_comes_below_the_first(house: House) -> None:
    mara, jonas = house.enter("mara"), house.enter("jonas")
    mara.say("@bulma what do you think?")
    line = mara.message("what do you think?").locator(".delivery")
    expect(line).to_have_attribute("data-state", "processed", timeout=SLOW)
    again = mara.page.get_by_role("button", name="Ask for another answer")

    mara.answers("bulma").hover()
    again.click()

    for visitor in (mara, jonas):
        expect(visitor.answers("bulma")).to_have_count(2, timeout=SLOW)
    expect(line).to_have_attribute("data-state", "processed", timeout=SLOW)
    expect(line.locator(".history")).to_contain_text("Another answer was asked for by Mara Lindqvist")
    mara.answers("bulma").last.hover()
    expect(again).to_be_visible()
    mara.answers("bulma").first.hover()
    expect(again).to_be_hidden()


@pytest.mark.databases("sqlite")
def test_a_viewer_reads_live_and_cannot_write(house: House) -> None:
    mara, vera = house.enter("mara"), house.enter("vera")

    expect(vera.page.locator(".composer")).to_be_hidden()
    mara.say("@jonas and nobody in particular")

    expect(vera.message("nobody in particular")).to_be_visible()


@pytest.mark.databases("sqlite")
class TestComforts:
    def test_edit_delete_react_and_reply_reach_the_other_page(self, house: House) -> None:
        mara, jonas = house.enter("mara"), house.enter("jonas")
        mara.say("@jonas the first word")
        expect(jonas.message("the first word")).to_be_visible()

        mara.message("the first word").focus()
        mara.page.keyboard.press("e")
        mara.page.locator("textarea:focus").fill("@jonas the better word")
        mara.page.keyboard.press("Enter")
        expect(jonas.message("the better word").locator(".edited")).to_be_visible()

        jonas.message("the better word").hover()
        jonas.page.get_by_role("button", name="Add reaction").click()
        jonas.page.get_by_role("button", name=re.compile("👍|thumbs up", re.I)).first.click()
        reaction = mara.message("the better word").locator('.reactions button[data-emoji="👍"]')
        expect(reaction).to_contain_text("1")
        expect(reaction).to_have_attribute("aria-pressed", "false")
        reaction.click()
        expect(reaction).to_have_attribute("aria-pressed", "true")
        expect(reaction).to_contain_text("2")

        jonas.message("the better word").focus()
        jonas.page.keyboard.press("r")
        jonas.say("I agree")
        expect(mara.message("I agree").locator(".quote")).to_contain_text("the better word")

    def test_who_edits_goes_on_writing_while_the_message_changes(self, house: House) -> None:
        mara, jonas = house.enter("mara"), house.enter("jonas")
        mara.say("@jonas the first word")
        mara.message("the first word").focus()
        mara.page.keyboard.press("e")
        mara.page.locator("textarea:focus").fill("@jonas the words")
        for _ in range(5):
            mara.page.keyboard.press("ArrowLeft")

        jonas.message("the first word").hover()
        jonas.page.get_by_role("button", name="Add reaction").click()
        jonas.page.get_by_role("button", name=re.compile("👍|thumbs up", re.I)).first.click()
        expect(mara.message("the first word").locator('.reactions button[data-emoji="👍"]')).to_be_visible()
        mara.page.keyboard.type("better ")
        mara.page.keyboard.press("Enter")

        expect(jonas.message("the better words").locator(".edited")).to_be_visible()

    def test_typing_and_presence_are_seen(self, house: House) -> None:
        mara, jonas = house.enter("mara"), house.enter("jonas")

        # A signal may be lost while the page is still connecting, and is sent every 3 s at most.
        mara.page.locator("#composer-text").press_sequentially("hello " * 12, delay=80)

        expect(jonas.page.locator(".typing")).to_contain_text("Mara Lindqvist is typing")
        row = jonas.page.locator("[data-person-row]").filter(has_text="Mara Lindqvist")
        expect(row).to_contain_text("online")
        mara.page.close()
        expect(row).to_contain_text("away", timeout=SLOW)

    def test_a_name_that_nobody_has_is_said_to_be_nobodys(self, house: House) -> None:
        mara = house.enter("mara")
        hint, text = mara.page.locator("#composer-hint"), mara.page.locator("#composer-text")
        fine = "Live · Enter sends"

        for written, said in {
            "@bulmma look": "Nobody here is called @bulmma",
            "@bulma look, @jonas- and @all.": fine,
            "Is it @bul": fine,
            "Is it @bux": "Nobody here is called @bux",
            "mail ops@example.org about `@app.route`": fine,
        }.items():
            text.fill(written)
            expect(hint).to_have_text(said)

    def test_who_has_sent_it_types_no_more(self, house: House) -> None:
        mara, jonas = house.enter("mara"), house.enter("jonas")
        typing = jonas.page.locator(".typing")
        mara.page.locator("#composer-text").press_sequentially("@jonas here it is" + "." * 40, delay=80)
        expect(typing).to_contain_text("Mara Lindqvist is typing")

        mara.page.keyboard.press("Enter")

        jonas.message("here it is").wait_for()
        expect(typing).to_be_empty(timeout=TYPING_LASTS / 2)

    def test_reading_is_noted_while_the_room_is_never_quiet(self, house: House) -> None:
        mara, jonas = house.enter("mara"), house.enter("jonas")
        unread = jonas.page.locator(".sidebar .count")
        jonas.page.goto("/oasis/agents")
        expect(jonas.page.locator('.sidebar a[data-go="r"]')).to_have_css("font-weight", "500")
        mara.say("@jonas first")
        expect(unread).to_have_text("1 unread")
        jonas.open()
        expect(unread).to_be_hidden()
        noted = []
        jonas.page.on("request", lambda request: noted.append(request) if request.method == "PUT" else None)

        for number in range(1, 16):
            mara.say(f"@jonas number {number}.")
            jonas.message(f"number {number}.").wait_for()

        assert noted
        expect(unread).to_be_hidden()

    def test_a_draft_survives_a_reload(self, house: House) -> None:
        mara = house.enter("mara")

        mara.page.locator("#composer-text").press_sequentially("not sent yet")
        mara.page.reload()

        expect(mara.page.locator("#composer-text")).to_have_value("not sent yet")

    def test_a_mention_is_offered_while_one_types(self, house: House) -> None:
        mara = house.enter("mara")

        mara.page.locator("#composer-text").press_sequentially("ask @kri")
        mara.page.get_by_role("option").filter(has_text="Krillin").wait_for()
        mara.page.keyboard.press("Enter")

        expect(mara.page.locator("#composer-text")).to_have_value(re.compile("ask @krillin"))

    def test_all_is_offered_however_many_agents_there_are(self, house: House, app: Flask) -> None:
        with app.app_context():
            for number in range(9):
                Agent.provision(Project.by_key("oasis").id, f"agent-{number}", f"Agent {number}")  # type: ignore[union-attr]
            db.session.commit()
        mara = house.enter("mara")

        mara.page.locator("#composer-text").press_sequentially("@")

        options = mara.page.get_by_role("option")
        expect(options.last).to_contain_text("@all")
        expect(options).to_have_count(9)

    def test_a_script_in_a_message_stays_text(self, house: House) -> None:
        mara, jonas = house.enter("mara"), house.enter("jonas")

        mara.say("@jonas <img src=x onerror=alert(1)><script>alert(2)</script> [x](javascript:alert(3))")

        message = jonas.message("onerror")
        expect(message).to_contain_text("<script>alert(2)</script>")
        assert message.locator("img, script, a[href^='javascript']").count() == 0


@pytest.mark.databases("sqlite")
def test_who_reads_above_is_told_of_new_messages_only_and_nothing_jumps(house: House, app: Flask) -> None:
    with app.app_context():
        room, jonas_id = Project.by_key("oasis").room, User.by_email("jonas@example.org").id  # type: ignore[union-attr]
        old = post_all(room, [Draft.of(jonas_id, f"@mara line {n}.", f"old-{n}") for n in range(1, 301)])
        room.mark_read(User.by_email("mara@example.org"), 300)  # type: ignore[arg-type]
        db.session.commit()
        last_id = old[-1].id  # type: ignore[union-attr]
    mara = house.enter("mara")
    for seq in (240, 190, 140, 90):
        mara.page.locator(".stream").evaluate("it => it.scrollTop = 0")
        expect(mara.page.locator(f'article[data-seq="{seq}"]')).to_be_attached()
    jonas = house.enter("jonas")
    shown = mara.page.locator('article[data-seq="180"]')
    shown.scroll_into_view_if_needed()
    before = shown.bounding_box()

    jonas.say("@mara the one new line")
    expect(mara.page.locator(".pill")).to_have_text("1 new")
    with app.app_context():
        message = db.session.get_one(Message, last_id)
        message.react(User.by_email("mara@example.org"), "👀")  # type: ignore[arg-type]
        db.session.commit()
    expect(jonas.message("line 300.").locator(".reactions button")).to_be_visible()

    expect(mara.page.locator(".pill")).to_have_text("1 new")
    assert shown.bounding_box() == before
    assert mara.page.locator("article.msg[data-seq]").count() <= 250


@pytest.mark.databases("sqlite")
def test_fifty_messages_stay_in_one_order_on_both_pages_through_a_restart(house: House) -> None:
    mara, jonas = house.enter("mara"), house.enter("jonas")

    for number in range(1, 21):
        (mara if number % 2 else jonas).say(f"@jonas number {number}.")
    expect(mara.message("number 20.")).to_be_visible()
    expect(jonas.message("number 20.")).to_be_visible()
    assert house.live.web.stop() == 0
    mara.say("@jonas written while the server was away")
    house.live.web.start()
    for visitor in (mara, jonas):  # whose sockets come back one after the other
        expect(visitor.message("written while the server was away")).to_be_visible(timeout=30_000)

    assert mara.messages() == jonas.messages()
    assert len(mara.messages()) == 21


@pytest.mark.databases("sqlite")
def test_an_agent_is_provisioned_and_what_is_wrong_stands_at_its_field(house: House) -> None:
    mara = house.enter("mara", "/oasis/agents")
    form = mara.page.get_by_role("dialog", name="New agent")
    mara.page.get_by_role("button", name="New agent").click()
    form.get_by_label("Key").fill("bulma")
    form.get_by_label("Name").fill("Piccolo")

    form.get_by_role("button", name="Provision agent").click()
    expect(form.locator(".field", has=mara.page.get_by_label("Key")).locator(".error")).to_have_text(
        "Is taken."
    )
    expect(form.get_by_label("Key")).to_have_accessible_description(
        re.compile(r"^Is taken\. What people type")
    )
    form.get_by_label("Key").fill("piccolo")
    form.get_by_role("button", name="Provision agent").click()

    expect(mara.page.locator('[data-agent-row="piccolo"]')).to_be_visible()
    expect(mara.page.locator("#subheading")).to_have_text("4 agents")
    expect(form.locator(".error:visible")).to_have_count(0)


@pytest.mark.databases("sqlite")
def test_a_session_that_was_ended_elsewhere_leaves_the_room_at_once(house: House, app: Flask) -> None:
    mara, jonas = house.enter("mara"), house.enter("jonas")
    with app.app_context():
        UserSession.revoke_all(User.by_email("jonas@example.org"))  # type: ignore[arg-type]
        db.session.commit()

    jonas.page.wait_for_url("**/sign-in**", timeout=SLOW)  # the badge would find out only after 30 s

    mara.say("@jonas are you gone?")
    expect(mara.message("are you gone?")).to_be_visible()


@pytest.mark.databases("sqlite")
def test_on_a_phone_the_first_tap_stops_an_answer(house: House) -> None:
    """Leaving the text brings the bar below back, which must not move what the finger is on."""
    mara = house.enter("mara", phone=True)
    bar = mara.page.locator(".tabbar")
    mara.page.locator("#composer-text").tap()
    expect(bar).to_be_hidden()
    mara.say("@bulma tell me a story")
    writing = mara.page.locator('article[aria-busy="true"]')
    expect(writing).to_contain_text("sentence 4 of", timeout=SLOW)

    writing.get_by_role("button", name="Stop").tap()

    expect(mara.answers("bulma")).to_contain_text("Stopped by Mara Lindqvist", timeout=SLOW)
    expect(bar).to_be_visible()


@pytest.mark.databases("sqlite")
def test_while_the_server_is_away_the_page_claims_nothing(house: House) -> None:
    mara = house.enter("mara")
    mara.say("@bulma tell me a story")
    writing = mara.page.locator('article[aria-busy="true"]')
    expect(writing).to_contain_text("sentence 1 of", timeout=SLOW)

    house.live.web.stop()
    mara.is_in("offline")

    expect(writing.get_by_role("button", name="Stop")).to_be_disabled()
    expect(mara.page.locator('[data-agent-row="trunks"] [data-doing]')).to_have_text("offline")
    mara.page.locator("#connection").click()
    expect(mara.page.locator('[data-conn="transport"]')).to_have_text("None")

    house.live.web.start()
    mara.is_in("live")
    expect(mara.page.locator('[data-agent-row="trunks"] [data-doing]')).to_have_text("online")
    expect(mara.answers("bulma")).to_have_count(1, timeout=30_000)
    expect(mara.page.locator("[data-online]:disabled")).to_have_count(0)


@pytest.mark.databases("sqlite")
def test_without_websockets_messages_come_by_poll_and_afterwards_none_comes_twice(house: House) -> None:
    """As behind a proxy that cuts them: the page asks over HTTP until one stands again."""
    mara, jonas = house.enter("mara"), house.enter("jonas")
    transport = jonas.page.locator('[data-conn="transport"]')
    cut, opened = False, []

    def door(page_side: WebSocketRoute) -> None:
        if cut:
            page_side.close()
        else:
            opened.extend([page_side, page_side.connect_to_server()])

    jonas.page.route_web_socket(re.compile("/socket.io/"), door)
    jonas.open()
    jonas.page.locator("#connection").click()
    expect(transport).to_have_text("WebSocket", timeout=SLOW)

    broken: set[str] = set()

    def break_off_once(route: Route) -> None:
        stream = route.request.url.partition("?")[0]
        if stream in broken:
            return route.fallback()
        broken.add(stream)
        return route.fulfill(status=200, content_type="application/json", body="")

    jonas.page.route("**/api/streams/**", break_off_once)
    cut = True
    for side in opened:
        side.close()
    expect(transport).to_have_text("HTTP, long poll", timeout=SLOW)
    mara.say("@jonas said while it was cut")
    expect(jonas.message("said while it was cut")).to_be_visible(timeout=SLOW)
    assert broken, "an answer that broke off leaves the page where it was"
    jonas.is_in("live")

    cut = False
    jonas.page.evaluate("dispatchEvent(new Event('online'))")
    expect(transport).to_have_text("WebSocket", timeout=SLOW)
    mara.say("@jonas said afterwards")
    expect(jonas.message("said afterwards")).to_be_visible(timeout=SLOW)
    assert jonas.messages() == ["@Jonas Weber said while it was cut", "@Jonas Weber said afterwards"]
