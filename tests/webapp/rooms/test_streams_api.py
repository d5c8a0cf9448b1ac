"""Streams over HTTP: the same cursor and the same policy as over a socket."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from flask.testing import FlaskClient
from flask_sqlalchemy import SQLAlchemy

from models import Membership
from realtime import pump, streams
from tests import factories
from tests.webapp.rooms.conftest import House
from webapp.api import streams as view

MESSAGES = "project_chat_messages"


def said(part: Any) -> list[str]:
    """The texts of the messages among the items."""
    return [item["row"]["content"] for item in part["items"] if item["table"] == MESSAGES]


def read(client: FlaskClient, name: str, **query: Any) -> Any:
    return client.get(f"/api/streams/{name}", query_string=query)


@pytest.fixture
def name(house: House) -> str:
    return f"project:{house.project.id}"


def test_what_was_missed_comes_in_order(house: House, mara: FlaskClient, name: str) -> None:
    since = streams.head(name)
    texts = ["one", "two", "three"]
    for text in texts:
        house.post(mara, text)

    part = read(mara, name, since=since).get_json()

    assert said(part) == texts
    html = [item["html"] for item in part["items"] if item["table"] == MESSAGES]
    assert all('<article class="msg"' in each for each in html)
    assert (part["seq"], part["reset"], part["more"]) == (streams.head(name), False, False)
    assert read(mara, name, since=part["seq"]).get_json()["items"] == []


def test_without_a_place_a_reader_begins_anew(house: House, mara: FlaskClient, name: str) -> None:
    part = read(mara, name).get_json()

    assert (part["reset"], part["items"]) == (True, None)
    assert part["seq"] == streams.head(name)


def test_a_room_that_is_switched_off_is_silent_on_the_stream(
    house: House, mara: FlaskClient, jonas: FlaskClient, name: str
) -> None:
    since = streams.head(name)
    house.post(mara, "before")
    labs = f"/api/projects/{house.project.id}/labs"
    assert mara.put(labs, json={"team_room": False}).status_code == 200

    hidden = read(jonas, name, since=since).get_json()
    assert (hidden["reset"], hidden["items"], hidden["live"]) == (True, None, [])
    later = streams.head(name)
    mara.patch(f"/api/projects/{house.project.id}", json={"name": "Closed"})
    house.thread.paused_at = house.thread.created_at
    house.app.extensions["sqlalchemy"].session.commit()
    assert [item["table"] for item in read(jonas, name, since=later).get_json()["items"]] == ["projects"]

    mara.put(labs, json={"team_room": True})
    assert read(jonas, name, since=later).get_json()["reset"]


@pytest.mark.parametrize("kind", ["user", "agent"])
def test_a_program_reads_with_its_token(house: House, name: str, kind: str) -> None:
    program = factories.bearer(house.app, factories.token(house.project, kind, who=house.mara)[1])

    assert read(program, name, since=0).status_code == 200


def test_a_workers_token_does_not(house: House, name: str) -> None:
    program = factories.bearer(house.app, factories.token(house.project, "worker")[1])

    assert read(program, name, since=0).status_code == 404


def test_each_stream_has_its_readers(house: House, mara: FlaskClient, jonas: FlaskClient, name: str) -> None:
    admin, own = f"admin:{house.project.id}", f"user:{house.jonas.id}"

    assert [read(mara, each).status_code for each in (name, admin, own)] == [200, 200, 404]
    assert [read(jonas, each).status_code for each in (name, admin, own)] == [200, 404, 200]


@pytest.mark.parametrize(
    "wrong", ["project:", "project:x", "nothing", "run:1", "PROJECT:{id}", "project:{id} "]
)
def test_a_name_that_is_none_is_not_found(house: House, mara: FlaskClient, wrong: str) -> None:
    assert read(mara, wrong.replace("{id}", str(house.project.id))).status_code == 404


@pytest.mark.parametrize(
    ("query", "field"),
    [({"since": "x"}, "since"), ({"since": -1}, "since"), ({"wait": 31}, "wait"), ({"wait": "nan"}, "wait")],
)
def test_bad_input_is_named(house: House, mara: FlaskClient, name: str, query: Any, field: str) -> None:
    answer = read(mara, name, **query)

    assert answer.status_code == 422
    assert list(answer.get_json()["error"]["fields"]) == [field]


class TestWaiting:
    @pytest.fixture
    def waiting(
        self, house: House, jonas: FlaskClient, name: str, db: SQLAlchemy, monkeypatch: pytest.MonkeyPatch
    ) -> Any:
        """Begin a long poll, and answer once it waits."""
        began = threading.Event()
        wait: Callable[..., None] = view._wait

        def noticed(*args: Any) -> None:
            began.set()
            wait(*args)

        monkeypatch.setattr(view, "_wait", noticed)
        monkeypatch.setattr(view, "LOOK_EVERY", 0.02)
        db.session.commit()
        with ThreadPoolExecutor(1) as pool:

            def begin(since: int, seconds: float = 10) -> Future[Any]:
                future = pool.submit(read, jonas, name, since=since, wait=seconds)
                assert began.wait(5)
                return future

            yield begin

    def test_it_is_answered_when_something_changes(
        self, house: House, mara: FlaskClient, name: str, waiting: Callable[..., Future[Any]]
    ) -> None:
        asked = waiting(streams.head(name))

        house.post(mara, "news")

        part = asked.result(10).get_json()
        assert said(part) == ["news"]

    def test_it_ends_without_news(self, house: House, name: str, waiting: Callable[..., Future[Any]]) -> None:
        asked = waiting(streams.head(name), 0.1)

        assert asked.result(10).get_json()["items"] == []

    def test_a_right_withdrawn_meanwhile_counts(
        self, house: House, name: str, db: SQLAlchemy, waiting: Callable[..., Future[Any]]
    ) -> None:
        asked = waiting(streams.head(name))
        membership = Membership.of(house.project.id, house.jonas.id)
        assert membership

        db.session.delete(membership)
        db.session.commit()

        assert asked.result(10).status_code == 404

    def test_it_holds_no_connection(
        self, house: House, name: str, db: SQLAlchemy, waiting: Callable[..., Future[Any]]
    ) -> None:
        from sqlalchemy import Engine, QueuePool

        asked = waiting(streams.head(name), 0.3)
        db.session.commit()
        engine: Engine = db.engine
        assert isinstance(engine.pool, QueuePool)

        counts = set()
        while not asked.done():
            counts.add(engine.pool.checkedout())

        assert 0 in counts

    def test_with_a_pump_it_is_woken(
        self,
        house: House,
        mara: FlaskClient,
        name: str,
        monkeypatch: pytest.MonkeyPatch,
        waiting: Callable[..., Future[Any]],
    ) -> None:
        follower = pump.Pump(house.app, lambda *packet: None, set)
        follower.start()
        try:
            monkeypatch.setattr(view, "LOOK_EVERY", 60)
            asked = waiting(streams.head(name))
            house.post(mara, "news")

            assert asked.result(10).get_json()["items"]
        finally:
            follower.stop()
