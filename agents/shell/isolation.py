"""The ways to hold a command, best first; each says how one is started."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol
from uuid import UUID

from agents.keeper.namespaces import KERNEL_FILES
from agents.keeper.order import Order
from agents.shell.limits import Limits
from models import isolation

Profile = Literal["execution", "planning"]
"""With the workspace writable, or read-only as everything else is."""

MARK = "TEAMROOM_RUN"
"""The variable by which the processes of a run are known, whoever their parent is by now."""
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
ETC = (
    "alternatives", "bash.bashrc", "fonts", "gitconfig", "group", "host.conf", "hosts", "inputrc",
    "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "magic", "mime.types", "nsswitch.conf",
    "passwd", "pki/ca-trust/extracted", "pki/tls/certs", "profile", "protocols", "resolv.conf", "services",
    "shells", "ssl/certs", "ssl/openssl.cnf", "terminfo", "timezone",
)  # fmt: skip
"""Of /etc only what programs need: no passwords, no private keys, no settings of services."""
READABLE = [*SYSTEM, *(f"/etc/{name}" for name in ETC)]
DEVICES = [f"/dev/{name}" for name in ("null", "zero", "full", "random", "urandom")]
KERNEL = [f"/proc/{name}" for name in KERNEL_FILES]
_MEMORY = ["--size", str(256 << 20), "--tmpfs"]
"""What lies there takes memory of the machine."""
SHELL = ["/bin/bash", "--noprofile", "--norc", "-c"]


@dataclass(frozen=True)
class Wanted:
    """A command, where it runs, and what it may."""

    command: str
    folder: Path
    run_id: UUID
    profile: Profile
    network: bool
    limits: Limits

    def order(
        self,
        *,
        argv: Sequence[str] = (),
        processes: int | None = None,
        **confinement: Any,
    ) -> Order:
        return Order(
            argv=list(argv) or [*SHELL, self.command],
            folder=str(self.folder),
            environment={
                "PATH": PATH,
                "LANG": "C.UTF-8",
                "HOME": str(self.folder),
                MARK: str(self.run_id),
            },
            limits=self.limits.of_a_process(),
            processes=self.limits.processes if processes is None else processes,
            network=self.network,
            **confinement,
        )


class Isolation(Protocol):
    """One way to hold commands; `name` is one of models.isolation, which says what it protects."""

    @property
    def name(self) -> str: ...

    def order(self, wanted: Wanted) -> Order: ...


@dataclass(frozen=True)
class Bubblewrap:
    """The program `bwrap`, with namespaces and a root folder of their own for each command."""

    program: str
    name = isolation.BUBBLEWRAP

    def order(self, wanted: Wanted) -> Order:
        # It takes limits along, and counts its processes anew inside; so the number is set there.
        limited = ['ulimit -u "$1"; exec /bin/bash --noprofile --norc -c "$2"', "bash"]
        command = [*SHELL, *limited, str(wanted.limits.processes), wanted.command]
        argv = [self.program, *self._options(wanted), "--", *command]
        return wanted.order(argv=argv, processes=0, confinement="program")

    def _options(self, wanted: Wanted) -> list[str]:
        apart = ["--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
        if not wanted.network:
            apart.append("--unshare-net")
        shown = [option for path in READABLE for option in ("--ro-bind-try", path, path)]
        kernel = [option for path in KERNEL for option in ("--ro-bind-try", path, path)]
        folder = str(wanted.folder)
        how = "--bind" if wanted.profile == "execution" else "--ro-bind"
        return [
            *apart, "--die-with-parent", "--new-session", "--cap-drop", "ALL", *shown,
            "--proc", "/proc", *kernel, "--dev", "/dev", *_MEMORY, "/dev/shm", "--remount-ro", "/dev",
            *_MEMORY, "/tmp", how, folder, folder, "--remount-ro", "/", "--chdir", folder,
        ]  # fmt: skip


@dataclass(frozen=True)
class Unshare:
    """The same namespaces, made by the keeper itself where bwrap is not installed."""

    name = isolation.UNSHARE

    def order(self, wanted: Wanted) -> Order:
        folder = [str(wanted.folder)]
        writes = wanted.profile == "execution"
        return wanted.order(
            confinement="namespaces",
            readable=READABLE if writes else [*READABLE, *folder],
            writable=folder if writes else [],
        )


@dataclass(frozen=True)
class Landlock:
    """What a process may take from itself where it can have no namespaces, as on many hosted platforms."""

    name = isolation.LANDLOCK

    def order(self, wanted: Wanted) -> Order:
        folder = [str(wanted.folder)]
        writes = wanted.profile == "execution"
        readable = [*READABLE, "/proc"]
        # There is no /tmp: what bash itself puts aside, as a long text for a program, it puts here.
        command = f"TMPDIR=$HOME; {wanted.command}" if writes else wanted.command
        return wanted.order(
            argv=[*SHELL, command],
            confinement="landlock",
            readable=readable if writes else [*readable, *folder],
            writable=[*DEVICES, *folder] if writes else DEVICES,
        )


@dataclass(frozen=True)
class NoIsolation:
    """A process of its own, with limits and without our environment, and nothing more."""

    name = isolation.NONE

    def order(self, wanted: Wanted) -> Order:
        return wanted.order()


def levels() -> list[Isolation]:
    """Those that could work here, best first; which one does, only a trial tells."""
    program = shutil.which("bwrap")
    return [*([Bubblewrap(program)] if program else []), Unshare(), Landlock()]
