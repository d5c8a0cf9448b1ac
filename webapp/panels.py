"""A conversation as a page shows it: the room, or one of the panels of the DMs page."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from flask import request

from models.thread import Thread
from webapp import shown
from webapp.kept import Place
from webapp.schemas import LAST_SEQ


@dataclass(frozen=True)
class Panel:
    """What templates/room/_panel.html shows."""

    thread_id: UUID
    read_seq: int
    path: str
    """Where a link to one of its messages leads, which names the message as the parameter `around`."""
    last_seq: int = 0
    paused_at: datetime | None = None
    messages: list[dict[str, Any]] = field(default_factory=list)
    has_before: bool = False
    has_after: bool = False
    anchor_seq: int | None = None
    agent: dict[str, Any] | None = None
    """The agent of a conversation, as on the roster; None for the room."""
    side: str = ""
    """Which of several on a page it is: a part of the ids inside."""
    around: str = "around"
    """The parameter of the page's address that says where it stands."""

    @classmethod
    def of(cls, thread: Thread, read_seq: int, place: Place, path: str, **more: Any) -> Panel:
        """The newest messages, or those around the seq that the address names."""
        anchor = anchored(more.get("around", "around"))
        found = shown.messages(thread, around=anchor, place=place)
        return cls(
            thread.id,
            read_seq,
            path,
            last_seq=thread.last_seq,
            paused_at=thread.paused_at,
            messages=found.messages,
            has_before=found.has_before,
            has_after=found.has_after,
            anchor_seq=anchor,
            **more,
        )


def anchored(parameter: str) -> int | None:
    """The seq in the address; what is none asks for the newest."""
    text = request.args.get(parameter, "")
    return min(int(text), LAST_SEQ) if text.isdecimal() and len(text) < 20 else None
