"""Settings → Servers: which other servers the project may ask, and the secrets that they are told."""

from uuid import UUID

from flask import Blueprint, Response, make_response, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from models.allowed_host import AllowedHost
from models.base import db
from models.errors import DomainError
from models.project_secret import ProjectSecret
from webapp import servers
from webapp.auth import current_project, policy
from webapp.pages.settings import REFUSED, Fields, refused
from webapp.rendering import page

bp = Blueprint("servers", __name__, url_prefix="/<project_key>/settings/servers")


def _back() -> AnyResponse:
    return redirect(f"/{current_project().key}/settings/servers", 303)


def _again(error: DomainError, **values: str) -> Response:
    return make_response(_page(refused(error), values), 422)


def _page(errors: Fields | None = None, values: dict[str, str] | None = None) -> str:
    project_id = current_project().id
    return page(
        "settings/servers.html",
        hosts=AllowedHost.of_project(project_id),
        secrets=ProjectSecret.of_project(project_id),
        values=values or {},
        errors=errors or {},
    )


@bp.get("")
@policy("host.manage")
def index(project_key: str) -> str:
    return _page()


@bp.post("/hosts")
@policy("host.manage", fresh=True)
def allow(project_key: str) -> AnyResponse:
    host = request.form.get("host", "")
    try:
        servers.allow(current_project().id, host)
    except REFUSED as error:
        return _again(error, host=host[:280])
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
def store(project_key: str) -> AnyResponse:
    said = request.form
    name = said.get("name", "")
    try:
        servers.store_secret(current_project().id, name, said.get("origin", ""), said.get("value", ""))
    except REFUSED as error:
        return _again(error, name=name[:64])  # the value is not sent back
    db.session.commit()
    return _back()


@bp.post("/secrets/<uuid:secret_id>/remove")
@policy("secret.manage")
def remove(project_key: str, secret_id: UUID) -> AnyResponse:
    servers.remove_secret(current_project().id, secret_id)
    db.session.commit()
    return _back()
