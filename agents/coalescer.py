"""Joins the small deltas of an answer into a few larger ones, with their offset in the text."""

import asyncio
from collections.abc import Callable

Emit = Callable[[int, str], None]


class Coalescer:
    """Emits (offset, text) after `seconds` or `characters`, whichever comes first.

    A reset drops what was not emitted; the next text then starts at the offset it names.
    """

    def __init__(self, emit: Emit, seconds: float = 0.05, characters: int = 600) -> None:
        self._emit = emit
        self._seconds = seconds
        self._characters = characters
        self._waiting: list[str] = []
        self._length = 0
        self._timer: asyncio.TimerHandle | None = None
        self.offset = 0

    def text(self, delta: str) -> None:
        self._waiting.append(delta)
        self._length += len(delta)
        if self._length >= self._characters:
            self.flush()
        elif self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._seconds, self.flush)

    def flush(self) -> None:
        """Emit what waits; call it before anything else is told, so that order is kept."""
        text = self._take()
        if text:
            offset, self.offset = self.offset, self.offset + len(text)
            self._emit(offset, text)

    def reset(self, offset: int) -> None:
        self._take()
        self.offset = offset

    def _take(self) -> str:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        text = "".join(self._waiting)
        self._waiting.clear()
        self._length = 0
        return text
