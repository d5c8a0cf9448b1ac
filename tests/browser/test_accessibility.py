"""axe finds nothing on any page, in both themes and on a phone."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import House

AXE = Path("node_modules/axe-core/axe.min.js")
PAGES = (
    "/oasis/chat",
    "/oasis/agents",
    "/oasis/settings/people",
    "/oasis/settings/tokens",
    "/oasis/settings/labs",
    "/oasis/settings/account",
)


def violations(page: Page) -> list[str]:
    """What axe finds, one line each."""
    # Evaluated by the debugger, which the page's policy does not bind; the page itself could not.
    page.evaluate(AXE.read_text())
    found = page.evaluate("async () => (await axe.run()).violations")
    return [f"{one['id']}: {json.dumps([node['target'] for node in one['nodes']])}" for one in found]


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("look", ["light", "dark", "phone"])
def test_axe_finds_nothing(house: House, look: str) -> None:
    mara = house.enter("mara", phone=look == "phone", color_scheme="dark" if look == "dark" else "light")
    mara.say("Hello @bulma, here is `code` and\n\n```python\nprint(1)\n```")
    mara.answers("bulma").wait_for(timeout=15_000)

    found = {}
    for path in PAGES:
        mara.open(path)
        if found_here := violations(mara.page):
            found[path] = found_here
    assert found == {}


@pytest.mark.databases("sqlite")
def test_axe_would_find_something(house: House) -> None:
    """The control: a picture without words is reported."""
    mara = house.enter("mara")

    mara.page.evaluate("document.querySelector('main').append(document.createElement('img'))")

    assert any(line.startswith("image-alt") for line in violations(mara.page))
