"""What waits for a person, and the two parts of a card that are fetched when they are looked at."""

from uuid import UUID

from flask import Blueprint, Response, render_template

from models.decider import RIGHT
from webapp import cards, rendering, visible
from webapp.auth import policy, principal, require
from webapp.kept import State

bp = Blueprint("needs_you", __name__)


@bp.get("/<project_key>/needs-you")
@rendering.kept
@policy(RIGHT)
def index(project_key: str) -> Response:
    """Everything that waits for a person, oldest first."""
    return rendering.kept_page(_index)


def _index(state: State) -> str:
    return render_template("needs_you/show.html", **rendering.layout(state))


@bp.get("/proposals/<uuid:proposal_id>/form")
@policy(RIGHT)
def form(proposal_id: UUID) -> str:
    """The fields of its action, for who changes it before anybody decides."""
    proposal = visible.proposal(proposal_id)
    require(RIGHT, proposal.project_id)
    action = proposal.action
    fields, params = cards.fields_of(action), cards.editable(action)
    return render_template("proposals/_fields.html", proposal=proposal, fields=fields, params=params)


@bp.get("/proposals/<uuid:proposal_id>/diff")
@policy("proposal.read")
def diff(proposal_id: UUID) -> str:
    """What it would change in what is stored at this moment, for who may see that."""
    proposal = visible.proposal(proposal_id)
    may = principal().may(proposal.action.compared_by, proposal.project_id)
    lines = proposal.action.diff(proposal.project_id) if may else None
    return render_template("proposals/_diff.html", proposal=proposal, lines=lines, may=may)
