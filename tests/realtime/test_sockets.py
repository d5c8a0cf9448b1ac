"""Connecting: who is let in, and what a page can follow."""

import pytest
import websocket

from tests.realtime.conftest import House
from tests.realtime.wire import Wire


def test_a_page_connects_follows_its_project_and_hears_what_happens_there(house: House) -> None:
    web, project = house.web(), house.project()
    stream = f"project:{project}"
    page = house.page(web, house.session(house.person(project)), stream)

    web.broadcast(stream, count=3)

    assert [page.wait("m")["i"] for _ in range(3)] == [0, 1, 2]


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "null",
        None,
        "http://localhost",
        "http://other.127.0.0.1:{port}",
        "http://127.0.0.1",
        "https://127.0.0.1:{port}",
        "http://127.0.0.1:{port}.evil.example",
    ],
)
def test_a_foreign_page_cannot_open_a_websocket(house: House, origin: str | None) -> None:
    web = house.web()
    session = house.session(house.person(None))
    shown = origin.format(port=web.port) if origin else None

    house.page(web, session)  # our own page can
    with pytest.raises(websocket.WebSocketBadStatusException) as refusal:
        Wire(web.url, session[1], origin=shown)

    assert refusal.value.status_code in (400, 401)
