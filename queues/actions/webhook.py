"""Sends a message that a person approved to a webhook of another server."""

import json

from flask import Flask

from models.actions.send_message import SendMessage
from models.base import db, reading
from models.project import Project
from queues.actions.asking import ask
from queues.actions.job import Job
from queues.egress import Request


def send(app: Flask, job: Job) -> str:
    """What came back for `{text, from, project}`. Raises CannotBeDone or OutcomeUnknown."""
    params = job.params
    if not isinstance(params, SendMessage) or params.channel != "webhook":
        raise TypeError(f"{params.action_type} is no message to a webhook")
    with app.app_context(), reading():
        project = db.session.get_one(Project, job.project_id)
        said = {"text": params.content, "from": job.agent_key, "project": project.key}
    request = Request(
        "POST",
        params.recipient,
        {"Content-Type": "application/json", "Idempotency-Key": job.key},
        json.dumps(said).encode(),
    )
    return ask(app, job, request, {})
