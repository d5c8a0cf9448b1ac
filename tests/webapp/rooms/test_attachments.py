"""Files over HTTP: who may give and read them, and that a browser never runs one."""

import io
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import select
from werkzeug.test import TestResponse

from models import Attachment, AttachmentPiece, Membership, labs
from models.attachment import PIECE
from models.image import Image
from models.thread import dm_id
from tests import factories
from tests.factories import PNG
from tests.webapp.rooms.conftest import House

LONG = bytes(range(256)) * (5 * PIECE // 512)
HOSTILE = {
    "page.png": b"<!doctype html><script>alert(1)</script>",
    "picture.png": b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
    "paper.gif": b"%PDF-1.7",
    "script.jpg": b"alert(1)",
    "feed.webp": b"<?xml version='1.0'?><a/>",
}


def give(
    client: FlaskClient, thread_id: UUID, data: bytes | None = b"plain", name: str = "notes.txt", **more: Any
) -> TestResponse:
    file_id = more.pop("file_id", uuid4())
    address = f"/api/threads/{thread_id}/attachments/{file_id}?name={quote(name)}"
    return client.put(address, data=data, **{"content_type": "application/octet-stream", **more})


def given(client: FlaskClient, house: House, data: bytes = b"plain", name: str = "notes.txt") -> str:
    """The address of a file that was posted in the room."""
    row = give(client, house.thread.id, data, name).get_json()
    assert house.post(client, "", attachments=[row["id"]]).status_code == 201
    return f"/api/attachments/{row['id']}"


def fields(answer: TestResponse) -> list[str]:
    return list(answer.get_json()["error"]["fields"])


def harmless(answer: TestResponse) -> bool:
    """Whether no browser shows it as anything but a file to be saved."""
    headers = answer.headers
    return (
        answer.mimetype == "application/octet-stream"
        and headers["Content-Disposition"].startswith("attachment")
        and headers["X-Content-Type-Options"] == "nosniff"
        and headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    )


class TestGiving:
    def test_it_is_told_what_it_is_and_a_repeat_is_harmless(self, house: House, mara: FlaskClient) -> None:
        file_id = uuid4()

        answers = [give(mara, house.thread.id, PNG, "Ein Bild.png", file_id=file_id) for _ in range(2)]

        assert [answer.status_code for answer in answers] == [200, 200]
        assert answers[0].get_json() == answers[1].get_json()
        assert answers[0].get_json() == {
            "id": str(file_id), "name": "Ein Bild.png", "size": len(PNG), "media_type": "image/png",
            "width": 1, "height": 1,
        }  # fmt: skip

    def test_who_was_sent_away_meanwhile_keeps_nothing(
        self, house: House, jonas: FlaskClient, db: SQLAlchemy
    ) -> None:
        class Slow(io.BytesIO):
            def readinto(self, buffer: Any) -> int:
                for membership in db.session.query(Membership).filter_by(user_id=house.jonas.id):
                    db.session.delete(membership)
                db.session.commit()
                return super().readinto(buffer)

        answer = give(jonas, house.thread.id, data=None, input_stream=Slow(b"plain"), content_length=5)

        assert answer.status_code == 404
        assert db.session.query(Attachment).count() == 0

    def test_the_same_id_with_other_bytes_is_a_conflict(self, house: House, mara: FlaskClient) -> None:
        file_id = uuid4()
        give(mara, house.thread.id, b"one", file_id=file_id)

        assert give(mara, house.thread.id, b"two", file_id=file_id).status_code == 409

    @pytest.mark.parametrize(
        ("data", "name", "status", "field"),
        [
            (b"", "a.txt", 422, "file"),
            (b"x", "", 422, "name"),
            (b"x", "a\nb", 422, "name"),
            (b"x", "x" * 201, 422, "name"),
            (b"x" * ((1 << 20) + 1), "a.txt", 413, "file"),
        ],
    )
    def test_what_is_wrong_is_named_at_its_field(
        self,
        house: House,
        app: Flask,
        monkeypatch: pytest.MonkeyPatch,
        mara: FlaskClient,
        data: bytes,
        name: str,
        status: int,
        field: str,
    ) -> None:
        monkeypatch.setitem(app.config, "FILE_MEGABYTES", 1)

        answer = give(mara, house.thread.id, data, name)

        assert (answer.status_code, fields(answer)) == (status, [field])

    def test_more_than_its_length_says_is_refused_too(
        self, house: House, app: Flask, monkeypatch: pytest.MonkeyPatch, mara: FlaskClient
    ) -> None:
        monkeypatch.setitem(app.config, "FILE_MEGABYTES", 1)
        chunked = {"wsgi.input_terminated": True, "CONTENT_LENGTH": ""}

        answer = give(mara, house.thread.id, b"x" * (2 << 20), environ_overrides=chunked)

        assert (answer.status_code, fields(answer)) == (413, ["file"])

    def test_a_name_with_a_nul_is_no_address(self, house: House, mara: FlaskClient) -> None:
        assert give(mara, house.thread.id, b"x", "a\0b").status_code == 400

    def test_a_file_of_more_than_other_bodies_may_have_is_taken(
        self, house: House, mara: FlaskClient
    ) -> None:
        address = given(mara, house, LONG * 2)

        assert mara.get(address).data == LONG * 2

    def test_a_project_takes_so_much(
        self, house: House, app: Flask, monkeypatch: pytest.MonkeyPatch, mara: FlaskClient
    ) -> None:
        monkeypatch.setitem(app.config, "PROJECT_FILES_MEGABYTES", 1)
        assert give(mara, house.thread.id, b"x" * (1 << 20)).status_code == 200

        answer = give(mara, house.thread.id, b"x")

        assert (answer.status_code, fields(answer)) == (422, ["file"])

    def test_whoever_may_not_write_gives_no_file(self, house: House, client: FlaskClient) -> None:
        agent = factories.bearer(house.app, factories.token(house.project, "agent")[1])
        stranger = house.browser(factories.member(factories.project(), "owner"))

        answers = [give(who, house.thread.id) for who in (house.newcomer("viewer"), agent, stranger, client)]

        assert [answer.status_code for answer in answers] == [403, 403, 404, 401]

    def test_a_persons_token_gives_and_posts_one(self, house: House) -> None:
        program = factories.bearer(house.app, factories.token(house.project, who=house.mara)[1])

        assert program.get(given(program, house)).data == b"plain"

    def test_without_the_pages_token_it_is_refused(self, house: House, mara: FlaskClient) -> None:
        del mara.environ_base["HTTP_X_CSRF_TOKEN"]

        assert give(mara, house.thread.id).status_code == 403

    def test_without_its_flag_the_room_takes_none(
        self, house: House, mara: FlaskClient, db: SQLAlchemy
    ) -> None:
        address = given(mara, house)
        labs.write(house.project.id, {"team_room": False})

        assert give(mara, house.thread.id).status_code == 404
        assert mara.get(address).status_code == 404


class TestPosting:
    def test_the_row_says_its_files(self, house: House, mara: FlaskClient) -> None:
        file = give(mara, house.thread.id, PNG, "a.png").get_json()

        row = house.post(mara, "look", attachments=[file["id"]]).get_json()

        assert row["metadata"]["files"] == [file]

    @pytest.mark.parametrize("value", ["x", [7], ["somewhere"], [str(uuid4())], {"a": 1}, None])
    def test_what_names_no_file_is_refused_at_its_field(
        self, house: House, mara: FlaskClient, value: Any
    ) -> None:
        answer = house.post(mara, "look", attachments=value)

        assert answer.status_code == 422
        assert fields(answer)[0].startswith("attachments")
        assert house.thread.last_seq == 0

    def test_a_message_has_so_many(
        self, house: House, app: Flask, monkeypatch: pytest.MonkeyPatch, mara: FlaskClient
    ) -> None:
        monkeypatch.setitem(app.config, "FILES_A_MESSAGE", 2)
        ids = [give(mara, house.thread.id).get_json()["id"] for _ in range(3)]

        answer = house.post(mara, attachments=ids)

        assert (answer.status_code, fields(answer)) == (422, ["attachments"])
        assert house.post(mara, attachments=ids[:2]).status_code == 201

    def test_anothers_file_is_refused(self, house: House, mara: FlaskClient, jonas: FlaskClient) -> None:
        his = give(jonas, house.thread.id).get_json()["id"]

        assert fields(house.post(mara, attachments=[his])) == ["attachments"]
        assert house.post(jonas, attachments=[his]).status_code == 201

    def test_a_repeat_with_another_file_is_a_conflict(self, house: House, mara: FlaskClient) -> None:
        ids = [give(mara, house.thread.id).get_json()["id"] for _ in range(2)]

        answers = [house.post(mara, "look", client_id="c", attachments=[each]) for each in (*ids, ids[0])]

        assert [answer.status_code for answer in answers] == [201, 409, 200]

    def test_the_words_may_be_edited_away(self, house: House, mara: FlaskClient) -> None:
        file_id = give(mara, house.thread.id).get_json()["id"]
        message = house.post(mara, "look", attachments=[file_id]).get_json()

        answer = mara.patch(f"/api/messages/{message['id']}", json={"content": ""})

        assert answer.status_code == 200
        assert len(answer.get_json()["metadata"]["files"]) == 1


class TestReading:
    def test_an_image_is_shown_and_runs_nothing(
        self, house: House, mara: FlaskClient, jonas: FlaskClient
    ) -> None:
        answer = jonas.get(given(mara, house, PNG, "a.png"))

        assert (answer.status_code, answer.data, answer.mimetype) == (200, PNG, "image/png")
        headers = answer.headers
        assert headers["Content-Disposition"] == "inline; filename*=UTF-8''a.png"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cache-Control"] == "private, no-cache"

    @pytest.mark.parametrize("name", HOSTILE)
    def test_what_only_says_that_it_is_an_image_is_a_file_to_be_saved(
        self, house: House, mara: FlaskClient, name: str
    ) -> None:
        row = give(mara, house.thread.id, HOSTILE[name], name, content_type="image/png").get_json()
        message = house.post(mara, "", attachments=[row["id"]]).get_json()

        answer = mara.get(f"/api/attachments/{row['id']}")

        assert answer.data == HOSTILE[name]
        assert harmless(answer)
        assert f'<img src="/api/attachments/{row["id"]}' not in shown(house, mara, message["id"])

    def test_a_build_that_trusts_the_name_is_caught(
        self, house: House, mara: FlaskClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The control: what is asserted above is false of it."""
        monkeypatch.setattr(Image, "of", lambda start: Image("image/svg+xml", 1, 1))

        assert not harmless(mara.get(given(mara, house, HOSTILE["picture.png"], "picture.png")))

    @pytest.mark.parametrize(
        "name", ['a"; filename=b.html', "Übersicht 2026.pdf", "a;b.txt", "..", "a%0d%0ab"]
    )
    def test_a_name_stays_within_its_header(self, house: House, mara: FlaskClient, name: str) -> None:
        answer = mara.get(given(mara, house, b"x", name))

        said = answer.headers["Content-Disposition"]
        assert said == f"attachment; filename*=UTF-8''{quote(name, safe='')}"
        assert said.isascii()

    def test_what_was_seen_is_asked_about_and_not_sent_again(self, house: House, mara: FlaskClient) -> None:
        address = given(mara, house, PNG, "a.png")
        etag = mara.get(address).headers["ETag"]

        again = mara.get(address, headers={"If-None-Match": etag})

        assert (again.status_code, again.data) == (304, b"")
        assert mara.head(address).headers["Content-Length"] == str(len(PNG))

    def test_before_it_is_posted_nobody_reads_it(self, house: House, mara: FlaskClient) -> None:
        file_id = give(mara, house.thread.id).get_json()["id"]

        assert mara.get(f"/api/attachments/{file_id}").status_code == 404

    def test_who_reads_the_message_reads_the_file_and_nobody_else(
        self, house: House, mara: FlaskClient, client: FlaskClient
    ) -> None:
        address = given(mara, house)
        agent = factories.bearer(house.app, factories.token(house.project, "agent")[1])
        worker = factories.bearer(house.app, factories.token(house.project, "worker")[1])
        stranger = house.browser(factories.member(factories.project(), "owner"))
        askers = (house.newcomer("viewer"), agent, worker, stranger, client)

        assert [who.get(address).status_code for who in askers] == [200, 200, 403, 404, 401]

    def test_who_was_removed_does_not_even_with_what_he_kept(
        self, house: House, mara: FlaskClient, jonas: FlaskClient, db: SQLAlchemy
    ) -> None:
        address = given(mara, house)
        etag = jonas.get(address).headers["ETag"]
        membership = Membership.of(house.project.id, house.jonas.id)
        assert membership
        membership.end()

        assert jonas.get(address, headers={"If-None-Match": etag}).status_code == 404

    def test_with_its_message_it_is_gone(self, house: House, mara: FlaskClient, db: SQLAlchemy) -> None:
        file_id = give(mara, house.thread.id).get_json()["id"]
        message = house.post(mara, "", attachments=[file_id]).get_json()
        etag = mara.get(f"/api/attachments/{file_id}").headers["ETag"]

        assert mara.delete(f"/api/messages/{message['id']}").get_json()["metadata"] == {}

        answer = mara.get(f"/api/attachments/{file_id}", headers={"If-None-Match": etag})
        assert answer.status_code == 404
        assert db.session.scalars(select(AttachmentPiece)).all() == []

    def test_one_that_is_deleted_while_it_is_read_is_cut_off(
        self, house: House, mara: FlaskClient, jonas: FlaskClient
    ) -> None:
        file_id = give(mara, house.thread.id, LONG).get_json()["id"]
        message = house.post(mara, "", attachments=[file_id]).get_json()
        reading = jonas.get(f"/api/attachments/{file_id}", buffered=False)
        parts = iter(reading.response)
        assert next(parts)

        mara.delete(f"/api/messages/{message['id']}")

        with pytest.raises(EOFError):
            list(parts)


class TestConversations:
    @pytest.fixture
    def dm(self, house: House) -> UUID:
        """Mara's conversation with Bulma, which has not begun."""
        return dm_id(house.project.id, house.mara.id, "bulma")

    def test_the_first_message_may_have_a_file_which_is_its_owners_alone(
        self, house: House, mara: FlaskClient, jonas: FlaskClient, dm: UUID
    ) -> None:
        file = give(mara, dm, PNG, "a.png").get_json()
        said = {"content": "", "client_id": "a", "attachments": [file["id"]]}

        assert mara.post(f"/api/threads/{dm}/messages", json=said).status_code == 201

        address = f"/api/attachments/{file['id']}"
        tokens = [
            factories.token(house.project, "agent")[1],
            factories.token(house.project, who=house.mara)[1],
        ]
        programs = [factories.bearer(house.app, text) for text in tokens]
        owner = house.browser(factories.member(house.project, "owner"))
        asked = (mara, jonas, owner, *programs)
        assert [who.get(address).status_code for who in asked] == [200, 404, 404, 404, 404]

    def test_nobody_else_gives_one(
        self, house: House, jonas: FlaskClient, mara: FlaskClient, dm: UUID
    ) -> None:
        before = give(jonas, dm).status_code
        give(mara, dm)
        mara.post(f"/api/threads/{dm}/messages", json={"content": "hello", "client_id": "a"})

        assert (before, give(jonas, dm).status_code) == (404, 404)

    def test_what_was_given_to_the_room_is_not_posted_there(
        self, house: House, mara: FlaskClient, dm: UUID
    ) -> None:
        file_id = give(mara, house.thread.id).get_json()["id"]
        said = {"content": "", "client_id": "a", "attachments": [file_id]}

        assert fields(mara.post(f"/api/threads/{dm}/messages", json=said)) == ["attachments"]


class TestTakingBack:
    def test_what_was_not_posted_goes_at_once(
        self, house: House, mara: FlaskClient, jonas: FlaskClient, db: SQLAlchemy
    ) -> None:
        address = f"/api/attachments/{give(mara, house.thread.id).get_json()['id']}"

        assert jonas.delete(address).status_code == 404
        assert [mara.delete(address).status_code for _ in range(2)] == [204, 404]
        assert db.session.scalars(select(Attachment)).all() == []

    def test_what_a_message_has_goes_with_it_alone(self, house: House, mara: FlaskClient) -> None:
        address = given(mara, house)

        assert mara.delete(address).status_code == 409
        assert mara.get(address).status_code == 200


def shown(house: House, client: FlaskClient, message_id: str) -> str:
    messages = client.get(f"/api/threads/{house.thread.id}/messages").get_json()["messages"]
    return str(next(one["html"] for one in messages if one["id"] == message_id))
