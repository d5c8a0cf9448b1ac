"""A name or a quote that runs from right to left turns nothing beside it."""

import pytest

from tests.browser.conftest import House

pytestmark = pytest.mark.databases("sqlite")

QUOTE = '<a class="quote"><b>مارا</b> <span>مرحبا</span></a><p class="msg__note"><span>مارا</span></p>'
BIDI = "all => all.map(one => getComputedStyle(one).unicodeBidi)"


def test_names_mentions_and_quotes_are_isolated(house: House) -> None:
    mara = house.enter("mara")
    mara.say("@jonas hello")
    message = mara.message("hello")
    message.locator(".msg__main").evaluate(
        "(main, html) => main.insertAdjacentHTML('beforeend', html)", QUOTE
    )

    parts = ".mention, .msg__head [data-fill=name], .quote > *, .msg__note > span"

    assert message.locator(parts).evaluate_all(BIDI) == ["isolate"] * 5
