"""How a message shows what is wide, and what a finger does on it."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import House
from tests.browser.test_accessibility import violations

pytestmark = pytest.mark.databases("sqlite")

BROKEN_WORDS = """table => [...table.querySelectorAll("th, td")].filter((cell) => {
    const words = document.createRange()
    words.selectNodeContents(cell.querySelector("code") ?? cell)
    return words.getClientRects().length !== 1
}).map((cell) => cell.textContent)"""
NOTE_CLICKS = """() => {
    window.clicks = []
    addEventListener("click", ({ target }) => clicks.push(target.textContent.trim()), { capture: true })
}"""


@pytest.mark.parametrize("phone", [True, False], ids=["phone", "desk"])
def test_a_wide_table_scrolls_and_its_words_stay_whole(house: House, phone: bool) -> None:
    mara = house.enter("mara", phone=phone)
    names = [f"Service{number}Availability" for number in range(4 if phone else 12)]
    rows = [names, ["-"] * len(names), ["`degraded_performance`", *["operational"] * (len(names) - 1)]]

    mara.say("@jonas all of it:\n\n" + "\n".join(f"| {' | '.join(row)} |" for row in rows))

    table = mara.message("all of it").locator("table")
    expect(table).to_be_visible()
    assert table.evaluate(BROKEN_WORDS) == []
    assert table.evaluate("it => it.scrollWidth > it.clientWidth")
    assert mara.page.locator(".stream").evaluate("it => it.scrollWidth === it.clientWidth")
    assert violations(mara.page) == []


def test_the_end_of_the_press_that_opened_the_sheet_chooses_nothing(house: House) -> None:
    mara = house.enter("mara", phone=True)
    mara.say("@jonas low on the screen")
    mara.message("low on the screen").wait_for()
    mara.page.evaluate(NOTE_CLICKS)
    sheet = mara.page.get_by_role("dialog", name="Message actions")
    finger = mara.page.context.new_cdp_session(mara.page)
    box = mara.message("low on the screen").locator(".prose").bounding_box()
    assert box
    place = {"x": box["x"] + 20, "y": box["y"] + box["height"] / 2}

    finger.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [place]})
    expect(sheet).to_be_visible()
    finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    sheet.get_by_role("button", name="Reply").tap()

    expect(sheet).to_be_hidden()
    assert mara.page.evaluate("clicks") == ["Reply"]
