"""Agents ask and people decide, as they see it: on the card, in Needs you, by key, on a phone."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from playwright.sync_api import Locator, Route, expect

from models import Agent, Project, Proposal, Run, User, UserSession, db
from models.base import touch, utcnow
from models.execution import Execution
from models.session import FRESH
from tests import factories
from tests.browser.conftest import SLOW, House, Visitor
from tests.browser.test_accessibility import LOOKS
from tests.support.processes import wait_until

NEEDS = "/oasis/needs-you"
pytestmark = [
    pytest.mark.databases("sqlite"),
    pytest.mark.environ(DEMO_DELAY="0"),
    pytest.mark.usefixtures("executor"),
]


@pytest.fixture
def oasis(app: Flask) -> Callable[[Callable[[Project], Any]], Any]:
    """Does something with the project in the database, and commits."""

    def run(work: Callable[[Project], Any]) -> Any:
        with app.app_context():
            project = Project.by_key("oasis")
            assert project
            done = work(project)
            db.session.commit()
            db.session.remove()
            db.engine.dispose()
            return done

    return run


Oasis = Callable[[Callable[[Project], Any]], Any]


def proposes(action_type: str = "create_task", **params: Any) -> Callable[[Project], str]:
    """Trunks asks for something in the room; the id of what he asks for."""

    def propose(project: Project) -> str:
        trunks = Agent.by_key(project.id, "trunks")
        assert trunks
        return str(factories.proposal(project.room, trunks, action_type, **params).id)

    return propose


def task(title: str) -> Callable[[Project], str]:
    return proposes(title=title, description="", assignee_agent_key=None)


def proposals(project: Project) -> list[Proposal]:
    return db.session.query(Proposal).filter_by(project_id=project.id).all()


def edited(**params: Any) -> Callable[[Project], None]:
    """Mara changes the one proposal, on another page."""

    def edit(project: Project) -> None:
        [row] = proposals(project)
        session, _ = UserSession.start(db.session.query(User).filter_by(handle="mara").one(), "", "")
        db.session.flush()
        row.edit(session.id, row.digest, params)

    return edit


def make_operator(project: Project) -> None:
    factories.db.session.query(User).filter_by(handle="jonas").one().join(project, "operator")


def card(visitor: Visitor, words: str) -> Locator:
    return visitor.page.locator(".approval").filter(has_text=words)


def dialog(visitor: Visitor) -> Locator:
    return visitor.page.locator("#decide")


def decide(visitor: Visitor, words: str, verb: str) -> None:
    """Open what the button of the card opens, and confirm it."""
    # By a key: what the agent says after its card may move the button between a press and its release.
    button = card(visitor, words).get_by_role("button", name=f"{verb}…")
    expect(button).to_be_enabled()  # a key does not wait for that, as a click does
    button.press("Enter")
    dialog(visitor).get_by_role("button", name=verb, exact=True).click()
    expect(dialog(visitor)).to_be_hidden()


def read_to_its_end(place: Locator, approve: Locator) -> None:
    """A key that comes while another one still scrolls, or the card is drawn anew, may be lost."""

    def read() -> bool:
        place.press("End")
        return approve.is_enabled()

    wait_until(read, what="a card that was read to its end", pause=0.2)


def is_(visitor: Visitor, words: str, *states: str) -> None:
    """The state that its card shows; whoever carries it out may be quick."""
    expect(card(visitor, words)).to_have_attribute("data-state", re.compile("|".join(states)), timeout=SLOW)


ASKED = {
    "task Look at the disk": "Create the task “Look at the disk”",
    "message Hello all": "Send a message in the room “Team Room”",
    "doc What we know": "Write the document trunks/notes",
    "job Daily look": "Schedule the job “Daily look” for @trunks",
    "call https://example.org/": "GET example.org",
    "file notes/a.txt": "Create the file notes/a.txt",
}
APPROVED = ("approved", "executed", "failed")


def test_an_agent_asks_for_each_of_the_six_and_a_person_decides(house: House, oasis: Oasis) -> None:
    mara, vera = house.enter("mara"), house.enter("vera")

    for number, (asked, headline) in enumerate(ASKED.items()):
        mara.say(f"@trunks propose {asked}")
        is_(mara, headline, "waiting")
        expect(vera.page.locator(".approval").filter(has_text=headline)).to_be_visible()
        expect(vera.page.locator(".approval .btn:visible")).to_have_count(0)
        verb = "Reject" if number % 2 else "Approve"
        decide(mara, headline, verb)
        for visitor in (mara, vera):
            is_(visitor, headline, *(APPROVED if verb == "Approve" else ("rejected",)))
            expect(card(visitor, headline)).to_contain_text("by Mara Lindqvist")

    found = oasis(lambda project: sorted(row.status for row in proposals(project)))
    assert found.count("rejected") == 3
    is_(vera, "Look at the disk", "executed")
    vera.open("/oasis/tasks/1")
    is_(vera, "Look at the disk", "executed")
    expect(vera.page.locator(".composer, .approval .btn").filter(visible=True)).to_have_count(0)


def test_what_is_rejected_says_why_and_what_is_put_aside_waits(house: House, oasis: Oasis) -> None:
    mara = house.enter("mara")
    oasis(task("First"))
    oasis(task("Second"))

    card(mara, "First").get_by_role("button", name="Reject…").click()
    dialog(mara).get_by_label("What should Trunks do instead?").fill("Wait for Bulma")
    mara.page.keyboard.press("Enter")
    is_(mara, "First", "rejected")
    expect(card(mara, "First")).to_contain_text("“Wait for Bulma”")

    card(mara, "Second").get_by_role("button", name="Not now").click()
    expect(card(mara, "Second").get_by_role("button", name="Approve…")).to_be_hidden()
    mara.page.reload()
    expect(card(mara, "Second").get_by_role("button", name="Approve…")).to_be_hidden()
    expect(mara.page.locator(".rail .mini")).to_have_count(1)
    card(mara, "Second").get_by_role("button", name="Show").click()
    expect(card(mara, "Second").get_by_role("button", name="Approve…")).to_be_visible()


def test_an_edit_makes_another_thing_to_decide_on(house: House, oasis: Oasis) -> None:
    oasis(make_operator)
    mara, jonas = house.enter("mara"), house.enter("jonas")
    oasis(
        proposes("api_call", url="https://api.example.org/", method="GET", headers={"Accept": "text/plain"})
    )

    card(mara, "GET").get_by_role("button", name="Edit…").click()
    form = dialog(mara)
    form.get_by_label("Headers", exact=True).fill("Accept")
    form.get_by_role("button", name="Save").click()
    expect(form).to_contain_text("Must be JSON")
    form.get_by_label("Headers", exact=True).fill('{"Accept": "text/html", "Host": "x"}')
    form.get_by_role("button", name="Save").click()
    expect(form).to_contain_text("Must not set Host")
    form.get_by_label("Headers", exact=True).fill('{"Accept": "text/html"}')
    form.get_by_label("Url").fill("https://api.example.org/v2")
    form.get_by_role("button", name="Save").click()

    for visitor in (mara, jonas):
        expect(card(visitor, "v2")).to_contain_text("edited by Mara Lindqvist")
        expect(card(visitor, "v2")).to_contain_text("Accept: text/html")
    # Who had it before his eyes looks again before he can decide.
    expect(card(jonas, "v2")).to_contain_text("This changed after you opened it.")
    expect(card(jonas, "v2").get_by_role("button", name="Approve…")).to_be_hidden()
    card(jonas, "v2").get_by_role("button", name="Review again").click()
    decide(jonas, "v2", "Approve")
    is_(mara, "v2", *APPROVED)


class TestTwoPeople:
    def test_who_comes_second_sees_who_was_first(self, house: House, oasis: Oasis) -> None:
        oasis(make_operator)
        mara, jonas = house.enter("mara", NEEDS), house.enter("jonas", NEEDS)
        oasis(task("Race"))
        for visitor in (mara, jonas):
            card(visitor, "Race").get_by_role("button", name="Approve…").click()
        dialog(mara).get_by_role("button", name="Approve", exact=True).click()

        expect(dialog(jonas)).to_contain_text(re.compile("approved (this|by Mara)", re.I))
        expect(dialog(jonas)).to_contain_text("Mara Lindqvist")
        expect(dialog(jonas).get_by_role("button", name="Approve", exact=True)).to_be_hidden()
        dialog(jonas).get_by_role("button", name="Close").click()
        expect(card(jonas, "Race")).to_contain_text("approved by Mara Lindqvist")
        expect(jonas.page.locator("[data-needs-target=count]")).to_have_text("0")

    def test_the_server_tells_the_loser_of_a_race(self, house: House, oasis: Oasis) -> None:
        """His page has heard of nothing when he confirms."""
        oasis(make_operator)
        mara, jonas = house.enter("mara", NEEDS), house.enter("jonas", NEEDS)
        proposal = oasis(task("Race"))
        for visitor in (mara, jonas):
            card(visitor, "Race").get_by_role("button", name="Approve…").click()
        held: list[Any] = []
        jonas.page.route(f"**/api/proposals/{proposal}/approve", lambda route: held.append(route))
        dialog(jonas).get_by_role("button", name="Approve", exact=True).click()
        expect(dialog(jonas)).to_contain_text("Approving…")
        dialog(mara).get_by_role("button", name="Approve", exact=True).click()
        expect(dialog(mara)).to_be_hidden()
        held[0].continue_()

        expect(dialog(jonas)).to_contain_text("Mara Lindqvist approved this at 20")
        expect(dialog(jonas).get_by_role("button", name="Approve", exact=True)).to_be_hidden()

    def test_an_edit_under_an_open_question_ends_it(self, house: House, oasis: Oasis) -> None:
        oasis(make_operator)
        jonas = house.enter("jonas", NEEDS)
        proposal = oasis(task("Before"))
        card(jonas, "Before").get_by_role("button", name="Approve…").click()

        oasis(edited(title="After", description="", assignee_agent_key=None))

        expect(dialog(jonas)).to_contain_text("This changed after you opened it.")
        expect(dialog(jonas).get_by_role("button", name="Approve", exact=True)).to_be_hidden()
        dialog(jonas).get_by_role("button", name="Close").click()
        expect(jonas.page.locator(f"#proposal_{proposal}")).to_contain_text("Create the task “After”")


def test_a_high_risk_is_typed_and_needs_a_fresh_sign_in(house: House, oasis: Oasis) -> None:
    def password(project: Project) -> None:
        mara = db.session.query(User).filter_by(handle="mara").one()
        mara.password_hash = factories.hashed()
        for session in db.session.query(UserSession).filter_by(user_id=mara.id):
            session.authenticated_at = utcnow() - FRESH * 2

    oasis(password)
    mara = house.enter("mara")
    oasis(proposes("file_write", path=".env", content="A=1\n"))

    card(mara, ".env").get_by_role("button", name="Approve…").click()
    confirm = dialog(mara).get_by_role("button", name="Approve", exact=True)
    expect(confirm).to_be_disabled()
    dialog(mara).get_by_label("Type .env to confirm").fill(".en")
    expect(confirm).to_be_disabled()
    dialog(mara).get_by_label("Type .env to confirm").fill(".env")
    confirm.click()
    dialog(mara).get_by_label("Your password").fill("not this one")
    confirm.click()
    expect(dialog(mara)).to_contain_text("Is not your password")
    expect(dialog(mara).get_by_label("Type .env to confirm")).to_have_value(".env")
    is_(mara, ".env", "waiting")
    dialog(mara).get_by_label("Your password").fill(factories.PASSWORD)
    confirm.click()

    expect(dialog(mara)).to_be_hidden()
    is_(mara, ".env", *APPROVED)


class TestWhatIsLongerThanItsPlace:
    """T-AP4: nothing is cut, and nobody approves before he had its end before his eyes."""

    LONG = ("\U0001d51e" * 99 + "\n") * 599
    """237 kB, nearly as many characters as a file may have."""

    def test_it_is_read_to_its_end_before_it_is_approved(self, house: House, oasis: Oasis) -> None:
        mara = house.enter("mara", NEEDS)
        oasis(proposes("file_write", path="a.txt", content=self.LONG))
        asked, keys = card(mara, "a.txt"), mara.page.keyboard
        approve, note = asked.get_by_role("button", name="Approve…"), asked.locator(".approval__unread")
        place = asked.locator("pre.value")

        expect(approve).to_be_disabled()
        expect(note).to_have_text("Read to the end to approve.")
        assert place.text_content() == self.LONG
        for key in ("j", "a"):
            keys.press(key)
        expect(place).to_be_focused()  # where there is to read, and no question yet
        expect(dialog(mara)).to_be_hidden()
        keys.press("PageDown")
        self.is_scrolled(place)
        expect(approve).to_be_disabled()
        read_to_its_end(place, approve)
        expect(note).to_be_hidden()

        # The same, rendered anew, is still read; another version is not.
        asked.evaluate("(card) => card.setAttribute('data-old', '')")
        oasis(lambda project: touch(proposals(project)[0]))
        expect(asked).not_to_have_attribute("data-old", "")
        expect(approve).to_be_enabled()
        oasis(edited(path="a.txt", content=f"{self.LONG}end"))
        asked.get_by_role("button", name="Review again").click()
        expect(approve).to_be_disabled()
        expect(note).to_be_visible()
        read_to_its_end(place, approve)
        keys.press("a")
        keys.press("Enter")
        is_(mara, "a.txt", *APPROVED)

    def test_a_page_without_that_is_noticed(self, house: House, oasis: Oasis) -> None:
        """Its control: the same page, whose cards never shut."""
        oasis(proposes("file_write", path="a.txt", content=self.LONG))
        mara = house.enter("mara", NEEDS)
        expect(card(mara, "a.txt").get_by_role("button", name="Approve…")).to_be_disabled()

        def careless(route: Route) -> None:
            said, found = re.subn(r"(?<![\w#.])gate\(\)\{", "gate(){return;", route.fetch().text())
            assert found == 1
            route.fulfill(body=said, content_type="text/javascript")

        mara.page.route("**/application.js*", careless)
        mara.open(NEEDS)
        expect(card(mara, "a.txt").get_by_role("button", name="Approve…")).to_be_enabled()

    def is_scrolled(self, place: Locator) -> None:
        wait_until(lambda: place.evaluate("(each) => each.scrollTop") > 0, what="a page of it", pause=0.05)


def cut_off(title: str) -> Callable[[Project], None]:
    """A task that was approved, and whose worker did not say what became of it."""

    def work(project: Project) -> None:
        row = db.session.get_one(Proposal, UUID(task(title)(project)))
        session, _ = UserSession.start(db.session.query(User).filter_by(handle="mara").one(), "", "")
        db.session.flush()
        row.approve(session.id, row.digest)
        held = Execution.hold(db.session.query(Run).filter_by(approval_id=row.approval_id).one().id)
        token = held.claim("a worker")
        assert token
        assert held.begin(token)
        assert held.unknown(token, "the line was cut")

    return work


def test_what_failed_is_tried_again_and_what_nobody_knows_is_settled(house: House, oasis: Oasis) -> None:
    folder = Path(house.live.environ["WORKSPACES_FOLDER"]) / "oasis"
    mara = house.enter("mara", NEEDS)
    oasis(proposes("file_write", path="again.txt", content="new\n"))
    expect(card(mara, "again.txt")).to_be_visible()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "again.txt").write_text("there already\n")
    decide(mara, "again.txt", "Approve")
    is_(mara, "again.txt", "failed")
    (folder / "again.txt").unlink()
    card(mara, "again.txt").locator("summary").click()
    decide(mara, "again.txt", "Try again")
    is_(mara, "again.txt", "executed")
    assert (folder / "again.txt").read_text() == "new\n"

    for title, verb, words in (
        ("One", "Mark as done", "done: Mara Lindqvist looked: it was done. I saw it."),
        ("Two", "Mark as failed", "failed: Mara Lindqvist looked: it was not done. I saw it."),
    ):
        oasis(cut_off(title))
        expect(card(mara, f"“{title}”")).to_contain_text("It may have happened")
        expect(card(mara, f"“{title}”")).to_contain_text("the line was cut")
        card(mara, f"“{title}”").get_by_role("button", name=f"{verb}…").click()
        dialog(mara).get_by_label("What did you see?").fill("I saw it.")
        dialog(mara).get_by_role("button", name=verb, exact=True).click()
        is_(mara, f"“{title}”", words.partition(":")[0].replace("done", "executed"))
        expect(card(mara, f"“{title}”").locator("summary")).to_contain_text(words)


class TestNeedsYou:
    def test_the_list_its_count_and_the_badge_are_the_same_rows(self, house: House, oasis: Oasis) -> None:
        mara, room = house.enter("mara", NEEDS), house.enter("mara")
        count, badge = (
            mara.page.locator("[data-needs-target=count]"),
            mara.page.locator(".sidebar .count[data-tone]"),
        )
        expect(mara.page.get_by_text("Nothing waits for you")).to_be_visible()
        expect(badge).to_be_hidden()

        for title in ("One", "Two", "Three"):
            oasis(task(title))

        titles = mara.page.locator(".needs__list .approval h3.title")
        expect(titles).to_have_text([re.compile(title) for title in ("One", "Two", "Three")])
        for number in (count, badge, room.page.locator(".rail [data-waiting-list-target=count]")):
            expect(number).to_contain_text("3")
        expect(room.page.locator(".rail .mini b")).to_have_text(
            [re.compile(t) for t in ("One", "Two", "Three")]
        )
        decide(mara, "Two", "Reject")
        for number in (count, badge):
            expect(number).to_contain_text("2")
        expect(room.page.locator(".rail .mini b")).to_have_text([re.compile(t) for t in ("One", "Three")])
        # What was decided here stays as one line until the page is left.
        is_(mara, "Two", "rejected")
        expect(card(mara, "Two")).to_contain_text("rejected by Mara Lindqvist")
        mara.page.reload()
        expect(titles).to_have_text([re.compile(title) for title in ("One", "Three")])

        room.page.locator(".rail .mini").last.click()
        expect(room.page.locator(":focus")).to_contain_text("Create the task “Three”")

    def test_by_keys_alone(self, house: House, oasis: Oasis) -> None:
        for title in ("One", "Two", "Three"):
            oasis(task(title))
        mara = house.enter("mara", NEEDS)
        keys = mara.page.keyboard

        keys.press("j")
        expect(mara.page.locator(":focus")).to_contain_text("“One”")
        keys.press("a")
        expect(dialog(mara)).to_be_visible()
        expect(card(mara, "“One”")).to_have_attribute("data-state", "waiting")  # one key decides nothing
        keys.press("Enter")
        is_(mara, "“One”", *APPROVED)
        expect(mara.page.locator(":focus")).to_contain_text("“One”")
        for key in ("j", "x"):
            keys.press(key)
        keys.type("no")
        keys.press("Enter")
        is_(mara, "“Two”", "rejected")
        expect(dialog(mara)).to_be_hidden()  # the card may know of it sooner
        for key in ("j", "e"):
            keys.press(key)
        expect(dialog(mara).get_by_label("Title")).to_be_focused()
        keys.press("Escape")
        expect(dialog(mara)).to_be_hidden()
        keys.press("k")
        expect(mara.page.locator(":focus")).to_contain_text("“Two”")

    def test_a_message_with_a_card_takes_the_same_keys_in_the_room(self, house: House, oasis: Oasis) -> None:
        mara = house.enter("mara")
        oasis(task("One"))
        expect(card(mara, "“One”")).to_be_visible()

        mara.page.locator("article.msg").last.focus()
        mara.page.keyboard.press("x")
        mara.page.keyboard.press("Enter")

        is_(mara, "“One”", "rejected")

    def test_on_a_phone(self, house: House, oasis: Oasis) -> None:
        oasis(proposes("file_write", path="a" * 200 + ".txt", content="x" * 5000 + "\n"))
        mara = house.enter("mara", NEEDS, phone=True)
        page = mara.page

        assert page.evaluate("document.documentElement.scrollWidth") == 390
        for button in page.locator(".approval .card__foot .btn").all():
            box = button.bounding_box()
            assert box
            assert box["height"] >= 44
        expect(card(mara, "Create the file").get_by_role("button", name="Approve…")).to_be_disabled()
        expect(card(mara, "Create the file").locator(".approval__unread")).to_be_visible()
        page.locator("pre[data-unread]").evaluate("(place) => place.scrollTo(0, place.scrollHeight)")
        expect(page.locator(".tabbar .count[data-tone]")).to_contain_text("1")
        decide(mara, "Create the file", "Approve")
        is_(mara, "Create the file", *APPROVED)


def test_while_offline_nothing_can_be_decided(house: House, oasis: Oasis) -> None:
    oasis(task("One"))
    mara = house.enter("mara", NEEDS)
    card(mara, "“One”").get_by_role("button", name="Approve…").click()

    mara.page.context.set_offline(True)
    mara.is_in("offline")

    for button in (
        dialog(mara).get_by_role("button", name="Approve", exact=True),
        mara.page.locator(".approval .btn").filter(has_text="Approve"),
    ):
        expect(button).to_be_disabled()
        expect(button).to_have_attribute("title", "The server does not answer")


NOTIFICATION = """
window.told = []; window.asked = 0
window.Notification = class {
  static permission = "default"
  static async requestPermission() { window.asked++; return (this.permission = "granted") }
  constructor(title, { body }) { window.told.push(`${title}: ${body}`) }
  close() {}
}
document.hasFocus = () => false
"""


def test_notifications_are_asked_for_by_a_button_and_never_at_load(house: House, oasis: Oasis) -> None:
    mara = house.enter("mara", "/oasis/settings/account")
    page = mara.page
    page.add_init_script(NOTIFICATION)
    mara.open(NEEDS)
    oasis(task("Before"))
    expect(card(mara, "Before")).to_be_visible()
    assert page.evaluate("[window.asked, window.told]") == [0, []]

    page.get_by_role("button", name="Notify me here").click()
    expect(page.get_by_role("button", name="Do not notify me here")).to_be_visible()
    oasis(task("After"))
    expect(card(mara, "After")).to_be_visible()
    house.enter("jonas").say("@mara look at this")

    wait_until(lambda: page.evaluate("window.told.length") == 2, 15, "both notifications", pause=0.1)
    assert page.evaluate("window.asked") == 1
    assert page.evaluate("window.told") == [
        "Trunks asks: Create the task “After”: Low risk. Waits for you.",
        "Jonas Weber mentions you: @mara look at this",
    ]


@pytest.mark.parametrize("look", LOOKS)
def test_axe_finds_nothing_on_cards(house: House, oasis: Oasis, look: str) -> None:
    for work in (
        task("One"),
        task("Two"),
        proposes("file_write", path=".env", content="A=1\nB=\u202e2\n"),
        proposes("api_call", url="https://api.example.org/", method="POST", headers={"Accept": "*/*"}),
    ):
        oasis(work)
    mara = house.enter("mara", phone=look == "phone")
    found = {"room": LOOKS[look](mara.page)}
    mara.open(NEEDS)
    decide(mara, "“One”", "Reject")
    is_(mara, "“One”", "rejected")
    card(mara, "“One”").locator("summary").click()
    card(mara, "“Two”").get_by_role("button", name="Not now").click()
    expect(card(mara, "“Two”").get_by_role("button", name="Show")).to_be_visible()
    found["needs you"] = LOOKS[look](mara.page)
    for verb in ("Approve…", "Reject…", "Edit…"):
        card(mara, "api.example.org").get_by_role("button", name=verb).click()
        expect(dialog(mara)).to_be_visible()
        found[verb] = LOOKS[look](mara.page)
        mara.page.keyboard.press("Escape")
    assert {what: lines for what, lines in found.items() if lines} == {}
