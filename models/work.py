"""What a run is part of: the rows that change with it, by its kind."""

from uuid import UUID

from models.base import db
from models.execution import Execution
from models.planning import Planning
from models.run import Run


def hold(run_id: UUID) -> Execution | Planning:
    """The run with what belongs to it, as it is now, held until the transaction ends."""
    run = db.session.get_one(Run, run_id)
    return Planning.hold(run_id) if run.kind == "plan" else Execution.hold(run_id)
