"""The files of a workspace as an audit sees them: walked through once, within limits, through no link."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from agents.tools.text_files import lines_of, text_of
from models.errors import Invalid
from models.workspace import LARGEST, Entry, Workspace

MOST_FILES = 20_000
MOST_BYTES = 16 << 20
"""Of text that is read."""
DEEPEST = 30
ASIDE = {".git", ".hg", ".svn", "node_modules", ".venv", "venv", "__pycache__", ".tox", ".mypy_cache"}
"""Folders of what others wrote, or programs made."""


@dataclass(frozen=True)
class TextFile:
    path: str
    lines: list[str]


class Folder:
    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self.whole = True
        """Whether everything there was walked through, and read."""

    @cached_property
    def all(self) -> dict[str, Entry]:
        """Files and folders by path."""
        found: dict[str, Entry] = {}
        for path, entry in self._below("", 0):
            if len(found) >= MOST_FILES:
                self.whole = False
                break
            found[path] = entry
        return found

    @cached_property
    def files(self) -> dict[str, Entry]:
        return {path: entry for path, entry in self.all.items() if entry.kind == "file"}

    @cached_property
    def texts(self) -> list[TextFile]:
        """What can be read as text."""
        found, left = [], MOST_BYTES
        for path, entry in self.files.items():
            if entry.size > LARGEST:
                continue
            left -= entry.size
            if left < 0:
                self.whole = False
                break
            if (lines := self.lines(path)) is not None:
                found.append(TextFile(path, lines))
        return found

    def lines(self, path: str) -> list[str] | None:
        """None for what is no text, or cannot be read."""
        try:
            text = text_of(self._workspace.read(path) or b"")
        except (Invalid, OSError):
            return None
        return None if text is None else lines_of(text)

    def ending(self, *ends: str) -> list[TextFile]:
        return [file for file in self.texts if file.path.lower().endswith(ends)]

    def text(self, path: str) -> str | None:
        """Of a file that is there, and is text."""
        lines = self.lines(path) if path in self.files else None
        return None if lines is None else "\n".join(lines)

    def _below(self, folder: str, depth: int) -> Iterator[tuple[str, Entry]]:
        try:
            entries = self._workspace.entries(folder)
        except (Invalid, OSError):
            self.whole = False
            return
        for entry in entries:
            path = f"{folder}/{entry.name}" if folder else entry.name
            yield path, entry
            if entry.kind == "folder" and entry.name not in ASIDE:
                if depth < DEEPEST:
                    yield from self._below(path, depth + 1)
                else:
                    self.whole = False
