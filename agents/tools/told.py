"""Messages as tools tell them: one JSON line each, which no content can break out of."""

import json
from collections.abc import Sequence

from agents.authors import Authors
from agents.quoting import capped
from models.message import Message

ONE_MESSAGE = 1_000
ONE_TAIL = 200


def messages_told(messages: Sequence[Message], about: str = "") -> str:
    """The messages in the given order; a long one is shown around the words it is about."""
    if not messages:
        return ""
    authors = Authors(messages[0].project_id)
    authors.meet(messages)
    return "\n".join(
        json.dumps(
            {
                "number": message.seq,
                "thread": message.thread.title,
                "time": f"{message.created_at:%Y-%m-%d %H:%M} UTC",
                "author": authors.of(message),
                "text": _excerpt(message.told, about),
            },
            ensure_ascii=False,
        )
        for message in messages
    )


def _excerpt(text: str, about: str) -> str:
    place = text.lower().find(about.lower()) if about else -1
    if place > ONE_MESSAGE:
        start = place - ONE_MESSAGE // 2
        text = f"[… {start} characters left out …]{text[start:]}"
    return capped(text, ONE_MESSAGE, ONE_TAIL)
