"""What an owner says about other servers: which may be asked, and what they are told in confidence."""

from uuid import UUID

from flask import current_app

from models.allowed_host import AllowedHost
from models.base import db
from models.project_secret import ProjectSecret
from webapp.accounts import note
from webapp.auth import current_user


def allow(project_id: UUID, host: str) -> AllowedHost:
    """Let agents ask for requests to this server. Raises Invalid or Conflict."""
    note("host.allowed", host[:100], project_id)
    made = AllowedHost.add(project_id, host, current_user())
    db.session.flush()
    return made


def forbid(project_id: UUID, host_id: UUID) -> None:
    """Take it from the list; what was approved and did not begin will fail."""
    found = AllowedHost.of(project_id, host_id)
    note("host.forbidden", found.origin, project_id)
    db.session.delete(found)


def store_secret(project_id: UUID, name: str, origin: str, value: str) -> ProjectSecret:
    """Keep a secret for one server. Raises Invalid or Conflict."""
    note("secret.stored", name[:64], project_id, origin=origin[:280])
    made = ProjectSecret.store(
        project_id, name, origin, value.strip(), current_user(), current_app.config["SECRET_KEY"]
    )
    db.session.flush()
    return made


def remove_secret(project_id: UUID, secret_id: UUID) -> None:
    found = ProjectSecret.of(project_id, secret_id)
    note("secret.removed", found.name, project_id, origin=found.origin)
    db.session.delete(found)
