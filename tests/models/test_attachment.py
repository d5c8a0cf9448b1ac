"""Files of messages: theirs whose they are, once, and gone when their time is up."""

import io
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event, func, select, update

from models import Attachment, AttachmentPiece, Delivery, Draft, Message, Task, Thread, db
from models.attachment import PIECE, Received
from models.base import new_id, utcnow
from models.errors import Conflict, DiskFull, DomainError, Invalid, TooLarge
from models.posting import post, post_all
from queues import pruning
from tests import factories
from tests.models.conftest import Room

LONG = bytes(range(256)) * (5 * PIECE // 512)
"""Two pieces and a half."""


def pieces() -> int:
    return db.session.scalar(select(func.count()).select_from(AttachmentPiece)) or 0


def bytes_of(file_id: UUID) -> bytes:
    query = select(AttachmentPiece.content).where(AttachmentPiece.attachment_id == file_id)
    return b"".join(db.session.scalars(query.order_by(AttachmentPiece.place)))


def received(data: bytes = b"x", name: str = "notes.txt") -> Any:
    return Received.read(name, io.BytesIO(data), 10 << 20)


class TestKeeping:
    def test_the_bytes_are_kept_in_pieces_and_told_as_they_are(self, room: Room) -> None:
        kept = db.session.get_one(Attachment, factories.attachment(room.thread, room.mara, "a.bin", LONG))

        assert bytes_of(kept.id) == LONG
        assert pieces() == 3
        assert AttachmentPiece.at(kept.id, 2) == LONG[2 * PIECE :]
        assert AttachmentPiece.at(kept.id, 3) is None
        assert kept.said == {
            "id": str(kept.id),
            "name": "a.bin",
            "size": len(LONG),
            "media_type": "application/octet-stream",
        }

    def test_an_image_says_its_size(self, room: Room) -> None:
        kept = db.session.get_one(
            Attachment, factories.attachment(room.thread, room.mara, "a.txt", factories.PNG)
        )

        assert (kept.media_type, kept.width, kept.height) == ("image/png", 1, 1)

    def test_a_stream_that_gives_little_at_a_time_is_the_same_file(self, room: Room) -> None:
        class Slow(io.BytesIO):
            def read(self, size: int | None = -1) -> bytes:
                return super().read(min(size or 0, 7))

        with Received.read("a.png", Slow(factories.PNG), 1000) as file:
            assert (file.size, file.image and file.image.media_type) == (len(factories.PNG), "image/png")

    def test_a_repeat_gives_the_first_and_another_file_under_its_id_is_refused(self, room: Room) -> None:
        file_id = new_id()
        with received(b"one") as file:
            first = Attachment.keep(file_id, room.thread, room.mara, file, 1000)
        with received(b"one") as file:
            assert Attachment.keep(file_id, room.thread, room.mara, file, 1000) is first
        for by, data in ((room.mara, b"two"), (room.jonas, b"one")):
            with received(data) as file, pytest.raises(Conflict) as refused:
                Attachment.keep(file_id, room.thread, by, file, 1000)
            assert "attachment_id" in refused.value.fields
        assert pieces() == 1

    @pytest.mark.parametrize(
        ("name", "data", "field", "kind"),
        [
            ("", b"x", "name", Invalid),
            ("a\0b", b"x", "name", Invalid),
            ("a\nb", b"x", "name", Invalid),
            ("gpj.\u202eexe", b"x", "name", Invalid),
            ("x" * 201, b"x", "name", Invalid),
            ("a", b"", "file", Invalid),
            ("a", b"x" * 101, "file", TooLarge),
        ],
    )
    def test_what_is_wrong_is_named(
        self, name: str, data: bytes, field: str, kind: type[DomainError]
    ) -> None:
        with pytest.raises(kind) as refused, Received.read(name, io.BytesIO(data), 100):
            pass

        assert list(refused.value.fields) == [field]

    def test_a_project_takes_so_much(self, room: Room) -> None:
        factories.attachment(room.thread, room.mara, data=b"x" * 60)
        with received(b"x" * 41) as file, pytest.raises(Invalid) as refused:
            Attachment.keep(new_id(), room.thread, room.mara, file, 100)

        assert "file" in refused.value.fields
        with received(b"x" * 40) as file:
            Attachment.keep(new_id(), room.thread, room.mara, file, 100)

    @pytest.mark.databases("sqlite")
    def test_where_there_is_no_room_for_it_meanwhile_it_says_so(self, monkeypatch: Any) -> None:
        def full(*_: Any) -> int:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("models.attachment.SpooledTemporaryFile.write", full)

        with pytest.raises(DiskFull), received():
            pass


class TestPosting:
    def test_a_message_takes_its_files_in_order_and_needs_no_words(self, room: Room) -> None:
        one, two = (factories.attachment(room.thread, room.mara, f"{n}.txt") for n in "12")

        said = room.say("", attachments=[two, one])
        db.session.commit()

        assert [file["name"] for file in said.files] == ["2.txt", "1.txt"]
        assert said.excerpt == "2.txt, 1.txt"
        assert set(db.session.scalars(select(Attachment.message_id))) == {said.id}

    def test_without_words_and_files_there_is_nothing_to_say(self, room: Room) -> None:
        with pytest.raises(Invalid):
            room.say("")

    def test_a_file_named_twice_is_there_once(self, room: Room) -> None:
        one = factories.attachment(room.thread, room.mara)

        assert len(room.say("", attachments=[one, one]).files) == 1

    @pytest.mark.parametrize("whose", ["another's", "elsewhere", "posted", "nobody's", "an agent's"])
    def test_only_ones_own_unposted_file_of_this_thread(self, room: Room, whose: str) -> None:
        elsewhere = Thread.dm(room.project.id, room.mara.id, "bulma")
        mine = factories.attachment(room.thread, room.mara)
        posted = factories.attachment(room.thread, room.mara)
        room.say("before", attachments=[posted])
        file_id = {
            "another's": factories.attachment(room.thread, room.jonas),
            "elsewhere": factories.attachment(elsewhere, room.mara),
            "posted": posted,
            "nobody's": new_id(),
            "an agent's": mine,
        }[whose]
        by = (None, "bulma") if whose == "an agent's" else (room.mara.id, None)
        draft = Draft.of(by[0], "look", "c", agent_key=by[1], attachments=[mine, file_id])
        last = room.thread.last_seq

        with pytest.raises(Invalid) as refused:
            post(room.thread, draft)

        assert list(refused.value.fields) == ["attachments"]
        assert room.thread.last_seq == last
        assert db.session.get_one(Attachment, mine).message_id is None

    def test_of_two_messages_in_one_transaction_the_first_has_it(self, room: Room) -> None:
        one = factories.attachment(room.thread, room.mara)
        drafts = [Draft.of(room.mara.id, "", key, attachments=[one]) for key in "ab"]

        first, second = post_all(room.thread, drafts)

        assert isinstance(first, Message)
        assert isinstance(second, Invalid)

    def test_a_repeat_is_the_same_only_with_the_same_files(self, room: Room) -> None:
        one, two = (factories.attachment(room.thread, room.mara) for _ in "12")
        said = room.say("look", client_id="c", attachments=[one])

        assert room.say("look", client_id="c", attachments=[one]) is said
        for others in ([two], [one, two], []):
            with pytest.raises(Conflict):
                room.say("look", client_id="c", attachments=others)
        said.delete(room.mara)
        assert room.say("look", client_id="c", attachments=[one]) is said

    def test_an_edit_keeps_them_and_may_take_the_words_away(self, room: Room) -> None:
        said = room.say("look", attachments=[factories.attachment(room.thread, room.mara)])

        said.edit(room.mara, "")

        assert said.content == ""
        assert len(said.files) == 1

    def test_with_the_message_they_go(self, room: Room) -> None:
        kept = factories.attachment(room.thread, room.mara)
        said = room.say("look", attachments=[factories.attachment(room.thread, room.mara, data=LONG)])
        room.say("mine", attachments=[kept])
        db.session.commit()

        said.delete(room.mara)
        db.session.commit()

        assert said.files == []
        assert list(db.session.scalars(select(Attachment.id))) == [kept]
        assert pieces() == 1

    def test_messages_are_read_without_bytes_and_without_asking_for_files(self, room: Room) -> None:
        room.say("look", attachments=[factories.attachment(room.thread, room.mara)])
        db.session.commit()
        db.session.expire_all()
        asked: list[str] = []
        listen = lambda *said: asked.append(said[2])  # noqa: E731
        event.listen(db.engine, "before_cursor_execute", listen)

        [said] = Message.page(room.thread.id)
        names = said.file_names

        event.remove(db.engine, "before_cursor_execute", listen)
        assert names == "notes.txt"
        assert not [statement for statement in asked if "attachment" in statement]

    def test_what_was_said_by_files_alone_can_become_a_task(self, room: Room) -> None:
        said = room.say("", attachments=[factories.attachment(room.thread, room.mara, data=b"x" * 20_480)])

        task = Task.promote(said, room.mara)

        assert (task.title, task.description) == ("notes.txt", "[file: notes.txt, 20 KB]")

    def test_an_agent_hears_of_a_message_without_words(self, room: Room) -> None:
        room.say("", attachments=[factories.attachment(room.thread, room.mara)], deliver_to="bulma")

        assert [one.target_agent_key for one in db.session.scalars(select(Delivery))] == ["bulma"]


class TestUnposted:
    def age(self, file_id: UUID, hours: float) -> None:
        long_ago = utcnow() - timedelta(hours=hours)
        db.session.execute(update(Attachment).where(Attachment.id == file_id).values(created_at=long_ago))
        db.session.commit()

    def test_after_a_day_it_is_gone_and_what_was_posted_stays(self, room: Room) -> None:
        old, young, posted = (factories.attachment(room.thread, room.mara) for _ in "123")
        room.say("look", attachments=[posted])
        for file_id, hours in ((old, 25), (young, 23), (posted, 1000)):
            self.age(file_id, hours)

        assert pruning.prune_files(utcnow()) == 1

        assert set(db.session.scalars(select(Attachment.id))) == {young, posted}
        assert pieces() == 2
        assert pruning.prune_files(utcnow()) == 0

    def test_a_message_that_comes_after_is_told_so(self, room: Room) -> None:
        old = factories.attachment(room.thread, room.mara)
        self.age(old, 25)
        pruning.prune_files(utcnow())

        with pytest.raises(Invalid) as refused:
            room.say("look", attachments=[old])

        assert "attachments" in refused.value.fields
