"""Documents that agents read, over HTTP: what they say, what they said, and a new version."""

from typing import Any
from uuid import UUID

import marshmallow as ma
from flask import Response, jsonify, render_template
from marshmallow import fields, validate

from models.base import db, reading
from models.brain_doc import LONGEST, BrainDoc, BrainDocVersion
from models.errors import NotFound
from queues.direct import direct_or_queued
from realtime.registry import PUBLISHED, plain
from webapp import compared, visible
from webapp.auth import current_user, policy
from webapp.limits import ApiBlueprint
from webapp.schemas import LAST_SEQ, MOST, Requested, Seq

bp = ApiBlueprint("docs", __name__, url_prefix="/api", description="Documents that agents read")

DOC = "/projects/<uuid:project_id>/docs/<agent_key>/<doc_type>"
OF_VERSION = (
    "version",
    "digest",
    "length",
    "base_digest",
    "user_id",
    "by_agent",
    "approval_id",
    "created_at",
)
says = PUBLISHED["brain_docs"].row


class DocRow(ma.Schema):
    """A document as the API and its stream say it, without what it says itself."""

    id = fields.UUID()
    project_id = fields.UUID()
    agent_key = fields.String(metadata={"description": "An agent's key; `project` for the whole project"})
    doc_type = fields.String()
    digest = fields.String(metadata={"description": "SHA-256 of the content"})
    length = fields.Integer(metadata={"description": "Characters of the content"})
    version = fields.Integer()
    written_at = fields.DateTime()
    user_id = fields.UUID(metadata={"description": "Who wrote this version, or approved it"})
    by_agent = fields.String(allow_none=True, metadata={"description": "Whose proposal it was"})
    created_at = fields.DateTime()


class DocList(ma.Schema):
    docs = fields.List(fields.Nested(DocRow))


class WholeDoc(DocRow):
    content = fields.String()


class DocEdit(ma.Schema):
    content = fields.String(required=True, metadata={"maxLength": LONGEST, "description": "Markdown"})
    base_digest = fields.String(
        required=True,
        allow_none=True,
        validate=validate.Length(equal=64),
        metadata={"description": "Of what was changed; null where there is no document yet. Else 409"},
    )


class Typed(ma.Schema):
    content = fields.String(required=True, metadata={"maxLength": LONGEST})


class Comparison(WholeDoc):
    html = fields.String(metadata={"description": "What the given text changes, as pages show it"})
    changed_by = fields.String()


class VersionRow(ma.Schema):
    version = fields.Integer()
    digest = fields.String()
    length = fields.Integer()
    base_digest = fields.String(allow_none=True)
    user_id = fields.UUID()
    by_agent = fields.String(allow_none=True)
    approval_id = fields.UUID(allow_none=True)
    created_at = fields.DateTime()


class WholeVersion(VersionRow):
    content = fields.String()


class VersionWindow(ma.Schema):
    before = Seq(load_default=None, metadata={"description": "The version that the page before ended with"})
    limit = fields.Integer(load_default=50, validate=validate.Range(1, MOST))


class VersionPage(ma.Schema):
    versions = fields.List(fields.Nested(VersionRow))
    before = fields.Integer(allow_none=True, metadata={"description": "Ask with it for the next page"})


@bp.get("/projects/<uuid:project_id>/docs")
@policy("doc.read")
@bp.response(200, DocList)
def index(project_id: UUID) -> Response:
    """The project's documents by agent and type, without their contents."""
    visible.knowledge(project_id)
    return jsonify({"docs": [says(doc) for doc in BrainDoc.of_project(project_id)]})


@bp.get(DOC)
@policy("doc.read")
@bp.response(200, WholeDoc)
def show(project_id: UUID, agent_key: str, doc_type: str) -> Response:
    """One document, whole."""
    doc = visible.doc(project_id, agent_key, doc_type)
    return jsonify(says(doc) | {"content": doc.content})


@bp.put(DOC)
@policy("doc.edit")
@bp.arguments(DocEdit)
@bp.response(202, Requested)
def write(said: dict[str, Any], project_id: UUID, agent_key: str, doc_type: str) -> tuple[Response, int]:
    """Ask the executor for a new version: at once when it is there, else when it comes back.

    409, with the document as it stands, when it is not what was changed; the request fails for the
    same reason when somebody writes before it is carried out.
    """
    visible.knowledge(project_id)
    request = BrainDoc.ask_for(
        project_id, agent_key, doc_type, said["content"], said["base_digest"], current_user().id
    )
    mode = direct_or_queued("chat")
    db.session.commit()
    return jsonify({"mode": mode, "request_id": str(request.id)}), 202


@bp.post(f"{DOC}/comparison")
@policy("doc.read", apart=True)
@bp.arguments(Typed)
@bp.response(200, Comparison)
def compare(said: dict[str, Any], project_id: UUID, agent_key: str, doc_type: str) -> Response:
    """What a text would change in the document as it stands; nothing is written."""
    with reading():  # nobody waits for the comparison of two long texts
        doc = visible.doc(project_id, agent_key, doc_type)
        found = says(doc) | {"content": doc.content, "changed_by": doc.changed_by}
        db.session.rollback()
    hunks = compared.hunks(found["content"], said["content"])
    return jsonify(found | {"html": render_template("knowledge/_diff.html", hunks=hunks)})


@bp.get(f"{DOC}/versions")
@policy("doc.read")
@bp.arguments(VersionWindow, location="query")
@bp.response(200, VersionPage)
def versions(window: dict[str, Any], project_id: UUID, agent_key: str, doc_type: str) -> Response:
    """The newest versions, or those before one, without their contents."""
    found = visible.doc(project_id, agent_key, doc_type).versions(window["before"], window["limit"])
    more = len(found) == window["limit"] and found[-1].version > 1
    return jsonify(
        {
            "versions": [_as_said(each) for each in found],
            "before": found[-1].version if more else None,
        }
    )


@bp.get(f"{DOC}/versions/<int:version>")
@policy("doc.read")
@bp.response(200, WholeVersion)
def version(project_id: UUID, agent_key: str, doc_type: str, version: int) -> Response:
    """One version, whole."""
    found = visible.doc(project_id, agent_key, doc_type).at(min(version, LAST_SEQ))
    if found is None:
        raise NotFound
    return jsonify(_as_said(found) | {"content": found.content})


def _as_said(version: BrainDocVersion) -> dict[str, Any]:
    return {name: plain(getattr(version, name)) for name in OF_VERSION}
