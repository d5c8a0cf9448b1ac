"""Documents in real browsers: two people write on one text, and nobody loses a word."""

import pytest
from flask import Flask
from playwright.sync_api import Page, Route, expect

from models import BrainDoc, Project, User, db
from models.user import Membership
from tests import factories
from tests.browser.conftest import SLOW, House
from tests.browser.test_accessibility import violations
from tests.support.processes import wait_until

pytestmark = pytest.mark.databases("sqlite")

DOC = "/oasis/knowledge/project/manners"


@pytest.fixture
def house(house: House, app: Flask) -> House:
    """Jonas may write, too, and there is a document."""
    with app.app_context():
        project, jonas = Project.by_key("oasis"), User.by_email("jonas@example.org")
        assert project
        assert jonas
        membership = Membership.of(project.id, jonas.id)
        assert membership
        membership.change_role("operator")
        factories.doc(project, jonas, "Be kind.\nBe loud.")
        db.session.commit()
        db.engine.dispose()
    return house


def content(app: Flask) -> tuple[int, str]:
    with app.app_context():
        project = Project.by_key("oasis")
        assert project
        doc = BrainDoc.find(project.id, "project", "manners")
        assert doc
        said = doc.version, doc.content
        db.session.remove()
        db.engine.dispose()
    return said


def write(page: Page, text: str) -> None:
    page.get_by_label("Text").fill(text)


def save(page: Page) -> None:
    page.get_by_role("button", name="Save").click()


def is_read(page: Page, text: str) -> None:
    expect(page.locator("#doc .prose")).to_contain_text(text, timeout=SLOW)


def test_a_document_is_made_read_and_changed_by_keys_alone(house: House) -> None:
    mara = house.enter("mara", "/oasis/agents")
    page = mara.page
    page.keyboard.press("g")
    page.keyboard.press("k")
    button = page.get_by_role("button", name="New document")
    expect(button).to_be_visible()
    button.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Name")).to_be_focused()
    page.keyboard.type("runbook")
    page.keyboard.press("Enter")
    page.get_by_label("Text").focus()
    page.keyboard.type("# Restart\n\nPress *both* buttons.")
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("Save")
    page.keyboard.press("Enter")

    is_read(page, "Press both buttons.")
    expect(page.locator("#doc .prose h1")).to_have_text("Restart")
    expect(page.locator("#doc")).to_contain_text("Version 1")


def test_what_one_writes_the_others_see_without_loading_again(house: House) -> None:
    mara, vera, jonas = (
        house.enter("mara", f"{DOC}/edit"),
        house.enter("vera", DOC),
        house.enter("jonas", f"{DOC}/edit"),
    )
    listed = house.enter("vera", "/oasis/knowledge")
    for each in (vera, listed):
        each.page.evaluate("window.loadedOnce = true")

    write(mara.page, "Be kind, all of you.")
    save(mara.page)

    is_read(mara.page, "all of you")
    is_read(vera.page, "all of you")
    expect(listed.page.locator("#docs_project article")).to_contain_text("Version 2")
    expect(jonas.page.get_by_label("Text")).to_have_value("Be kind, all of you.")
    expect(jonas.page.get_by_role("status").filter(has_text="version 2")).to_be_visible()
    for each in (vera, listed):
        assert each.page.evaluate("window.loadedOnce === true"), "it was loaded again"
    expect(vera.page.get_by_role("link", name="Edit")).to_be_hidden()


def test_who_writes_while_another_version_arrives_keeps_the_text_and_chooses(
    house: House, app: Flask
) -> None:
    mara, jonas = house.enter("mara", f"{DOC}/edit"), house.enter("jonas", f"{DOC}/edit")
    write(jonas.page, "Be kind.\nBe brief.")

    write(mara.page, "Be kind.\nBe quiet.")
    save(mara.page)

    page = jonas.page
    expect(page.get_by_text("Somebody wrote meanwhile.")).to_be_visible(timeout=SLOW)
    expect(page.locator(".conflict")).to_contain_text("Mara Lindqvist wrote version 2 at")
    expect(page.locator(".conflict .del").last).to_contain_text("Be quiet.")
    expect(page.locator(".conflict .add").last).to_contain_text("Be brief.")
    expect(page.get_by_label("Text")).to_have_value("Be kind.\nBe brief.")
    expect(page.get_by_role("button", name="Save")).to_be_disabled()
    assert violations(page) == []
    assert content(app) == (2, "Be kind.\nBe quiet.")

    page.get_by_role("button", name="Go on with my text").click()
    write(page, "Be kind.\nBe quiet and brief.")
    save(page)
    is_read(page, "quiet and brief")
    assert content(app) == (3, "Be kind.\nBe quiet and brief.")


def test_what_was_typed_survives_leaving_the_page_and_who_takes_theirs_has_their_text(house: House) -> None:
    mara, jonas = house.enter("mara", f"{DOC}/edit"), house.enter("jonas", f"{DOC}/edit")
    page, text = jonas.page, jonas.page.get_by_label("Text")
    write(page, "Mine.")
    page.get_by_role("link", name="All documents").click()
    expect(page.locator("#docs")).to_be_visible()
    jonas.open(f"{DOC}/edit")
    expect(text).to_have_value("Mine.")
    expect(page.get_by_text("not saved yet")).to_be_visible()

    page.get_by_role("link", name="Cancel").click()
    is_read(page, "Be loud.")
    page.get_by_role("link", name="Edit").click()
    expect(text).to_have_value("Be kind.\nBe loud.")
    write(page, "Mine.")
    page.goto("about:blank")
    write(mara.page, "Hers.")
    save(mara.page)
    is_read(mara.page, "Hers.")

    jonas.open(f"{DOC}/edit")
    expect(text).to_have_value("Mine.")
    expect(page.locator(".conflict")).to_contain_text("Mara Lindqvist wrote version 2")
    page.get_by_role("button", name="Take theirs, drop mine").click()
    expect(text).to_have_value("Hers.")
    expect(page.get_by_text("Somebody wrote meanwhile.")).to_be_hidden()
    expect(page.get_by_role("button", name="Save")).to_be_enabled()
    jonas.open(f"{DOC}/edit")
    expect(text).to_have_value("Hers.")


def test_a_refused_save_says_who_was_first_and_keeps_the_text(house: House, app: Flask) -> None:
    """Before the stream told of it: the answer itself says so."""
    mara, jonas = house.enter("mara", f"{DOC}/edit"), house.enter("jonas", f"{DOC}/edit")
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    jonas.page.route("**/docs/project/manners", hold)
    write(jonas.page, "Mine.")
    save(jonas.page)
    wait_until(lambda: held or jonas.page.wait_for_timeout(50), what="the request")
    write(mara.page, "Hers.")
    save(mara.page)
    is_read(mara.page, "Hers.")

    held[0].continue_()

    expect(jonas.page.locator(".conflict")).to_contain_text("Mara Lindqvist wrote version 2", timeout=SLOW)
    expect(jonas.page.get_by_label("Text")).to_have_value("Mine.")
    assert content(app) == (2, "Hers.")


def test_without_an_executor_it_waits_and_says_so(house: House, app: Flask) -> None:
    house.live.worker.stop()
    mara = house.enter("mara", f"{DOC}/edit", state="backup")
    listed = house.enter("vera", "/oasis/knowledge", state="backup")
    write(mara.page, "Be patient.")

    save(mara.page)

    expect(mara.page.get_by_text("It waits until the executor is back")).to_be_visible()
    expect(listed.page.locator("#doc-requests")).to_contain_text("Waits for the executor")
    assert content(app)[0] == 1
    house.live.worker.start()
    expect(mara.page.locator("#doc .prose")).to_contain_text("Be patient.", timeout=4 * SLOW)
    expect(listed.page.locator("#doc-requests")).to_be_hidden(timeout=SLOW)
    assert content(app) == (2, "Be patient.")


def test_the_history_shows_what_changed_on_a_phone_too(house: House, app: Flask) -> None:
    with app.app_context():
        project, mara = Project.by_key("oasis"), User.by_email("mara@example.org")
        assert project
        assert mara
        factories.doc(project, mara, "Be kind.\n" + "a very long word " * 20 + "x" * 300)
        db.session.commit()
        db.engine.dispose()
    page = house.enter("mara", f"{DOC}/history", phone=True).page

    page.get_by_role("link", name="Changes in version 2").click()

    expect(page.locator(".sides")).to_contain_text("Be loud.")
    for path in ("", "/edit", "/history?old=1&new=2"):
        page.goto(f"{DOC}{path}")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
        assert page.evaluate("document.querySelector('.page').scrollWidth") <= 390, path
