"""Which isolation this process has for the commands of agents: tried out once, when its worker starts."""

import logging
from pathlib import Path

from flask import Flask

from agents.shell import Isolation, probe
from models.isolation import REFUSED, SENTENCES

log = logging.getLogger(__name__)

_found: dict[bool, Isolation | None] = {}
"""By whether one may do without: what a machine can do stays the same while a process lives."""


async def found(app: Flask) -> Isolation | None:
    """The best one; None when no command may be run here."""
    unisolated = app.config["SHELL_WITHOUT_ISOLATION"]
    if unisolated not in _found:
        _found[unisolated] = await _tried(Path(app.config["WORKSPACES_FOLDER"]), unisolated)
    return _found[unisolated]


async def _tried(folder: Path, unisolated: bool) -> Isolation | None:
    try:
        isolation = await probe(folder, unisolated)
    except OSError as error:
        log.error("WORKSPACES_FOLDER cannot be used, so agents run no commands: %s", error)
        return None
    log.info("isolation: %s", SENTENCES[isolation.name if isolation else REFUSED])
    return isolation
