"""The limit of the posting benchmark: the web process as it is served, without the database on the path.

Who asks is remembered from the first request, the thread is known, and instead of committing a batch of
posts it numbers them in memory. Everything else is the product's: HTTP, checks, markdown, JSON, and the
packet with the rendered partials for every open page.
"""

# ruff: noqa: I001
import wsgi  # patches the standard library, so it comes first

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from models.base import db
from models.errors import DomainError
from models.message import Message
from models.posting import _message_of
from models.thread import Thread
from realtime.registry import PUBLISHED
from realtime.server import Server, attach
from webapp import create_app
from webapp.batching import Gate
from webapp.gate import Post

T = TypeVar("T")


def remembering(find: Callable[[Any], T]) -> Callable[[Any], T]:
    known: dict[Any, T] = {}

    def remembered(key: Any) -> T:
        if key not in known:
            known[key] = find(key)
        return known[key]

    return remembered


class Memory:
    """Stands in for the database and the pump: what was posted is numbered, and sent soon afterwards."""

    def __init__(self, server: Server, app: Any) -> None:
        self._server, self._app = server, app
        self._thread = remembering(lambda thread_id: db.session.get_one(Thread, thread_id))
        self._seq = 0
        self._sent = 0
        self._waiting: list[Message] = []
        self._bell = threading.Event()

    def write(self, posts: Sequence[Post]) -> list[Message | DomainError]:
        messages: list[Message | DomainError] = []
        for post in posts:
            self._seq += 1
            message = _message_of(self._thread(post.thread_id), post.draft, [])
            message.seq = self._seq
            self._waiting.append(message)
            messages.append(message)
        self._bell.set()
        return messages

    def send(self) -> None:
        published = PUBLISHED["project_chat_messages"]
        while True:
            self._bell.wait()
            self._bell.clear()
            waiting, self._waiting = self._waiting, []
            with self._app.app_context():
                items = [self._item(published, message) for message in waiting]
            if items:
                stream = f"project:{waiting[0].project_id}"
                packet = {"stream": stream, "from": self._sent, "to": items[-1]["seq"], "items": items}
                self._sent = items[-1]["seq"]
                self._server.emit("changes", packet, stream)
            time.sleep(0)

    @staticmethod
    def _item(published: Any, message: Message) -> dict[str, Any]:
        said = {"table": published.table, "op": "insert", "id": str(message.id), "seq": message.seq}
        return {**said, "row": published.row(message), "html": published.html(message)}


def main() -> None:
    app = create_app()
    attach(app, "eventlet")
    memory = Memory(app.extensions["realtime"], app)
    app.extensions["gate"] = Gate(memory.write)
    threading.Thread(target=memory.send, daemon=True).start()
    wsgi.serve(app)


if __name__ == "__main__":
    main()
