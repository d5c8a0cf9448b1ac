"""Finds the folders of skills, and reads each whole, within limits, through no link."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from models.errors import Invalid
from models.hidden import made_visible
from models.text import told
from models.workspace import Workspace, digest_of

Source = Literal["shipped", "project"]

ROOT = Path(__file__).resolve().parents[1]
FOLDER = "skills"
"""In which both kinds lie: of this repository, and of a workspace."""
MANIFESTS = ("SKILL.md", "skill.md")
DEEPEST = 6
"""Folders inside each other, above a skill and in it."""
LONGEST_PATH = 400
"""Bytes of the path of a skill's folder."""
MOST_SKILLS = 200
MOST_FOLDERS = 1000
"""Folders that are looked into for skills."""
MOST_FILES = 256
"""Files of a skill, and folders in it."""
MOST_BYTES = 8 << 20
"""Bytes of all files of a skill."""
MOST_BYTES_OF_ALL = 64 << 20
"""Bytes of all skills of one root: a workspace must not keep the executor busy."""
REVISION = b"teamroom/skill/v1\n"


class TooMuch(Exception):
    """The folder is past a limit, so that its revision cannot be told; the text says which."""


@dataclass
class SkillFolder:
    """One folder with a SKILL.md. `problem` says why it could not be read whole."""

    source: Source
    path: str
    name: str
    manifest: bytes = b""
    revision: str = ""
    problem: str = ""
    warnings: list[str] = field(default_factory=list)


class Reader:
    """Reads the skills below `root` of a workspace."""

    def __init__(self, source: Source, space: Workspace, root: str) -> None:
        self._source: Source = source
        self._space = space
        self._root = root
        self._left = MOST_BYTES_OF_ALL
        self._looked = self._inside = 0
        self.warnings: list[str] = []
        """Of what is about no single skill."""

    def skills(self) -> list[SkillFolder]:
        """Every skill by its path; a folder with a SKILL.md is one, and nothing in it is another."""
        try:
            return [self._read(path, manifest) for path, manifest in self._found()]
        except TooMuch as limit:
            self.warnings.append(str(limit))
        except (Invalid, OSError) as error:
            self.warnings.append(f"{_shown(self._root)} cannot be read: {_why(error)}")
        return []

    def whole(self) -> SkillFolder | None:
        """The skill whose folder `root` is; None where none is there, or it cannot be read."""
        try:
            files = {entry.name for entry in self._space.entries(self._root) if entry.kind == "file"}
        except (Invalid, OSError):
            return None
        manifest = next((name for name in MANIFESTS if name in files), None)
        folder = self._read(self._root, manifest) if manifest is not None else None
        return folder if folder is not None and not folder.problem else None

    def _found(self) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        for one in self._search(self._root, 0):
            if len(found) == MOST_SKILLS:
                self.warnings.append(f"{_shown(self._root)} has more than {MOST_SKILLS} skills: "
                                     "the others are not read")  # fmt: skip
                break
            found.append(one)
        return found

    def _search(self, path: str, depth: int) -> Iterator[tuple[str, str]]:
        """The folders of skills below a path, each with the name of its manifest."""
        self._looked += 1
        if self._looked > MOST_FOLDERS:
            raise TooMuch(f"{_shown(self._root)} has more than {MOST_FOLDERS} folders: none is read")
        entries = self._space.entries(path)
        files = {entry.name for entry in entries if entry.kind == "file"}
        manifest = next((name for name in MANIFESTS if name in files), None)
        if manifest is not None and depth:
            yield path, manifest
            return
        for entry in entries:
            if len(os.fsencode(f"{path}/{entry.name}")) > LONGEST_PATH:
                self.warnings.append(f"{_shown(f'{path}/{entry.name}')} has too long a path: left out")
            elif entry.kind == "folder" and not entry.name.startswith(".") and depth < DEEPEST:
                yield from self._search(f"{path}/{entry.name}", depth + 1)
            elif entry.kind == "other":
                self.warnings.append(f"{_shown(f'{path}/{entry.name}')} is a link or no plain file: left out")

    def _read(self, path: str, manifest: str) -> SkillFolder:
        skill = SkillFolder(self._source, path, path.rpartition("/")[2])
        try:
            skill.revision = self._revision(skill, manifest)
        except TooMuch as limit:
            skill.problem = str(limit)
        except (Invalid, OSError) as error:
            skill.problem = f"It cannot be read: {_why(error)}"
        return skill

    def _revision(self, skill: SkillFolder, manifest: str) -> str:
        """SHA-256 over every file's path, mode and content: one byte changed is another revision.

        What is no plain file counts by its path and is never opened.
        """
        sealed, size, self._inside = hashlib.sha256(REVISION), 0, 0
        for name, kind in self._files(skill.path, "", 1):
            if kind == "other":
                skill.warnings.append(f"{_shown(name)} is a link or no plain file: never followed")
                sealed.update(os.fsencode(f"other\0{name}\n"))
                continue
            present = self._space.present(f"{skill.path}/{name}")
            if present is None:
                raise TooMuch(f"{_shown(name)} vanished while it was read: check again")
            size += len(present.content)
            self._left -= len(present.content)
            if size > MOST_BYTES:
                raise TooMuch(f"It has more than {MOST_BYTES:,} bytes")
            if self._left < 0:
                raise TooMuch(f"All skills here together have more than {MOST_BYTES_OF_ALL:,} bytes")
            if name == manifest:
                skill.manifest = present.content
            runs = "x" if present.mode & 0o111 else "-"
            sealed.update(os.fsencode(f"{runs}\0{name}\0{digest_of(present.content)}\n"))
        return sealed.hexdigest()

    def _files(self, path: str, inside: str, depth: int) -> list[tuple[str, str]]:
        """Everything in a skill but folders, by its path in it."""
        self._inside += 1
        if self._inside > MOST_FILES:
            raise TooMuch(f"It has more than {MOST_FILES} folders")
        found: list[tuple[str, str]] = []
        for entry in self._space.entries(path):
            name = f"{inside}{entry.name}"
            if entry.kind != "folder":
                found.append((name, entry.kind))
            elif depth > DEEPEST:
                raise TooMuch(f"{_shown(name)} lies deeper than {DEEPEST} folders")
            else:
                found += self._files(f"{path}/{entry.name}", f"{name}/", depth + 1)
            if len(found) > MOST_FILES:
                raise TooMuch(f"It has more than {MOST_FILES} files")
        return found


def shipped(name: str) -> SkillFolder | None:
    """The one of that name which ships, as it is now; None when there is none, or it cannot be read."""
    return Reader("shipped", Workspace(ROOT), f"{FOLDER}/{name}").whole()


def own(space: Workspace, path: str) -> SkillFolder | None:
    """The one in this folder of a workspace, as it is now; None as above."""
    return Reader("project", space, path).whole()


def revision_of(name: str) -> str | None:
    """The revision of the one that ships; None as above."""
    folder = shipped(name)
    return folder.revision if folder is not None else None


def _shown(path: str) -> str:
    return made_visible(told(path, 200))


def _why(error: Invalid | OSError) -> str:
    if isinstance(error, Invalid):
        return "; ".join(reason for reasons in error.fields.values() for reason in reasons) or error.message
    return error.strerror or type(error).__name__
