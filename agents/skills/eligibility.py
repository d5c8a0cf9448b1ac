"""Whether a skill can run here: ready, needs setup or blocked, why, and what mends it.

Blocked is what nobody can mend by supplying something; it goes before needs setup, and that before ready.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass, field

from agents.skills.install import PROGRAMS, Install
from agents.skills.manifest import Manifest, Requirements
from agents.skills.surroundings import Surroundings

KINDS = ("bins", "anyBins", "env", "config", "os")
"""Of what can be missing."""


@dataclass
class Verdict:
    status: str
    missing: dict[str, list[str]]
    reasons: list[dict[str, str]] = field(default_factory=list)
    """Why it is blocked: code and text."""
    steps: list[dict[str, str]] = field(default_factory=list)
    """What mends it: kind, text and the command to copy."""


def judge(skill: Manifest, here: Surroundings) -> Verdict:
    """By what the executor has at this moment."""
    reasons = [{"code": code, "text": text} for code, text in skill.problems]
    missing: dict[str, list[str]] = {kind: [] for kind in KINDS}
    steps = []
    if here.is_off(skill.config_key):
        reasons.append({"code": "disabled", "text": "It is switched off in this project."})
        steps.append(_switch_on(skill, here))
    if skill.requires.os and here.system not in skill.requires.os:
        missing["os"] = skill.requires.os
        systems = ", ".join(skill.requires.os)
        reasons.append({"code": "os", "text": f"It runs on {systems} only; the executor is {here.system}."})
    if not skill.problems and not skill.requires.always:
        missing |= _missing(skill.requires, here)
        steps += _steps(skill.requires, missing, here)
    status = "blocked" if reasons else "needs_setup" if any(missing.values()) else "ready"
    return Verdict(status, missing, reasons, steps)


def _missing(wanted: Requirements, here: Surroundings) -> dict[str, list[str]]:
    """Of the programs of which one is enough, all when there is none."""
    one_is_there = any(map(here.has_program, wanted.any_bins))
    return {
        "bins": [name for name in wanted.bins if not here.has_program(name)],
        "anyBins": [] if one_is_there else wanted.any_bins,
        "env": [name for name in wanted.env if not here.has_variable(name)],
        "config": [path for path in wanted.config if not here.is_configured(path)],
    }


# --- what mends it ---


def _steps(wanted: Requirements, missing: dict[str, list[str]], here: Surroundings) -> list[dict[str, str]]:
    steps = _programs(wanted, missing["bins"], here)
    if missing["anyBins"]:
        steps.append(_one_of(wanted, missing["anyBins"], here))
    if missing["env"]:
        steps.append(_variables(missing["env"], here))
    return steps + [_configure(path, here) for path in missing["config"]]


def _step(kind: str, text: str, command: str) -> dict[str, str]:
    return {"kind": kind, "text": text, "command": command}


def _programs(wanted: Requirements, names: list[str], here: Surroundings) -> list[dict[str, str]]:
    """One step for each way to install, and for each program of which the skill does not say how."""
    by_way: dict[Install | None, list[str]] = {}
    for name in names:
        by_way.setdefault(_way(wanted.install, [name], here), []).append(name)
    steps = [
        _step("bins", f"Install {_all_of(brought)}, as the skill says.", way.command)
        for way, brought in by_way.items()
        if way is not None
    ]
    return steps + [
        _step("bins", f"Install {name}. The package often has the program's name.", _package(name, here))
        for name in by_way.get(None, [])
    ]


def _one_of(wanted: Requirements, names: list[str], here: Surroundings) -> dict[str, str]:
    way = _way(wanted.install, names, here)
    if way is not None:
        return _step("anyBins", f"Install one of {', '.join(names)}, as the skill says.", way.command)
    return _step("anyBins", f"Install one of {', '.join(names)}.", _package(names[0], here))


def _way(ways: Iterable[Install], names: list[str], here: Surroundings) -> Install | None:
    """What brings one of the programs on this system: by an installer that is there, else by any."""
    fitting = [
        way
        for kind in PROGRAMS
        for way in ways
        if way.kind == kind and _fits(way, here) and any(map(way.brings, names))
    ]
    there = (way for way in fitting if here.has_program(PROGRAMS[way.kind]))
    return next(there, next(iter(fitting), None))


def _fits(way: Install, here: Surroundings) -> bool:
    """On Linux, what brew installs lies where no skill sees it; the system's own packages do not."""
    return (not way.os or here.system in way.os) and (way.kind != "brew" or here.system == "darwin")


def _package(name: str, here: Surroundings) -> str:
    return f"brew install {name}" if here.system == "darwin" else f"sudo apt-get install {name}"


def _all_of(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _variables(names: list[str], here: Surroundings) -> dict[str, str]:
    given = " ".join([*here.variables, *names])
    values = " ".join(f"{name}='VALUE'" for name in names)
    return _step(
        "env",
        f"Where the runs worker starts, set {_all_of(names)} with its value in place of VALUE, name it in "
        "SKILL_VARIABLES, and start the worker again.",
        f"export {values} SKILL_VARIABLES={shlex.quote(given)}",
    )


def _configure(path: str, here: Surroundings) -> dict[str, str]:
    command = f"flask --app webapp skills set {here.project_key} {path} true"
    return _step("config", f"Set {path} for this project: true, a number or a text.", command)


def _switch_on(skill: Manifest, here: Surroundings) -> dict[str, str]:
    path = shlex.quote(f"skills.entries.{skill.config_key}.enabled")
    command = f"flask --app webapp skills set {here.project_key} {path} true"
    return _step("disabled", "Switch it on again.", command)
