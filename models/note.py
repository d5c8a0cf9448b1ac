"""What somebody adds to a task's timeline: checked and rendered before the transaction, which is short."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from models.actions.file_write import clean_path
from models.actions.url import clean_link
from models.markup import render
from models.message import LONGEST
from models.task_event import TaskEvent
from models.text import clean, clean_name, invalid

OUTPUTS = ("file", "link", "text")
LONGEST_TITLE = 200
LONGEST_PATH = 1000


@dataclass(frozen=True)
class Note:
    """`html` is `content` rendered, or of an output the text."""

    event_type: str
    content: str
    client_id: str | None
    html: str = ""
    text: str = ""
    meta: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def words(cls, event_type: str, content: object, client_id: object) -> Note:
        """A comment, or what an agent does now, as Markdown. Invalid names the field."""
        said = clean(content, "content", longest=LONGEST)
        return cls(event_type, said, _client_id(client_id), render(said).html)

    @classmethod
    def output(cls, title: object, meta: dict[str, Any], text: object, client_id: object) -> Note:
        """A file of the workspace, an address, or a text, whose title is `content` (DETAILS.md).

        `meta` is exactly output_type, storage_path and link_url. Invalid names the field.
        """
        name = clean_name(title, "content", longest=LONGEST_TITLE)
        kind, path, link = meta["output_type"], meta["storage_path"], meta["link_url"]
        for is_kind, value, where in (
            ("file", path, "metadata.storage_path"),
            ("link", link, "metadata.link_url"),
            ("text", text, "text"),
        ):
            if kind != is_kind and value:
                raise invalid(where, f"belongs to an output that is a {is_kind}, and to no other")
        if kind == "file":
            path = clean_name(path, "metadata.storage_path", longest=LONGEST_PATH)
            path = _checked(shown_path, path, "metadata.storage_path")
        elif kind == "link":
            link = _checked(clean_link, link, "metadata.link_url")
        said = clean(text, "text", longest=LONGEST) if kind == "text" else ""
        meta = {"output_type": kind, "storage_path": path or None, "link_url": link or None}
        return cls("output_added", name, _client_id(client_id), render(said).html if said else "", said, meta)

    def said_in(self, event: TaskEvent) -> bool:
        """Whether this event is what the note became; what a proposal asks for, is compared by Proposal."""
        same = (self.event_type, self.content, self.text) == (event.event_type, event.content, event.text)
        return same and (event.asks or self.meta == event.meta)


def shown_path(path: str) -> str:
    """The path of a file that people may be shown; ValueError for any other."""
    if any(part.startswith(".") for part in clean_path(path).split("/")):
        raise ValueError("must not be hidden: such files hold settings and secrets")
    return path


def _checked(check: Callable[[Any], str], value: object, where: str) -> str:
    try:
        return check(value)
    except ValueError as error:
        raise invalid(where, str(error)) from None


def _client_id(value: object) -> str | None:
    return None if value is None else clean(value, "client_id", longest=64)
