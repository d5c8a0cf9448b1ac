"""The text files of a workspace as tools read and write them; what cannot be done is said of the field."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, TypeVar

from pydantic import Field

from agents.errors import ToolFailed
from agents.tools.tool import ToolContext
from models.errors import Conflict, Invalid
from models.workspace import Unsure, Workspace, digest_of

AROUND = 3
"""Lines that are shown before and after a change."""
LINE = 500
"""Characters of one line that are shown."""

FilePath = Annotated[
    str, Field(min_length=1, max_length=1000, description="In the workspace, with / between folders")
]
T = TypeVar("T")


async def in_workspace(context: ToolContext, work: Callable[[Workspace], T]) -> T:
    """Do it in a thread, and say what failed in words."""
    if context.workspace is None:
        raise ToolFailed("There is no workspace here.")
    try:
        return await asyncio.to_thread(work, context.workspace)
    except Invalid as error:
        raise ToolFailed(f"path: {'; '.join(error.fields.get('path', [str(error)]))}.") from None
    except Conflict as error:
        raise ToolFailed(f"path: {error}.") from None
    except Unsure as error:
        raise ToolFailed(f"path: it is written, but the disk did not confirm it ({error}).") from None
    except OSError as error:
        raise ToolFailed(f"path: {error.strerror}.") from None


@dataclass(frozen=True)
class TextFile:
    """A file as it was read, with the digest that it must still have when it is written."""

    path: str
    text: str
    digest: str

    @classmethod
    def read(cls, workspace: Workspace, path: str) -> "TextFile":
        content = workspace.read(path)
        if content is None:
            raise ToolFailed(f"path: there is no file {path!r}.")
        text = text_of(content)
        if text is None:
            raise ToolFailed("path: is a binary file, or is not written in UTF-8.")
        return cls(path, text, digest_of(content))

    def become(self, workspace: Workspace, text: str) -> None:
        workspace.write(self.path, text.encode(), self.digest)


def text_of(content: bytes) -> str | None:
    """None for what is no text."""
    if b"\0" in content:
        return None
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None


def lines_of(text: str) -> list[str]:
    """As editors count them: what follows the last line's end is no line."""
    return text.removesuffix("\n").split("\n") if text else []


def numbered(text: str, first: int, last: int) -> str:
    """These lines with their numbers, from 1; a long one is cut."""
    lines = lines_of(text)
    shown = range(max(1, first), min(last, len(lines)) + 1)
    return "\n".join(f"{number:>6}\t{_short(lines[number - 1])}" for number in shown)


def around(text: str, first: int, last: int) -> str:
    """What stands there now, where it was changed."""
    return numbered(text, first - AROUND, min(last, first + 4 * AROUND) + AROUND)


def _short(line: str) -> str:
    return line if len(line) <= LINE else f"{line[:LINE]} [… {len(line) - LINE} characters left out …]"
