"""The room by keys alone."""

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import House

pytestmark = pytest.mark.databases("sqlite")


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def focused(page: Page) -> Locator:
    return page.locator(":focus")


def test_popups_are_gone_through_by_arrows_and_left_by_escape(house: House) -> None:
    mara = house.enter("mara")
    page = mara.page
    page.locator("button.me").focus()

    press(page, "Enter")
    expect(focused(page)).to_have_text("Account and sessions")
    press(page, "ArrowDown", "ArrowDown")
    expect(focused(page)).to_have_text("Sign out")
    press(page, "ArrowDown")
    expect(focused(page)).to_have_text("Account and sessions")
    press(page, "End")
    expect(focused(page)).to_have_text("Sign out")
    press(page, "Escape")
    expect(focused(page)).to_have_class("me")


def test_a_reaction_is_chosen_by_arrows(house: House) -> None:
    mara = house.enter("mara")
    mara.say("@jonas choose")
    mara.message("choose").focus()

    press(mara.page, "+")
    expect(focused(mara.page)).to_have_accessible_name("Thumbs up")
    press(mara.page, "ArrowLeft", "ArrowLeft", "Enter")

    expect(mara.message("choose").locator(".reactions button")).to_have_text("🚀 1")
    expect(focused(mara.page)).to_contain_text("choose")


def test_the_first_keys_lead_past_the_messages(house: House) -> None:
    mara = house.enter("mara")

    press(mara.page, "Tab", "Tab", "Enter")

    expect(focused(mara.page)).to_have_id("composer-text")


def test_a_switch_keeps_the_focus_when_its_page_comes_back(house: House) -> None:
    mara = house.enter("mara", "/oasis/settings/labs")
    switch = mara.page.get_by_role("switch", name="DMs")
    switch.focus()

    with mara.page.expect_response(lambda answer: answer.request.method == "GET" and answer.ok):
        press(mara.page, "Space")

    asked = mara.page.locator('form:has(input[value="dms"]) input[name="on"]')
    expect(asked).to_have_value("false")  # the next time it is switched off
    expect(switch).to_be_checked()
    expect(switch).to_be_focused()
    mara.page.reload()
    expect(mara.page.get_by_role("switch", name="DMs")).to_be_checked()
