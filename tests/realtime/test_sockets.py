"""Connecting: who is let in, and what a page can follow."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
import websocket

from models.base import db
from models.project import Project
from realtime import streams
from tests.realtime.conftest import House
from tests.realtime.wire import Page, Wire


def test_a_page_connects_follows_its_project_and_hears_what_happens_there(house: House) -> None:
    web, project = house.web(), house.project()
    stream = f"project:{project}"
    page = house.page(web, house.session(house.person(project)), stream)

    web.broadcast(stream, count=3)

    assert [page.wait("m")["i"] for _ in range(3)] == [0, 1, 2]


FOREIGN = [
    "http://evil.example",
    "null",
    None,
    "http://localhost",
    "http://localhost:{port}",
    "http://other.127.0.0.1:{port}",
    "http://127.0.0.1",
    "https://127.0.0.1:{port}",
    "http://127.0.0.1:{port}.evil.example",
]


@pytest.mark.databases("sqlite")
def test_a_foreign_page_cannot_open_a_websocket(house: House) -> None:
    web = house.web()
    session = house.session(house.person(None))

    house.page(web, session)  # our own page can
    for origin in FOREIGN:
        with pytest.raises(websocket.WebSocketBadStatusException) as refusal:
            Wire(web.url, session[1], origin=origin and origin.format(port=web.port))
        assert refusal.value.status_code in (400, 401), origin


def test_pages_that_come_and_go_while_much_is_committed_have_every_change_once_and_in_order(
    house: House,
) -> None:
    """Each joins first and reads afterwards, so nothing falls between catch-up and pushes."""
    webs, project = [house.web(), house.web()], house.project()
    stream, person = f"project:{project}", house.person(project)
    session = house.session(person)
    with house.inside():
        made = streams.head(stream)
    steady = Follower(house.page(webs[0], session), stream, made)

    enough = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(rename_often, house, project, 150, enough)
        comers = [Follower(house.page(webs[1], session), stream, made)]
        while not writing.done():
            comers.append(Follower(house.page(webs[len(comers) % 2], session), stream, comers[-1].seq))
            comers[-2].page.close()
            if len(comers) > 3:
                enough.set()
        last = writing.result()

    for follower in (steady, comers[-1]):
        follower.until(last)


class Follower:
    """What the browser does: applies seq + 1 only, and asks again when it is behind."""

    def __init__(self, page: Page, stream: str, since: int) -> None:
        self.page, self.stream, self.seq, self.name = page, stream, since, ""
        self.ask()

    def ask(self) -> None:
        more = True
        while more:
            answer = self.page.follow(self.stream, self.seq)
            assert answer["reset"] is False
            self._apply(answer["items"])
            self.seq, more = max(self.seq, answer["seq"]), answer["more"]

    def until(self, name: str) -> None:
        while self.name != name:
            packet = self.page.wait("changes")
            if packet["from"] > self.seq:
                self.ask()
            else:
                self._apply(packet["items"])
                self.seq = max(self.seq, packet["to"])

    def _apply(self, items: list[dict[str, Any]]) -> None:
        seqs = [item["seq"] for item in items]
        assert seqs == sorted(set(seqs))
        for item in items:
            if item["seq"] > self.seq and item["table"] == "projects":
                self.name = item["row"]["name"]


def rename_often(house: House, project: UUID, times: int, enough: threading.Event) -> str:
    """So many times, and on until some pages have come and gone; the last name."""
    number = 0
    while number < times or (number < 20 * times and not enough.is_set()):
        number += 1
        with house.inside():
            db.session.get_one(Project, project).name = f"name {number}"
    return f"name {number}"
