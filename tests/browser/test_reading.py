"""Who reads a long thread sees its lines stay where they are, whatever is loaded or dropped around them."""

import pytest
from flask import Flask
from playwright.sync_api import Locator, expect

from models import Draft, Project, User, db
from models.posting import post_all
from tests.browser.conftest import House, Visitor
from tests.support.browser import PHONE

pytestmark = pytest.mark.databases("sqlite")

SCREEN = ("phone", "desk")
FAR = 1_000_000
LINES = """scroller => {
    const { top, bottom } = scroller.getBoundingClientRect()
    const words = [...scroller.querySelectorAll("article[data-seq]")]
        .map((each) => [each.dataset.seq, each.querySelector(".prose").getBoundingClientRect()])
        .filter(([, box]) => box.bottom > top && box.top < bottom)
    return Object.fromEntries(words.map(([seq, box]) => [seq, box.top]))
}"""
"""Where on the screen the words of each message are that can be seen, by seq."""
PAINTED = "() => new Promise((painted) => requestAnimationFrame(() => setTimeout(painted)))"


def say(app: Flask, first: int, last: int) -> None:
    """Jonas writes these lines and Mara has read them."""
    with app.app_context():
        room, jonas = Project.by_key("oasis").room, User.by_email("jonas@example.org")  # type: ignore[union-attr]
        post_all(room, [Draft.of(jonas.id, f"@mara line {n}.", f"c-{n}") for n in range(first, last + 1)])  # type: ignore[union-attr]
        room.mark_read(User.by_email("mara@example.org"), last)  # type: ignore[arg-type]
        db.session.commit()


class Reader:
    """Scrolls, and knows what stood where when the scrolling ended."""

    def __init__(self, visitor: Visitor) -> None:
        self.page = visitor.page
        self.stream = self.page.locator(".stream")
        self.messages = self.stream.locator("article[data-seq]")

    def scroll(self, top: int | str) -> None:
        self.before = self.stream.evaluate(f"it => {{ it.scrollTop = {top}; return ({LINES})(it) }}")

    def moved(self) -> list[float]:
        """By how many pixels each line that was in view is elsewhere now, from the top."""
        self.page.evaluate(PAINTED)
        after = self.stream.evaluate(LINES)
        stayed = [seq for seq in self.before if seq in after]
        assert stayed
        return [abs(after[seq] - self.before[seq]) for seq in stayed]

    def pages(self, top: int, edge: Locator) -> None:
        """Scrolls to where a page is loaded beyond the message at this edge."""
        seq = edge.get_attribute("data-seq")
        self.scroll(top)
        expect(edge).not_to_have_attribute("data-seq", seq or "")


@pytest.mark.parametrize("phone", [True, False], ids=SCREEN)
def test_nothing_moves_while_pages_are_put_before_and_after_it(house: House, app: Flask, phone: bool) -> None:
    say(app, 1, 270)
    reader = Reader(house.enter("mara", phone=phone))

    moved = {}
    for top in (0, 1, 30, 90, 0):
        reader.pages(top, reader.messages.first)
        moved[f"up to {reader.messages.first.get_attribute('data-seq')}"] = max(reader.moved())
    expect(reader.stream).to_contain_text("This is the beginning of the Team Room.")
    for _ in range(2):
        reader.pages(FAR, reader.messages.last)
        moved[f"down to {reader.messages.last.get_attribute('data-seq')}"] = max(reader.moved())

    assert {where: far for where, far in moved.items() if far > 1} == {}


def test_what_is_dropped_is_far_from_who_reads_near_the_end(house: House, app: Flask) -> None:
    say(app, 1, 200)
    reader = Reader(house.enter("mara", reduced_motion="reduce"))
    for _ in range(3):
        reader.pages(0, reader.messages.first)
    say(app, 201, 245)
    expect(reader.messages).to_have_count(245)
    reader.scroll(FAR)
    expect(reader.page.locator(".pill")).to_be_hidden()
    reader.scroll("it.scrollTop - 200")
    expect(reader.messages).to_have_count(245)

    say(app, 246, 255)
    expect(reader.page.locator(".pill")).to_have_text("10 new")

    assert max(reader.moved()) <= 1
    expect(reader.messages).to_have_count(200)


def test_nothing_moves_when_the_page_becomes_narrow(house: House, app: Flask) -> None:
    say(app, 1, 50)
    reader = Reader(house.enter("mara"))
    reader.scroll(300)
    expect(reader.page.locator(".pill")).to_be_visible()

    reader.page.set_viewport_size(PHONE)

    assert reader.moved()[0] <= 1
