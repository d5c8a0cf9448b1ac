"""All skills of a project as the executor finds them: those that ship, and those of its workspace."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime

from agents.skills.eligibility import Verdict, judge
from agents.skills.manifest import Manifest, manifest_of
from agents.skills.surroundings import Surroundings
from models.base import utcnow
from models.skill_folder import FOLDER, ROOT, Reader, SkillFolder, Source
from models.workspace import Workspace

MOST_SECONDS = 20.0
"""How long the skills of one root may take to be understood."""


@dataclass(frozen=True)
class Found:
    """A skill with what was found out about it."""

    folder: SkillFolder
    manifest: Manifest
    verdict: Verdict


@dataclass
class Catalogue:
    read_at: datetime
    """When reading began: what changed later is not in it."""
    skills: list[Found] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def read(space: Workspace, here: Surroundings, shipped: Workspace | None = None) -> Catalogue:
    """Every skill of a project's workspace and of those that ship, judged by what is here now.

    Reads files and asks no database. A name that is taken already, by a shipped one above all, is refused
    to who comes later: nobody can put his own in the place of another.
    """
    catalogue = Catalogue(utcnow())
    taken: set[str] = set()
    roots: tuple[tuple[Source, Workspace], ...] = (
        ("shipped", shipped or Workspace(ROOT)),
        ("project", space),
    )
    for source, root in roots:
        reader, until = Reader(source, root, FOLDER), time.monotonic() + MOST_SECONDS
        for folder in reader.skills():
            if time.monotonic() > until and not folder.problem:
                folder.problem = f"The skills here take longer than {MOST_SECONDS:g} seconds to be read"
            said = manifest_of(folder)
            if taken & {said.key, said.name}:
                said.block("name_taken", f"Another skill is called {said.name} already.")
            taken |= {said.key, said.name}
            catalogue.skills.append(Found(folder, said, judge(said, here)))
        catalogue.warnings += [f"{source}: {warning}" for warning in reader.warnings]
    return catalogue
