"""API tokens of a project over HTTP."""

from typing import Any
from uuid import UUID

import marshmallow as ma
from flask import Response, jsonify
from marshmallow import fields, validate

from models.base import db
from models.token import PREFIX
from realtime.registry import PUBLISHED
from webapp import accounts, idempotency
from webapp.auth import policy
from webapp.limits import ApiBlueprint
from webapp.schemas import Number

bp = ApiBlueprint("tokens", __name__, url_prefix="/api", description="Tokens for programs")

says = PUBLISHED["api_tokens"].row


class NewToken(ma.Schema):
    kind = fields.String(required=True, validate=validate.OneOf(tuple(PREFIX)))
    name = fields.String(required=True, metadata={"maxLength": 80})
    agent_key = fields.String(load_default=None, allow_none=True)
    days = Number(load_default=90, validate=validate.Range(1, 90))
    scopes = fields.List(
        fields.String(), load_default=None, allow_none=True, validate=validate.Length(max=20)
    )


class Token(ma.Schema):
    token = fields.Dict()
    secret = fields.String(metadata={"description": "Shown once: trm_<kind>_…"})


class TokenList(ma.Schema):
    tokens = fields.List(fields.Dict())


@bp.get("/projects/<uuid:project_id>/tokens")
@policy("token.manage")
@bp.response(200, TokenList)
def index(project_id: UUID) -> Response:
    """The tokens that work, newest first."""
    return jsonify({"tokens": [says(each) for each in accounts.living_tokens(project_id)]})


@bp.post("/projects/<uuid:project_id>/tokens")
@policy("token.manage", fresh=True)
@bp.arguments(NewToken)
@bp.response(201, Token)
def create(said: dict[str, Any], project_id: UUID) -> tuple[Response, int]:
    """Make a token. It can never decide anything."""
    idempotency.shown_once()
    made, text = accounts.create_token(project_id, said.pop("kind"), said.pop("name"), **said)
    db.session.commit()
    return jsonify({"token": says(made), "secret": text}), 201


@bp.delete("/projects/<uuid:project_id>/tokens/<uuid:token_id>")
@policy("token.manage")
@bp.response(204)
def revoke(project_id: UUID, token_id: UUID) -> None:
    """End it; it takes effect within a second."""
    accounts.revoke_token(project_id, token_id)
    db.session.commit()
