"""A link in what people and agents wrote says where it leads before it leads out."""

from collections.abc import Callable

import pytest
from flask import Flask
from playwright.sync_api import Locator, Page, expect

from models import Draft, Project, Task, User, db
from models.note import Note
from models.posting import post
from tests.browser.conftest import House
from tests.browser.test_accessibility import LOOKS

pytestmark = pytest.mark.databases("sqlite")

ADDRESS = "https://example.org/deep/page?of=1#there"
LINK = {"output_type": "link", "storage_path": None, "link_url": ADDRESS}
IS_STOPPED = """link => {
    let stopped
    addEventListener("click", (event) => {
        stopped = event.defaultPrevented
        event.preventDefault()
    }, { once: true })
    link.click()
    return stopped
}"""


def asked(page: Page) -> Locator:
    return page.get_by_role("dialog", name="This link leads to another server")


@pytest.fixture
def written(house: House) -> Callable[..., Locator]:
    """The link in a message with this Markdown, on another person's page."""

    def written(markdown: str, **options: object) -> Locator:
        mara, jonas = house.enter("mara"), house.enter("jonas", **options)
        mara.say(f"@jonas look: {markdown}")
        return jonas.message("look:").get_by_role("link")

    return written


WAYS = {
    "mouse": lambda link: link.click(),
    "middle": lambda link: link.click(button="middle"),
    "with a key": lambda link: link.click(modifiers=["Control"]),
    "keyboard": lambda link: link.press("Enter"),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_link_out_is_asked_about_and_who_stays_is_where_he_was(
    written: Callable[..., Locator], way: str
) -> None:
    link = written(f"[the page]({ADDRESS})")
    page = link.page
    here = page.url

    WAYS[way](link)

    expect(asked(page)).to_contain_text(ADDRESS)
    expect(asked(page).get_by_role("button", name="Stay here")).to_be_focused()
    page.keyboard.press("Enter")
    expect(asked(page)).to_be_hidden()
    expect(link).to_be_focused()
    assert page.url == here
    assert page.context.pages == [page]


def test_who_goes_on_goes_there_in_a_page_of_its_own(written: Callable[..., Locator]) -> None:
    link = written(f"[the page]({ADDRESS})")
    page = link.page
    page.context.route("https://example.org/**", lambda route: route.fulfill(body="There"))
    link.click()

    with page.context.expect_page() as opened:
        asked(page).get_by_role("link", name="Open example.org").click()

    expect(opened.value.get_by_text("There")).to_be_visible()
    assert opened.value.url == ADDRESS
    assert opened.value.evaluate("[opener, document.referrer]") == [None, ""]
    expect(asked(page)).to_be_hidden()


def test_the_words_of_a_link_claim_nothing(written: Callable[..., Locator]) -> None:
    lies = {
        "[https://bank.example](https://bank.example@evil.example/)": "https://bank.example@|evil.example|/",
        "[bank.example](http://bank.example.evil.example:81/a)": "http://|bank.example.evil.example:81|/a",
        "[apple.example](https://\u0430pple.example/)": "https://|xn--pple-43d.example|/",
        "[a picture](https://evil.example/\u202egpj.exe)": "https://|evil.example|/%E2%80%AEgpj.exe",
    }
    links = written(" ".join(lies))
    page = links.page

    for number, parts in enumerate(lies.values()):
        links.nth(number).click()
        expect(asked(page).locator("pre > *")).to_have_text(parts.split("|"))
        open_it = asked(page).get_by_role("link")
        expect(open_it).to_have_text(f"Open {parts.split('|')[1]}")
        expect(open_it).to_have_attribute("href", parts.replace("|", ""))
        page.keyboard.press("Escape")


def test_nobody_asks_about_what_does_not_lead_out(written: Callable[..., Locator]) -> None:
    links = written(f"[a](/oasis/agents) [b](mailto:a@example.org) [c]({ADDRESS})")

    assert [links.nth(number).evaluate(IS_STOPPED) for number in range(3)] == [False, False, True]


def test_an_output_of_a_task_is_asked_about_too(house: House, app: Flask) -> None:
    with app.app_context():
        project, mara = Project.by_key("oasis"), User.by_email("mara@example.org")
        said = post(project.room, Draft.of(mara.id, "The disk is full", "c1"))  # type: ignore[union-attr]
        db.session.flush()
        task = Task.promote(said, mara)  # type: ignore[arg-type]
        task.add(Note.output("What is needed", LINK, "", None), "trunks")
        path = f"/oasis/tasks/{task.number}"
        db.session.commit()
    page = house.enter("mara", path, "backup").page

    page.get_by_role("link", name="What is needed").click()

    expect(asked(page)).to_contain_text(ADDRESS)


@pytest.mark.parametrize("look", LOOKS)
def test_a_long_address_is_all_there_and_axe_finds_nothing(
    written: Callable[..., Locator], look: str
) -> None:
    host, rest = "far." * 50 + "example.org", "a-path-without-end" * 200
    link = written(f"[long](https://{host}/{rest})", phone=look == "phone")

    link.click()

    address = asked(link.page).get_by_role("group", name="Address")
    expect(address).to_have_text(f"https://{host}/{rest}")
    assert address.evaluate("it => it.scrollWidth === it.clientWidth && it.scrollHeight > it.clientHeight")
    assert asked(link.page).evaluate("it => it.scrollWidth === it.clientWidth")
    assert LOOKS[look](link.page) == []
