"""A rule of an audit: it looks at one thing, and says what it saw."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from uuid import UUID

from agents.audits.folder import Folder
from agents.errors import AgentError
from agents.secrecy import without_secrets
from agents.shell import Shell
from models.errors import Invalid
from models.finding import LONGEST_SUBJECT, LONGEST_TEXT, LONGEST_TITLE, Finding, Looked
from models.hidden import made_visible
from models.text import one_line, told
from models.workspace import Workspace

log = logging.getLogger(__name__)

MOST = 40
"""Findings of one rule."""


class CannotLook(AgentError):
    """This rule has nothing to look at, or may not; the sentence says why."""


@dataclass(frozen=True)
class Place:
    """Where an audit looks. `db(fn, *args)` runs fn in a read transaction of the database thread."""

    project_id: UUID
    db: Callable[..., Awaitable[Any]]
    workspace: Workspace
    shell: Shell | None = None

    @cached_property
    def folder(self) -> Folder:
        """The workspace, walked through once."""
        return Folder(self.workspace)


@dataclass
class Seen:
    """What was looked at, in a sentence, and what of it somebody should see to."""

    said: str
    found: list[dict[str, Any]] = field(default_factory=list)
    whole: bool = True

    def add(
        self, subject: str, title: str, description: str, evidence: str, priority: str = "normal"
    ) -> None:
        """Text of files and of programs may be anything: it fits, tells no secret and hides nothing here."""
        self.found.append(
            {
                "subject": _fits(subject, LONGEST_SUBJECT),
                "title": _fits(one_line(title), LONGEST_TITLE),
                "description": _fits(description, LONGEST_TEXT),
                "evidence": _fits(evidence, LONGEST_TEXT),
                "priority": priority,
            }
        )


@dataclass(frozen=True)
class Rule:
    key: str
    title: str
    look: Callable[[Place], Awaitable[Seen]]
    tags: tuple[str, ...] = ()
    seconds: float = 60.0

    async def looked(self, audit: str, place: Place) -> Looked:
        """What it saw. One that cannot look, or breaks, says so and takes no other with it."""
        try:
            async with asyncio.timeout(self.seconds):
                seen = await self.look(place)
            return self._told(audit, seen)
        except (CannotLook, Invalid) as why:
            return Looked(self.key, self.title, f"Not looked at: {why}", ran=False)
        except TimeoutError:
            return Looked(self.key, self.title, f"It took longer than {self.seconds:g} s.", ran=False)
        except Exception:  # an audit is many rules, and a broken one is no reason to know nothing
            log.exception("rule %s of %s failed", self.key, audit)
            return Looked(self.key, self.title, "It failed by an error of its own.", ran=False)

    def _told(self, audit: str, seen: Seen) -> Looked:
        found = tuple(Finding(audit=audit, rule=self.key, tags=self.tags, **one) for one in seen.found[:MOST])
        whole = seen.whole and len(seen.found) <= MOST
        said = seen.said if len(seen.found) <= MOST else f"{seen.said} Only {MOST} are told."
        return Looked(self.key, self.title, said, whole=whole, findings=found)


def in_database(ask: Callable[[UUID], Seen]) -> Callable[[Place], Awaitable[Seen]]:
    """A rule that reads rows of the project."""

    async def look(place: Place) -> Seen:
        seen: Seen = await place.db(ask, place.project_id)
        return seen

    return look


def in_files(read: Callable[[Folder], Seen]) -> Callable[[Place], Awaitable[Seen]]:
    """A rule that reads files of the workspace, which takes its time."""

    async def look(place: Place) -> Seen:
        return await asyncio.to_thread(_read, read, place.folder)

    return look


def _read(read: Callable[[Folder], Seen], folder: Folder) -> Seen:
    if not folder.files:
        raise CannotLook("there is no file in the workspace.")
    seen = read(folder)
    if not folder.whole:
        seen.whole, seen.said = False, f"{seen.said} There are more files than were read."
    return seen


async def look_at(audit: str, rules: tuple[Rule, ...], place: Place) -> list[Looked]:
    """One after the other: they share the workspace, and its shell."""
    return [await rule.looked(audit, place) for rule in rules]


def _fits(text: str, longest: int) -> str:
    cut = told(without_secrets(text.strip()) or "-", longest - 50)
    shown = made_visible(cut)
    return shown if len(shown) <= longest else cut.encode("ascii", "replace").decode()
