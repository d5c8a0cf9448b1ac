"""What a command prints: told in pieces as it comes, its head and tail kept, in bounded memory."""

import codecs
from collections.abc import Awaitable, Callable

from agents.quoting import storable
from agents.shell.limits import Limits

OnOutput = Callable[[str], Awaitable[None]]

HEAD, TAIL = 12_000, 3_500
"""Bytes that are kept; together they fit into what a tool may answer."""


class Output:
    """Bytes in any cut go in; whole characters come out, until the limit, and then a mark once."""

    def __init__(self, limits: Limits, on_output: OnOutput | None) -> None:
        self._limits, self._on_output = limits, on_output
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._head, self._tail = bytearray(), bytearray()
        self.printed = 0

    @property
    def cut(self) -> bool:
        return self.printed > self._limits.output

    @property
    def flooded(self) -> bool:
        return self.printed > self._limits.drained

    async def take(self, chunk: bytes) -> None:
        """Keep what is kept and tell what is told; the command waits for whoever is told."""
        room, was_cut = self._limits.output - self.printed, self.cut
        self.keep(chunk)
        if room > 0:
            await self._tell(self._decoder.decode(chunk[:room]))
        if self.cut and not was_cut:
            await self._tell(f"\n[output cut after {self._limits.output} bytes]\n")

    async def end(self) -> None:
        """Tell what was left of a character that never became whole."""
        if not self.cut:
            await self._tell(self._decoder.decode(b"", final=True))

    def text(self) -> str:
        """Head and tail of all of it, with a mark of what is between them."""
        if self.printed <= HEAD + TAIL:
            return _text(self._head)
        left_out = self.printed - HEAD - TAIL
        return f"{_text(self._head[:HEAD])}\n[… {left_out} bytes left out …]\n{_text(self._tail)}"

    def keep(self, chunk: bytes) -> None:
        """Count it, and keep of it what is kept."""
        self.printed += len(chunk)
        self._head += chunk[: max(0, HEAD + TAIL - len(self._head))]
        self._tail += chunk[-TAIL:]
        del self._tail[:-TAIL]

    async def _tell(self, text: str) -> None:
        if self._on_output and (text := storable(text)):
            await self._on_output(text)


def _text(part: bytearray) -> str:
    return storable(part.decode("utf-8", "replace"))
