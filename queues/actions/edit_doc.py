"""Writes the version of a document that a person approved."""

from models.actions.edit_doc import EditDoc
from models.brain_doc import BrainDoc
from models.errors import DomainError
from queues.actions.job import CannotBeDone, Job


def apply(job: Job) -> str:
    """Which version it became. Raises CannotBeDone when the document is not what was changed any more."""
    params = job.params
    if not isinstance(params, EditDoc):
        raise TypeError(f"{params.action_type} is no edit_doc")
    try:
        doc = BrainDoc.write(
            job.project_id,
            params.agent_key,
            params.doc_type,
            params.content,
            base_digest=params.base_digest,
            by_user=job.decided_by,
            by_agent=job.agent_key,
            approval_id=job.approval_id,
        )
    except DomainError as error:
        raise CannotBeDone(f"{params.object_name} was not changed: {error.message}.") from None
    return f"{doc.name} is version {doc.version} now, with {doc.length:,} characters."
