"""One answer while it is written: what the loop tells of it, and what pages and the database are told."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Literal

from agents.coalescer import Coalescer
from agents.sink import StatusKind
from models.crashpoint import crashpoint
from queues.deliveries import Claimed, Doing

SAVED_EVERY = 1.0
"""Seconds between two savings of a growing text."""

Publish = Callable[[str, dict[str, Any]], None]
Why = Literal["stopped", "lost", "drained"]


class Answering:
    """The sink of one turn. Lives on the event loop; `nudge` says that its status moved."""

    def __init__(self, claimed: Claimed, publish: Publish, nudge: Callable[[], None]) -> None:
        self.claimed = claimed
        self.why: Why | None = None
        self.task: asyncio.Task[None] | None = None
        self._ending = False
        self._publish, self._nudge = publish, nudge
        self._coalescer = Coalescer(self._emit)
        self._parts: list[str] = []
        self._doing: tuple[str, str] = ("thinking", "")
        self._said = ("", "")
        self._moved = False
        self._saved_at = 0.0

    def text(self, delta: str) -> None:
        first = not self._parts
        self._parts.append(delta)
        self._moved = True
        self._coalescer.text(delta)
        if first:  # the first words are waited for; the later ones may be joined
            self._coalescer.flush()

    def status(self, kind: StatusKind, detail: str) -> None:
        self._coalescer.flush()
        self._moved = True
        doing = (kind, f"using {detail}" if kind == "tool" else detail)
        if doing != self._doing:
            self._doing = doing
            self.show()
            self._nudge()

    def reset(self, offset: int) -> None:
        """The text from here on is taken back: pages begin anew with what is left of it."""
        self._parts = [self.written[:offset]]
        self._moved = True
        self._coalescer.reset(offset)
        self._emit(0, self.written, reset=True)

    @property
    def written(self) -> str:
        return "".join(self._parts)

    def unsaved(self) -> str | None:
        """The text to save now, if anything moved and the last saving was long enough ago."""
        now = time.monotonic()
        if not self._moved or now - self._saved_at < SAVED_EVERY:
            return None
        self._moved, self._saved_at = False, now
        return self.written

    def unsaid(self) -> Doing | None:
        """What it does now, if that was not said yet."""
        if self._doing == self._said:
            return None
        self._said = self._doing
        return Doing(self.claimed, *self._doing)

    def say_again(self) -> None:
        """What was handed out for saving was not saved."""
        self._moved, self._saved_at, self._said = True, 0.0, ("", "")

    def cancel(self, why: Why) -> None:
        """End it early; the first reason counts, and one that is ending anyway ends as it does."""
        if self.why is None and not self._ending and self.task is not None:
            self.why = why
            self.task.cancel()

    def end(self) -> None:
        """Nothing more is written."""
        self._ending = True
        self._coalescer.flush()

    def show(self) -> None:
        """Tell the open pages at once what the agent does; its line on the roster follows."""
        show(self._publish, self.claimed, *self._doing)

    def _emit(self, offset: int, text: str, reset: bool = False) -> None:
        crashpoint("delta.before")
        claimed = self.claimed
        self._publish(
            "delta",
            {
                "stream": claimed.stream,
                "project_id": str(claimed.project_id),
                "thread_id": str(claimed.thread_id),
                "message_id": str(claimed.reply_id),
                "delivery_id": str(claimed.id),
                "agent": claimed.agent_key,
                "attempt": claimed.attempt,
                "offset": offset,
                "text": text,
                **({"reset": True} if reset else {}),
            },
        )


def show(publish: Publish, claimed: Claimed, status: str, activity: str = "") -> None:
    """Tell the open pages of the project what an agent does now; of a conversation, not more than that."""
    if claimed.private:
        activity = ""
    said = {"project_id": str(claimed.project_id), "agent": claimed.agent_key}
    tool = {"tool": activity.removeprefix("using ")} if status == "tool" and activity else {}
    publish("agent", {**said, "status": status, "activity": activity, **tool})
