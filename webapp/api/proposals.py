"""Proposals over HTTP: what agents want done, and a person's decision on it."""

from typing import Any
from uuid import UUID

from flask import Response, jsonify

from models import labs
from models.base import db
from models.crashpoint import crashpoint
from models.proposal import Proposal
from models.proposal_fold import ProposalFold
from realtime.registry import PUBLISHED
from webapp import visible
from webapp.auth import current_session, current_user, policy, require
from webapp.limits import ApiBlueprint
from webapp.schemas import Approve, ProposalEdit, ProposalPage, ProposalRow, ProposalWindow, Reject, Settle

bp = ApiBlueprint(
    "proposals", __name__, url_prefix="/api", description="What agents propose and people decide"
)

says = PUBLISHED["proposals"].row


@bp.get("/proposals")
@policy("proposal.read")
@bp.arguments(ProposalWindow, location="query")
@bp.response(200, ProposalPage)
def index(window: dict[str, Any]) -> Response:
    """The newest proposals of a project that the caller may see; those before one, by its id."""
    project_id = window.pop("project_id", None) or visible.last_project_id()
    require("proposal.read", project_id)
    kinds = visible.proposal_kinds(labs.read(project_id))
    found = Proposal.page(project_id, current_user().id, kinds, **window)
    more = len(found) == window["limit"]
    return jsonify(
        {"proposals": [says(each) for each in found], "before": str(found[-1].id) if more else None}
    )


@bp.get("/proposals/<uuid:proposal_id>")
@policy("proposal.read")
@bp.response(200, ProposalRow)
def show(proposal_id: UUID) -> Response:
    """One proposal, with all that a person decides on."""
    return jsonify(says(visible.proposal(proposal_id)))


@bp.post("/proposals/<uuid:proposal_id>/approve")
@policy("proposal.decide")
@bp.arguments(Approve)
@bp.response(200, ProposalRow)
def approve(said: dict[str, Any], proposal_id: UUID) -> Response:
    """Let it be carried out. A high risk needs a sign-in of the last 15 minutes and the object's name.

    409 `decided` says who and when, 409 `changed` why this digest no longer stands.
    """
    proposal = _to_decide(proposal_id)
    proposal.approve(current_session().id, said["digest"], said["name"])
    return _done(proposal)


@bp.post("/proposals/<uuid:proposal_id>/reject")
@policy("proposal.decide")
@bp.arguments(Reject)
@bp.response(200, ProposalRow)
def reject(said: dict[str, Any], proposal_id: UUID) -> Response:
    """It will not be done; a reason helps the agent, and may be left out."""
    proposal = _to_decide(proposal_id)
    proposal.reject(current_session().id, said["digest"], said["reason"])
    return _done(proposal)


@bp.post("/proposals/<uuid:proposal_id>/retry")
@policy("proposal.decide")
@bp.arguments(Approve)
@bp.response(200, ProposalRow)
def retry(said: dict[str, Any], proposal_id: UUID) -> Response:
    """It failed: decide once more on the same digest. It asks for what `approve` asks for."""
    proposal = _to_decide(proposal_id)
    proposal.retry(current_session().id, said["digest"], said["name"])
    return _done(proposal)


@bp.post("/proposals/<uuid:proposal_id>/settle")
@policy("proposal.decide")
@bp.arguments(Settle)
@bp.response(200, ProposalRow)
def settle(said: dict[str, Any], proposal_id: UUID) -> Response:
    """Where it may have happened (`execution: interrupted`), a person looked: `executed` or `failed`."""
    proposal = _to_decide(proposal_id)
    proposal.settle(current_session().id, said["digest"], said["outcome"], said["note"])
    return _done(proposal)


@bp.patch("/proposals/<uuid:proposal_id>")
@policy("proposal.decide")
@bp.arguments(ProposalEdit)
@bp.response(200, ProposalRow)
def edit(said: dict[str, Any], proposal_id: UUID) -> Response:
    """Other parameters under another digest; an approval of the earlier ones is void."""
    proposal = _to_decide(proposal_id)
    proposal.edit(current_session().id, said["digest"], said["params"], said["risk_level"])
    return _done(proposal)


@bp.post("/proposals/<uuid:proposal_id>/later")
@policy("proposal.decide")
@bp.response(204)
def later(proposal_id: UUID) -> tuple[str, int]:
    """Not now: folded for the caller alone. It goes on waiting."""
    ProposalFold.fold(_to_decide(proposal_id), current_user().id)
    db.session.commit()
    return "", 204


@bp.delete("/proposals/<uuid:proposal_id>/later")
@policy("proposal.decide")
@bp.response(204)
def unfold(proposal_id: UUID) -> tuple[str, int]:
    """Show it again."""
    ProposalFold.unfold(_to_decide(proposal_id), current_user().id)
    db.session.commit()
    return "", 204


def _to_decide(proposal_id: UUID) -> Proposal:
    """The role is asked again by the verb, which holds it until the decision is committed."""
    proposal = visible.proposal(proposal_id)
    require("proposal.decide", proposal.project_id)
    return proposal


def _done(proposal: Proposal) -> Response:
    said = says(proposal)
    crashpoint("decide.before_commit")
    db.session.commit()
    crashpoint("decide.after_commit")
    return jsonify(said)
