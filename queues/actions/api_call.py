"""Sends the one request that a person approved, with the secrets that only we know."""

from flask import Flask

from models.actions.api_call import READING, ApiCall
from models.actions.url import origin_of
from models.base import reading
from models.errors import DomainError
from models.project_secret import ProjectSecret
from queues.actions.asking import ask
from queues.actions.job import CannotBeDone, Job
from queues.egress import Request


def perform(app: Flask, job: Job) -> str:
    """What came back. Raises CannotBeDone or OutcomeUnknown."""
    params = job.params
    if not isinstance(params, ApiCall):
        raise TypeError(f"{params.action_type} is no api_call")
    secrets = _secrets(app, job, params)
    headers = {**params.headers, **{name: secrets[of] for name, of in params.secret_headers.items()}}
    body = None if params.method in READING else params.body.encode()
    request = Request(
        params.method,
        params.url,
        {**headers, "Idempotency-Key": job.key},
        body,
        params.timeout_seconds,
    )
    return ask(app, job, request, secrets)


def _secrets(app: Flask, job: Job, params: ApiCall) -> dict[str, str]:
    names = sorted(set(params.secret_headers.values()))
    try:
        with app.app_context(), reading():
            return ProjectSecret.values(
                job.project_id, names, origin_of(params.url), app.config["SECRET_KEY"]
            )
    except DomainError as error:
        raise CannotBeDone(f"Nothing was sent: {error.message}.") from None
