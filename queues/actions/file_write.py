"""Writes the one file that a person approved."""

from flask import Flask

from models.actions.file_write import FileWrite
from models.base import db, reading
from models.errors import DomainError
from models.project import Project
from models.workspace import Unsure, Workspace
from queues.actions.job import CannotBeDone, Job, OutcomeUnknown


def perform(app: Flask, job: Job) -> str:
    """What was written. Raises CannotBeDone or OutcomeUnknown."""
    params = job.params
    if not isinstance(params, FileWrite):
        raise TypeError(f"{params.action_type} is no file_write")
    content = params.content.encode()
    with app.app_context(), reading():
        workspace = Workspace.of(db.session.get_one(Project, job.project_id).key)
    try:
        changed = workspace.write(params.path, content, params.base_digest)
    except DomainError as error:
        raise CannotBeDone(f"Nothing was written: {error.message}.") from None
    except Unsure as error:
        raise OutcomeUnknown(f"{params.path} may be lost if the machine stops now: {error}.") from None
    except OSError as error:
        raise CannotBeDone(f"Nothing was written: {error.strerror}.") from None
    if not changed:
        return f"{params.path} held exactly that already."
    return f"{params.path} is written: {len(content):,} bytes."
