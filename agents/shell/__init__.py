"""The place in which an approved plan's agent runs commands: isolated, limited, and left without a trace."""

from agents.shell.isolation import Isolation, NoIsolation, Profile
from agents.shell.limits import Limits
from agents.shell.marks import end_marked
from agents.shell.output import OnOutput
from agents.shell.probing import probe
from agents.shell.shell import Finished, Shell, ShellFailed

__all__ = [
    "Finished", "Isolation", "Limits", "NoIsolation", "OnOutput", "Profile", "Shell", "ShellFailed",
    "end_marked", "probe",
]  # fmt: skip
