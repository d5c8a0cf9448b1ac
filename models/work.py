"""What a run is part of: the rows that change with it, by its kind."""

from uuid import UUID

from models.base import db
from models.execution import Execution
from models.inspection import Inspection
from models.plan_execution import PlanExecution
from models.planning import Planning
from models.post_op import PostOp
from models.run import Run

Held = Execution | Planning | PlanExecution | PostOp | Inspection
KINDS: dict[str, type[Held]] = {
    "action": Execution,
    "plan": Planning,
    "execution": PlanExecution,
    "post_op": PostOp,
    "audit": Inspection,
}


def hold(run_id: UUID) -> Held:
    """The run with what belongs to it, as it is now, held until the transaction ends."""
    return KINDS[db.session.get_one(Run, run_id).kind].hold(run_id)
