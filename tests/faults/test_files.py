"""A web process that dies between a file and its message: the file waits, and is posted once."""

from uuid import UUID, uuid4

import httpx2
import pytest
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import func, select

from models import Attachment, AttachmentPiece, Message
from models.session import UserSession
from tests import factories
from tests.support.live import Live
from tests.support.processes import wait_until
from webapp.csrf import token_for


@pytest.mark.usefixtures("each_round")
@pytest.mark.parametrize("point", ["post.before_commit", "post.after_commit"])
def test_a_file_is_posted_once_when_web_dies_at_its_message(live: Live, db: SQLAlchemy, point: str) -> None:
    project = factories.project()
    thread_id, mara = project.room.id, factories.member(project, "member")
    _, secret = UserSession.start(mara, "127.0.0.1", "pytest")
    db.session.commit()
    headers = {"Cookie": f"tr_sid={secret}", "X-CSRF-Token": token_for(secret)}
    file_id = uuid4()
    file = f"{live.url}/api/threads/{thread_id}/attachments/{file_id}?name=a.bin"
    messages = f"{live.url}/api/threads/{thread_id}/messages"
    said = {"content": "", "client_id": "a", "attachments": [str(file_id)]}
    live.start("web", CRASHPOINT=point)
    live.wait_web()
    assert httpx2.put(file, content=b"x" * 300_000, headers=headers).status_code == 200

    with pytest.raises(httpx2.TransportError):
        httpx2.post(messages, json=said, headers=headers)
    wait_until(lambda: not live.web.alive, 10, "the death of web")
    live.start("web")
    live.wait_web()

    assert httpx2.put(file, content=b"x" * 300_000, headers=headers).status_code == 200
    answer = httpx2.post(messages, json=said, headers=headers)
    assert answer.status_code == (201 if point == "post.before_commit" else 200)
    got = httpx2.get(f"{live.url}/api/attachments/{file_id}", headers=headers)
    assert got.content == b"x" * 300_000
    assert [message.id for message in db.session.scalars(select(Message))] == [UUID(answer.json()["id"])]
    assert db.session.scalar(select(Attachment.message_id)) == UUID(answer.json()["id"])
    assert db.session.scalar(select(func.count()).select_from(AttachmentPiece)) == 2
