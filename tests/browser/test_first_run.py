"""From an empty database to an answer in the room, and a second person who is invited into it."""

import subprocess
import sys

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import SLOW, Visitor
from tests.browser.test_accessibility import violations
from tests.support.browser import Screens
from tests.support.live import Live
from tests.support.processes import ROOT, Process

PASSWORD = "correct horse battery staple"


def set_up_link(live: Live) -> str:
    """What `make run` prints at its first start."""
    done = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "webapp", "setup-link"],
        cwd=ROOT,
        env=live.environ,
        capture_output=True,
        text=True,
        check=True,
    )
    return "/setup" + done.stdout.strip().rpartition("/setup")[2]


@pytest.mark.databases("sqlite")
def test_a_new_team_sets_up_invites_and_talks(live: Live, screens: Screens) -> None:
    live.process = Process  # the start is part of the story, so the commands themselves are given
    live.start_all()
    page = screens.open()

    page.goto(set_up_link(live))
    assert violations(page) == []
    page.get_by_label("Your name").fill("Mara Lindqvist")
    page.get_by_label("E-mail").fill("mara@example.org")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_label("Name of the first project").fill("Oasis")
    page.get_by_role("button", name="Create the project and enter").click()
    page.wait_for_url("**/oasis/chat")
    mara = Visitor(page)

    mara.say("Hello, who is here?")
    answer = page.locator('article.msg[data-seq][data-kind="agent"]')
    expect(answer).to_have_count(1, timeout=SLOW)
    label = "e => getComputedStyle(e.querySelector('.role'), '::after').content"
    assert "demo" in answer.evaluate(label)
    page.evaluate("document.body.classList.remove('demo')")  # as if a model were connected later
    assert "demo" in answer.evaluate(label)
    expect(mara.message("who is here?").locator(".delivery")).to_have_attribute("data-state", "processed")

    page.goto("/oasis/settings/people")
    page.get_by_role("button", name="Make a link").click()
    link = page.get_by_text("/invites/").inner_text().strip()

    guest = screens.open(phone=True)
    guest.goto("/invites/" + link.rpartition("/invites/")[2])
    assert violations(guest) == []
    guest.get_by_label("Your name").fill("Jonas Weber")
    guest.get_by_label("E-mail").fill("jonas@example.org")
    guest.get_by_label("Password").fill(PASSWORD)
    guest.get_by_role("button", name="Join").click()
    guest.wait_for_url("**/oasis/chat")
    expect(Visitor(guest).message("who is here?")).to_be_visible()

    page.goto("/oasis/chat")
    Visitor(guest).say("@mara I am in")
    expect(mara.message("I am in")).to_be_visible()

    page.goto("/oasis/settings/people")
    page.get_by_role("link", name="Jonas Weber").click()
    page.get_by_role("heading", name="Jonas Weber").wait_for()  # the page before has such a button, too
    page.get_by_role("button", name="Make a link").click()
    link = page.get_by_text("/reset/").inner_text().strip()
    assert violations(page) == []
    guest.goto("/reset/" + link.rpartition("/reset/")[2])
    guest.get_by_role("textbox", name="New password").wait_for()
    assert violations(guest) == []


@pytest.mark.databases("sqlite")
def test_signing_out_and_in_again(live: Live, screens: Screens, furnished: dict[str, str]) -> None:
    """An account made by the command line signs in; a wrong password says so and no more."""
    subprocess.run(
        [sys.executable, "-m", "flask", "--app", "webapp", "user", "create", "new@example.org",
         "New Person", "--project", "oasis", "--role", "member"],
        cwd=ROOT, env=live.environ, input=f"{PASSWORD}\n{PASSWORD}\n", text=True,
        check=True, capture_output=True,
    )  # fmt: skip
    live.start_all()
    page = screens.open()

    page.goto("/oasis/chat")
    page.wait_for_url("**/sign-in**")
    assert violations(page) == []
    page.get_by_label("E-mail").fill("new@example.org")
    page.get_by_label("Password").fill("not the password at all")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("is not right")).to_be_visible()
    assert violations(page) == []
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()

    page.wait_for_url("**/oasis/chat")
    page.locator("button.me").click()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/sign-in**")
    page.goto("/oasis/chat")
    page.wait_for_url("**/sign-in**")
