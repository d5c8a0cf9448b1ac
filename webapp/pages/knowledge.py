"""Knowledge: the documents that agents read, what each said before, and the place to write them."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from flask import Blueprint, redirect, request, url_for
from sqlalchemy import or_, select
from werkzeug.wrappers import Response as AnyResponse

from models.agent import Agent
from models.base import db, utcnow
from models.brain_doc import DOC_TYPE, KIND, LONGEST, PROJECT, BrainDoc, BrainDocVersion
from models.errors import NotFound
from models.executor_request import ExecutorRequest
from webapp import asked, compared, visible
from webapp.auth import current_project, current_user, policy
from webapp.rendering import page

bp = Blueprint("knowledge", __name__, url_prefix="/<project_key>/knowledge")

DOC = "/<agent_key>/<doc_type>"
OPEN_REQUESTS = 20
FAILED_SHOWN = timedelta(days=1)
"""How long an edit that could not be written is shown, with the text that was typed."""
VERSIONS = 50


@bp.get("")
@policy("doc.read")
def index(project_key: str) -> str:
    project_id = _project()
    docs = BrainDoc.of_project(project_id)
    agents = Agent.of_project(project_id)
    keys = [PROJECT, *(agent.key for agent in agents)]
    gone = sorted({doc.agent_key for doc in docs} - set(keys))
    groups = [(key, [doc for doc in docs if doc.agent_key == key]) for key in [*keys, *gone]]
    return page(
        "knowledge/index.html",
        groups=groups,
        count=len(docs),
        agents=agents,
        requests=_requests(project_id),
        doc_type=DOC_TYPE,
    )


@bp.get("/new")
@policy("doc.edit")
def new(project_key: str) -> AnyResponse:
    """To the editor of a document by its name; a document of this name is opened."""
    _project()
    agent_key, doc_type = request.args.get("agent_key", ""), request.args.get("doc_type", "").strip().lower()
    if not agent_key or not doc_type:
        return redirect(f"/{project_key}/knowledge", 303)
    return redirect(
        url_for("knowledge.edit", project_key=project_key, agent_key=agent_key, doc_type=doc_type), 303
    )


@bp.get(DOC)
@policy("doc.read")
def show(project_key: str, agent_key: str, doc_type: str) -> str:
    """The document as it is, or as a version of it was."""
    doc = visible.doc(_project(), agent_key, doc_type)
    version = _version(doc, "version")
    said = version or doc
    return page(
        "knowledge/show.html",
        doc=doc,
        version=version,
        html=compared.html_of(said.content, said.digest),
        hidden=compared.hidden_in(said.content),
    )


@bp.get(f"{DOC}/edit")
@policy("doc.edit")
def edit(project_key: str, agent_key: str, doc_type: str) -> str:
    """The editor; of a text that could not be written, with that text."""
    project_id = _project()
    BrainDoc.checked(project_id, agent_key, doc_type, "")
    doc = BrainDoc.find(project_id, agent_key, doc_type)
    typed = _typed(project_id, f"{agent_key}/{doc_type}")
    content, digest = (doc.content, doc.digest) if doc is not None else ("", None)
    if typed is not None:
        content, digest = typed["content"], typed["base_digest"]
    return page(
        "knowledge/edit.html",
        doc=doc,
        agent_key=agent_key,
        doc_type=doc_type,
        content=content,
        base_digest=digest,
        typed=typed is not None,
        hidden=compared.hidden_in(content),
        longest=LONGEST,
    )


@bp.get(f"{DOC}/history")
@policy("doc.read")
def history(project_key: str, agent_key: str, doc_type: str) -> str:
    """Its versions, and what changed between two of them."""
    doc = visible.doc(_project(), agent_key, doc_type)
    versions = doc.versions(asked.number("before"), VERSIONS)
    old, new = _version(doc, "old"), _version(doc, "new")
    hunks = compared.hunks(old.content if old else "", new.content) if new else []
    more = len(versions) == VERSIONS and versions[-1].version > 1
    return page(
        "knowledge/history.html", doc=doc, versions=versions, more=more, old=old, new=new, hunks=hunks
    )


def _project() -> UUID:
    project_id = current_project().id
    visible.knowledge(project_id)
    return project_id


def _version(doc: BrainDoc, name: str) -> BrainDocVersion | None:
    number = asked.number(name)
    if not number:
        return None
    found = doc.at(number)
    if found is None:
        raise NotFound
    return found


def _requests(project_id: UUID) -> Sequence[ExecutorRequest]:
    """Edits that are on their way, and those that could not be written lately, newest first."""
    query = select(ExecutorRequest).where(
        ExecutorRequest.project_id == project_id,
        ExecutorRequest.kind == KIND,
        or_(
            ExecutorRequest.status.in_(("queued", "delivered")),
            (ExecutorRequest.status == "failed") & (ExecutorRequest.completed_at > utcnow() - FAILED_SHOWN),
        ),
    )
    return db.session.scalars(query.order_by(ExecutorRequest.created_at.desc()).limit(OPEN_REQUESTS)).all()


def _typed(project_id: UUID, name: str) -> dict[str, Any] | None:
    """What one's own request for this document says, which the address names."""
    try:
        wanted = UUID(request.args.get("request", ""))
    except ValueError:
        return None
    found = db.session.get(ExecutorRequest, wanted)
    if found is None or (found.project_id, found.kind) != (project_id, KIND):
        return None
    said: dict[str, Any] = found.payload
    own = found.requested_by == current_user().id
    return said if own and f"{said['agent_key']}/{said['doc_type']}" == name else None
