"""Where a turn tells what it is doing while it runs."""

from typing import Literal, Protocol

StatusKind = Literal["thinking", "tool", "writing"]


class Sink(Protocol):
    """Called on the event loop, so it must not block; joins deltas by itself (see coalescer).

    All deltas joined, minus what resets took back, are exactly the text of the outcome.
    """

    def text(self, delta: str) -> None: ...

    def status(self, kind: StatusKind, detail: str) -> None:
        """What happens now; detail is the tool's name, or why it takes longer."""

    def reset(self, offset: int) -> None:
        """Forget the text from this offset on: the call that wrote it is tried again."""
