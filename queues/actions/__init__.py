"""Carries out what people approved: one module for each action, loaded when it is first needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module

from flask import Flask

from models.actions import Params, SendMessage
from queues.actions.job import Job


@dataclass(frozen=True)
class InDatabase:
    """Its effect and its outcome are one transaction: it happens exactly once by construction."""

    module: str

    def ready(self, job: Job) -> Callable[[], str]:
        """What runs inside the transaction; a module's `prepare` does before it what takes long."""
        module = import_module(self.module)
        made = (module.prepare(job),) if hasattr(module, "prepare") else ()
        return partial(module.apply, job, *made)

    def apply(self, job: Job) -> str:
        """The execution result; CannotBeDone or a domain error say why not."""
        return self.ready(job)()


@dataclass(frozen=True)
class InWorld:
    """Its effect is out of the database's reach: begun at most once, after the claim is committed."""

    module: str
    name: str = "perform"

    def load(self) -> Callable[[Flask, Job], str]:
        """Before it begins: a module that cannot be loaded has done nothing yet."""
        perform: Callable[[Flask, Job], str] = getattr(import_module(self.module), self.name)
        return perform

    def perform(self, app: Flask, job: Job) -> str:
        """The execution result; CannotBeDone says why not, anything else that it may have happened."""
        return self.load()(app, job)


ACTIONS: dict[str, InDatabase | InWorld] = {
    "create_task": InDatabase("queues.actions.create_task"),
    "schedule_job": InDatabase("queues.actions.schedule_job"),
    "edit_doc": InDatabase("queues.actions.edit_doc"),
    "send_message": InDatabase("queues.actions.send_message"),
    "webhook": InWorld("queues.actions.webhook", "send"),
    "api_call": InWorld("queues.actions.api_call"),
    "file_write": InWorld("queues.actions.file_write"),
}


def action_of(params: Params) -> InDatabase | InWorld:
    """How this is carried out; a message that leaves Team Room is another thing than one that stays."""
    if isinstance(params, SendMessage) and params.channel == "webhook":
        return ACTIONS["webhook"]
    return ACTIONS[params.action_type]
