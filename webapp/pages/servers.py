"""Settings → Servers: which other servers the project may ask, and the secrets that they are told."""

from uuid import UUID

from flask import Blueprint, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from models.allowed_host import AllowedHost
from models.base import db
from models.project_secret import ProjectSecret
from webapp import servers
from webapp.auth import current_project, policy
from webapp.forms import shown_again
from webapp.rendering import page

bp = Blueprint("servers", __name__, url_prefix="/<project_key>/settings/servers")


def _back() -> AnyResponse:
    return redirect(f"/{current_project().key}/settings/servers", 303)


def _page() -> str:
    project_id = current_project().id
    return page(
        "settings/servers.html",
        hosts=AllowedHost.of_project(project_id),
        secrets=ProjectSecret.of_project(project_id),
    )


@bp.get("")
@policy("host.manage")
def index(project_key: str) -> str:
    return _page()


@bp.post("/hosts")
@policy("host.manage", fresh=True)
@shown_again(_page)
def allow(project_key: str) -> AnyResponse:
    servers.allow(current_project().id, request.form.get("host", ""))
    db.session.commit()
    return _back()


@bp.post("/hosts/<uuid:host_id>/remove")
@policy("host.manage")
def forbid(project_key: str, host_id: UUID) -> AnyResponse:
    servers.forbid(current_project().id, host_id)
    db.session.commit()
    return _back()


@bp.post("/secrets")
@policy("secret.manage", fresh=True)
@shown_again(_page)
def store(project_key: str) -> AnyResponse:
    said, project_id = request.form, current_project().id
    servers.store_secret(project_id, said.get("name", ""), said.get("origin", ""), said.get("value", ""))
    db.session.commit()
    return _back()


@bp.post("/secrets/<uuid:secret_id>/remove")
@policy("secret.manage")
def remove(project_key: str, secret_id: UUID) -> AnyResponse:
    servers.remove_secret(current_project().id, secret_id)
    db.session.commit()
    return _back()
