"""Files in the composer and in messages: chosen, pasted, dropped, offline, and as others see them."""

import base64
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import FilePayload, Locator, Page, Route, expect

from models import Project, labs
from tests.browser.conftest import House, Visitor
from tests.browser.test_accessibility import violations

pytestmark = pytest.mark.databases("sqlite")

UPLOADS = "**/api/threads/*/attachments/*"
KEPT = "**/api/attachments/*"
NOTES: FilePayload = {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"Water the plants."}
DROPPED = """([selector, type, name, data]) => {
    const bytes = Uint8Array.from(atob(data), (char) => char.charCodeAt(0))
    const transfer = new DataTransfer()
    transfer.items.add(new File([bytes], name, { type: "image/png" }))
    const event = type === "paste"
        ? new ClipboardEvent(type, { clipboardData: transfer, bubbles: true, cancelable: true })
        : new DragEvent(type, { dataTransfer: transfer, bubbles: true, cancelable: true })
    document.querySelector(selector).dispatchEvent(event)
    return event.defaultPrevented
}"""


def png(width: int, height: int) -> bytes:
    """An image of one colour."""

    def part(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    lines = zlib.compress((b"\0" + b"\x3a\x86\xd0" * width) * height)
    head = part(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + part(b"IDAT", lines) + part(b"IEND", b"")


def image(name: str = "diagram.png") -> FilePayload:
    return {"name": name, "mimeType": "image/png", "buffer": png(900, 600)}


def attach(visitor: Visitor, *files: FilePayload) -> None:
    visitor.page.locator("input[type=file]").set_input_files(list(files))


def uploads(visitor: Visitor, state: str) -> Locator:
    return visitor.page.locator(f'.upload[data-state="{state}"]')


def bring(page: Page, how: str, where: str, name: str = "image.png") -> bool:
    """Paste or drop an image; whether somebody took it."""
    taken: bool = page.evaluate(DROPPED, [where, how, name, base64.b64encode(png(300, 200)).decode()])
    return taken


def last(visitor: Visitor) -> Locator:
    return visitor.page.locator("article.msg[data-seq][data-kind=person]").last


def loaded(picture: Locator) -> bool:
    seen: bool = picture.evaluate("(image) => image.decode().then(() => image.naturalWidth > 0)")
    return seen


def test_a_file_and_an_image_reach_the_others_live_and_a_reload_shows_the_same(house: House) -> None:
    mara, jonas = house.enter("mara"), house.enter("jonas")
    attach(mara, image(), NOTES)
    expect(uploads(mara, "done")).to_have_count(2)
    mara.say("Both of them")

    expect(mara.page.locator(".upload")).to_have_count(0)
    for visitor in (mara, jonas):
        message = visitor.message("Both of them")
        picture = message.get_by_role("img", name="diagram.png")
        expect(picture).to_have_attribute("width", "360")
        expect(picture).to_have_attribute("height", "240")
        assert loaded(picture)
        expect(message.get_by_role("link", name="notes.txt")).to_contain_text("17 B")

    live = jonas.message("Both of them").locator(".files").evaluate("(files) => files.outerHTML")
    jonas.page.reload()
    expect(jonas.message("Both of them")).to_be_visible()
    fresh = jonas.message("Both of them").locator(".files").evaluate("(files) => files.outerHTML")
    assert fresh == live
    with jonas.page.expect_download() as download:
        jonas.message("Both of them").get_by_role("link", name="notes.txt").click()
    assert Path(download.value.path()).read_bytes() == b"Water the plants."
    assert download.value.suggested_filename == "notes.txt"


def test_an_image_is_opened_beside_the_page_and_takes_its_place_at_once(house: House) -> None:
    mara, jonas = house.enter("mara"), house.enter("jonas")
    jonas.page.route(KEPT, lambda route: None)  # it never comes
    attach(mara, image())
    expect(uploads(mara, "done")).to_have_count(1)
    mara.page.locator("#composer-text").press("Enter")

    assert loaded(last(mara).get_by_role("img"))
    boxes = [last(visitor).get_by_role("img").bounding_box() for visitor in (jonas, mara)]
    empty, whole = [(box["width"], box["height"]) for box in boxes if box]
    assert empty == pytest.approx(whole, abs=0.01)  # where it is on the page is rounded
    assert empty[0] == 360
    with mara.page.context.expect_page() as opened:
        last(mara).get_by_role("link").click()
    opened.value.wait_for_load_state()
    assert opened.value.locator("img").evaluate("(image) => image.naturalWidth") == 900


def test_an_image_is_pasted_and_one_is_dropped_anywhere_in_the_room(house: House) -> None:
    mara = house.enter("mara")

    assert bring(mara.page, "paste", "#composer-text", "pasted.png")
    assert bring(mara.page, "dragover", ".stream")
    expect(mara.page.locator(".composer[data-over]")).to_have_count(1)
    assert bring(mara.page, "drop", ".stream", "dropped.png")
    expect(mara.page.locator(".composer[data-over]")).to_have_count(0)
    expect(uploads(mara, "done")).to_have_count(2)
    mara.say("Two")

    expect(mara.message("Two").get_by_role("img")).to_have_count(2)
    assert mara.message("Two").locator(".files").get_attribute("data-names") == "pasted.png, dropped.png"


def test_a_message_needs_no_words_and_is_quoted_by_its_files(house: House) -> None:
    mara = house.enter("mara")
    send = mara.page.get_by_role("button", name="Send")
    expect(send).to_be_disabled()
    attach(mara, NOTES)
    expect(uploads(mara, "done")).to_have_count(1)
    send.click()

    expect(last(mara).get_by_role("link", name="notes.txt")).to_be_visible()
    last(mara).hover()
    last(mara).get_by_role("button", name="Reply").click()
    mara.say("Thanks")
    expect(mara.message("Thanks").locator(".quote")).to_contain_text("notes.txt")


def test_enter_waits_until_all_are_there(house: House) -> None:
    mara = house.enter("mara")
    held: list[Route] = []
    mara.page.route(UPLOADS, lambda route: held.append(route))
    attach(mara, NOTES)
    mara.say("With a file")
    expect(mara.page.locator("#composer-hint")).to_contain_text("when all files are uploaded")
    expect(mara.page.locator("#composer-text")).to_have_value("With a file")

    held[0].continue_()

    expect(mara.message("With a file").get_by_role("link", name="notes.txt")).to_be_visible()
    expect(mara.page.locator("#composer-text")).to_have_value("")


def test_one_that_failed_says_why_and_can_be_tried_again_or_removed(house: House) -> None:
    mara = house.enter("mara")
    body = '{"error": {"code": "conflict", "message": "somebody was first", "fields": {}}}'
    busy: dict[str, Any] = {"status": 409, "body": body, "content_type": "application/json"}
    mara.page.route(UPLOADS, lambda route: route.fulfill(**busy), times=2)
    mara.page.route(KEPT, lambda route: route.fulfill(status=204))  # it has none, and would say so
    attach(mara, NOTES, image())
    expect(uploads(mara, "failed").first).to_contain_text("Somebody was first.")
    expect(uploads(mara, "failed")).to_have_count(2)
    mara.say("With a file")
    expect(mara.page.locator(".composer__error")).to_contain_text("notes.txt was not uploaded")

    mara.page.get_by_role("button", name="Retry notes.txt").click()
    expect(mara.page.locator("#composer-text")).to_be_focused()
    expect(uploads(mara, "done").get_by_role("status")).to_have_text("Uploaded")
    mara.page.get_by_role("button", name="Remove diagram.png").click()
    mara.page.locator("#composer-text").press("Enter")

    expect(mara.message("With a file").locator(".files > li")).to_have_count(1)


@pytest.mark.environ(FILE_MEGABYTES="1", FILES_A_MESSAGE="2")
def test_what_is_too_large_or_too_many_is_said_before_it_is_sent(house: House) -> None:
    mara = house.enter("mara")
    large: FilePayload = {"name": "large.bin", "mimeType": "", "buffer": b"x" * ((1 << 20) + 1)}

    attach(mara, large, NOTES, image())

    expect(uploads(mara, "refused")).to_contain_text(["It is larger than 1 MB."])
    expect(uploads(mara, "done")).to_have_count(2)
    attach(mara, {**NOTES, "name": "third.txt"})
    expect(uploads(mara, "refused")).to_contain_text(["It is larger than 1 MB.", "A message takes 2 files."])
    expect(mara.page.get_by_role("button", name="Retry")).to_have_count(0)
    mara.say("With them")
    expect(mara.page.locator(".composer__error")).to_have_text("large.bin was not uploaded: remove it.")


@pytest.mark.environ(FILE_MEGABYTES="1", FILES_A_MESSAGE="2")
def test_what_comes_back_counts_like_what_is_chosen(house: House) -> None:
    mara = house.enter("mara")
    mara.page.route("**/messages", lambda route: route.fulfill(status=422, body="{}"), times=1)
    attach(mara, NOTES, image())
    expect(uploads(mara, "done")).to_have_count(2)
    mara.say("Refused")
    pending = mara.page.locator('article[data-state="pending"]')
    expect(pending.get_by_role("button", name="Edit")).to_be_visible()
    attach(mara, {**NOTES, "name": "third.txt"})
    expect(uploads(mara, "done")).to_have_count(1)

    pending.get_by_role("button", name="Edit").click()

    expect(uploads(mara, "done")).to_have_count(2)
    expect(uploads(mara, "refused")).to_contain_text(["A message takes 2 files."])


def test_without_a_connection_it_waits_and_goes_when_it_is_back(house: House) -> None:
    mara = house.enter("mara")
    mara.page.context.set_offline(True)
    mara.is_in("offline")
    attach(mara, NOTES)
    expect(uploads(mara, "waiting")).to_contain_text("Needs a connection")
    mara.say("Later")

    mara.page.context.set_offline(False)

    expect(mara.message("Later").get_by_role("link", name="notes.txt")).to_be_visible(timeout=20_000)


def test_what_breaks_while_the_server_answers_is_tried_three_times(house: House) -> None:
    mara, jonas = house.enter("mara"), house.enter("jonas")
    tries: list[Route] = []

    def broken(route: Route) -> None:
        tries.append(route)
        route.abort()

    mara.page.route(UPLOADS, broken)
    mara.page.clock.install()
    attach(mara, NOTES)
    for tried, pause in ((1, 2000), (2, 4000)):
        expect(uploads(mara, "waiting")).to_have_count(1)
        jonas.say(f"Said {tried}")
        expect(mara.message(f"Said {tried}")).to_be_visible()
        assert len(tries) == tried
        mara.page.clock.fast_forward(pause)

    expect(uploads(mara, "failed")).to_contain_text("It could not be sent.")
    expect(mara.page.get_by_role("button", name="Retry notes.txt")).to_be_visible()
    assert len(tries) == 3


def test_what_is_on_its_way_goes_on_when_the_connection_seems_lost(house: House) -> None:
    mara = house.enter("mara")
    held: list[Route] = []
    mara.page.route(UPLOADS, lambda route: held.append(route))
    attach(mara, NOTES)
    mara.page.context.set_offline(True)
    mara.is_in("offline")
    expect(uploads(mara, "sending")).to_have_count(1)
    mara.page.context.set_offline(False)
    mara.is_in("live")

    held[0].continue_()

    expect(uploads(mara, "done")).to_have_count(1)
    assert len(held) == 1


def test_one_that_is_removed_before_its_answer_is_taken_back(house: House) -> None:
    mara = house.enter("mara")
    mara.page.route(UPLOADS, lambda route: None)
    mara.page.route(KEPT, lambda route: route.fulfill(status=204))
    with mara.page.expect_request(UPLOADS) as put:
        attach(mara, NOTES)

    with mara.page.expect_request(KEPT) as taken:
        mara.page.get_by_role("button", name="Remove notes.txt").click()

    assert taken.value.method == "DELETE"
    assert put.value.url.split("?")[0].endswith(taken.value.url.rsplit("/", 1)[1])


def test_the_pictures_of_a_page_that_is_left_are_let_go(house: House) -> None:
    mara = house.enter("mara")
    attach(mara, image())
    expect(uploads(mara, "done")).to_have_count(1)
    shown = mara.page.locator(".upload img").get_attribute("src")
    mara.page.evaluate("""() => {
        window.ended = []
        const end = URL.revokeObjectURL
        URL.revokeObjectURL = (address) => { window.ended.push(address); end.call(URL, address) }
    }""")

    mara.page.evaluate("document.querySelector('.room').remove()")

    mara.page.wait_for_function("(shown) => window.ended.includes(shown)", arg=shown)


def test_what_is_uploaded_is_there_again_on_the_next_page(house: House) -> None:
    mara = house.enter("mara")
    held: list[Route] = []
    attach(mara, NOTES)
    expect(uploads(mara, "done")).to_have_count(1)
    mara.page.route(UPLOADS, lambda route: held.append(route))
    attach(mara, image())
    mara.say("With both")
    expect(mara.page.locator("#composer-hint")).to_contain_text("when all files are uploaded")

    mara.page.get_by_role("link", name="Agents").first.click()
    expect(mara.page.locator("#composer-text")).to_have_count(0)
    mara.page.go_back()
    expect(uploads(mara, "done")).to_contain_text(["notes.txt"])
    expect(mara.page.locator(".upload")).to_have_count(1)
    mara.page.reload()
    expect(uploads(mara, "done")).to_contain_text(["notes.txt"])
    expect(mara.page.locator("#composer-text")).to_have_value("With both")
    mara.page.get_by_role("button", name="Send").click()

    expect(mara.message("With both").get_by_role("link", name="notes.txt")).to_be_visible()
    mara.page.reload()
    expect(mara.message("With both")).to_be_visible()
    expect(mara.page.locator(".upload")).to_have_count(0)


def test_the_page_is_not_left_without_a_word_while_a_file_is_on_its_way(house: House) -> None:
    mara = house.enter("mara")
    asks = "!window.dispatchEvent(new Event('beforeunload', { cancelable: true }))"
    held: list[Route] = []
    mara.page.route(UPLOADS, lambda route: held.append(route))
    attach(mara, NOTES)
    expect(uploads(mara, "sending")).to_have_count(1)
    assert mara.page.evaluate(asks)

    held[0].continue_()

    expect(uploads(mara, "done")).to_have_count(1)
    assert not mara.page.evaluate(asks)


def test_a_message_that_was_refused_gives_its_files_back(house: House) -> None:
    mara = house.enter("mara")
    mara.page.route("**/messages", lambda route: route.fulfill(status=422, body="{}"), times=1)
    attach(mara, NOTES)
    expect(uploads(mara, "done")).to_have_count(1)
    mara.say("Refused")
    pending = mara.page.locator('article[data-state="pending"]')
    expect(pending).to_contain_text("notes.txt")

    pending.get_by_role("button", name="Edit").click()
    expect(uploads(mara, "done")).to_have_count(1)
    mara.page.locator("#composer-text").press("Enter")

    expect(mara.message("Refused").get_by_role("link", name="notes.txt")).to_be_visible()


def test_of_words_with_a_picture_of_them_the_words_are_pasted(house: House) -> None:
    mara = house.enter("mara")

    assert not mara.page.evaluate(
        """() => {
        const copied = new DataTransfer()
        copied.items.add(new File(["x"], "image.png", { type: "image/png" }))
        copied.setData("text/plain", "a table")
        copied.setData("text/html", "<table></table>")
        const event = new ClipboardEvent("paste", { clipboardData: copied, bubbles: true, cancelable: true })
        document.querySelector("#composer-text").dispatchEvent(event)
        return event.defaultPrevented
    }"""
    )
    expect(mara.page.locator(".upload")).to_have_count(0)


def test_words_can_be_edited_and_files_go_with_their_message(house: House) -> None:
    mara, jonas = house.enter("mara"), house.enter("jonas")
    attach(mara, NOTES)
    expect(uploads(mara, "done")).to_have_count(1)
    mara.say("Wrong words")
    mara.message("Wrong words").hover()
    mara.message("Wrong words").get_by_role("button", name="Edit").click()
    mara.page.locator(".editor textarea").fill("")
    mara.page.locator(".editor textarea").press("Enter")
    for visitor in (mara, jonas):
        expect(last(visitor).locator(".edited")).to_be_visible()
        expect(last(visitor).get_by_role("link", name="notes.txt")).to_be_visible()
    address = last(jonas).get_by_role("link", name="notes.txt").get_attribute("href")

    last(mara).hover()
    last(mara).get_by_role("button", name="Delete").click()
    mara.page.get_by_role("button", name="Delete message").click()

    expect(last(jonas)).to_contain_text("This message was deleted.")
    expect(last(jonas).locator(".files")).to_have_count(0)
    assert jonas.page.request.get(f"{house.live.url}{address}").status == 404


def test_a_conversation_begins_with_a_file(house: House, app: Flask) -> None:
    with app.app_context():
        project = Project.by_key("oasis")
        assert project
        labs.write(project.id, {"team_room": True, "dms": True})
        labs.db.session.commit()
    mara = house.enter("mara", "/oasis/dms?left=&right=bulma")
    attach(mara, NOTES)
    expect(uploads(mara, "done")).to_have_count(1)
    mara.page.locator("#composer-text-right").press("Enter")

    expect(
        mara.page.locator("article.msg[data-seq]").first.get_by_role("link", name="notes.txt")
    ).to_be_visible()


@pytest.mark.parametrize("phone", [False, True])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_and_nothing_runs_over(house: House, phone: bool, theme: str) -> None:
    mara = house.enter("mara", phone=phone, color_scheme=theme)
    long: FilePayload = {**NOTES, "name": "a very long name of a file " * 6 + ".txt"}
    attach(mara, image(), NOTES, long)
    expect(uploads(mara, "done")).to_have_count(3)
    mara.say("Here they are")
    expect(mara.message("Here they are").locator(".files > li")).to_have_count(3)
    mara.page.route(UPLOADS, lambda route: route.fulfill(status=422, body="{}"), times=1)
    attach(mara, long)
    expect(uploads(mara, "failed")).to_have_count(1)
    attach(mara, image())
    expect(uploads(mara, "done")).to_have_count(1)

    assert violations(mara.page) == []
    assert mara.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
