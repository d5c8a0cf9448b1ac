"""Checks of skills: the executor reads the folders where it is, and the mirror says what it found."""

import socket
from collections.abc import Callable
from functools import partial
from typing import Any

from flask import current_app

from agents.shell.isolation import PATH
from agents.skills import catalogue
from agents.skills.catalogue import Catalogue, Found
from agents.skills.surroundings import Surroundings
from models import labs
from models.base import db
from models.errors import Conflict
from models.executor_request import ExecutorRequest
from models.project import Project
from models.skill import FLAG, OFF, Skill, configuration
from models.workspace import Workspace


def ready(request: ExecutorRequest) -> Callable[[], Catalogue]:
    """What reads the folders, in no transaction; Conflict while the flag is off."""
    project = db.session.get_one(Project, request.project_id)
    if project.archived_at is not None or not labs.enabled(FLAG, project.id):
        raise Conflict(OFF)
    config = current_app.config
    here = Surroundings(project.key, PATH, config["SKILL_ENVIRONMENT"], configuration(project.id))
    return partial(catalogue.read, Workspace.of(project.key), here)


def record(request: ExecutorRequest, found: Catalogue) -> dict[str, Any]:
    """Write what was found; what was read before a later check is dropped."""
    host = socket.gethostname()[:255]
    rows = [_said(skill) | {"checked_on": host} for skill in found.skills]
    Skill.mirror(request.project_id, rows, found.read_at)
    return {"skills": len(rows), "warnings": found.warnings[:20]}


def _said(skill: Found) -> dict[str, Any]:
    folder, manifest, verdict = skill.folder, skill.manifest, skill.verdict
    return {
        "source": folder.source,
        "path": _storable(folder.path),
        "key": manifest.key,
        "name": manifest.name,
        "description": manifest.description,
        "revision": folder.revision,
        "status": verdict.status,
        "missing": verdict.missing,
        "reasons": verdict.reasons,
        "setup_steps": verdict.steps,
        "warnings": manifest.warnings,
    }


def _storable(path: str) -> str:
    """A folder's name may be no UTF-8; no two become one, since each such byte is written out."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
