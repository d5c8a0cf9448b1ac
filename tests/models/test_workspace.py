"""T-FS1, T-FS2: a file is reached inside its workspace, or not at all; written whole, or not at all."""

import errno
import itertools
import os
import socket
import stat
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from models import workspace
from models.errors import Conflict, Invalid
from models.workspace import LARGEST, Opener, Unsure, Workspace, best_opener, by_kernel, by_walking, digest_of

SECRET = b"what nobody may read"
OLD, NEW = b"one\n", b"two\n"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder beside the workspace, whose name begins like it; nothing may change in it."""
    folder = tmp_path / "space-evil"
    folder.mkdir()
    (folder / "file").write_bytes(SECRET)
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "space"
    folder.mkdir()
    return folder


@pytest.fixture(params=[by_kernel, by_walking], ids=["openat2", "walking"])
def opener(request: pytest.FixtureRequest) -> Opener:
    if request.param is by_kernel and best_opener() is by_walking:
        pytest.skip("this kernel has no openat2")
    chosen: Opener = request.param
    return chosen


@pytest.fixture
def space(root: Path, opener: Opener) -> Workspace:
    return Workspace(root, opener)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# What it does.


def test_a_file_is_made_with_its_folders_and_read_again(space: Workspace, root: Path) -> None:
    assert space.read("a/b/c.txt") is None
    assert space.write("a/b/c.txt", OLD, None)

    assert space.read("a/b/c.txt") == OLD
    assert tree(root) == {"a/b/c.txt": OLD}
    assert stat.S_IMODE((root / "a/b/c.txt").stat().st_mode) == 0o644


def test_a_workspace_is_made_with_its_first_file(tmp_path: Path, opener: Opener) -> None:
    space = Workspace(tmp_path / "new" / "space", opener)

    assert space.read("a") is None
    assert not (tmp_path / "new").exists()
    assert space.write("a", OLD, None)
    assert stat.S_IMODE((tmp_path / "new/space").stat().st_mode) == 0o700


def test_a_file_is_replaced_and_keeps_its_mode(space: Workspace, root: Path) -> None:
    (root / "run.sh").write_bytes(OLD)
    (root / "run.sh").chmod(0o4755)

    assert space.write("run.sh", NEW, digest_of(OLD))
    assert (root / "run.sh").read_bytes() == NEW
    assert stat.S_IMODE((root / "run.sh").stat().st_mode) == 0o755


def test_what_is_there_already_is_not_written(space: Workspace, root: Path) -> None:
    (root / "a").write_bytes(NEW)
    before = (root / "a").stat().st_ino

    assert not space.write("a", NEW, digest_of(OLD))
    assert (root / "a").stat().st_ino == before


@pytest.mark.parametrize("base", [None, digest_of(OLD)], ids=["made by somebody", "changed by somebody"])
def test_another_file_than_the_base_is_left_alone(space: Workspace, root: Path, base: str | None) -> None:
    (root / "a").write_bytes(b"three")

    with pytest.raises(Conflict):
        space.write("a", NEW, base)
    assert tree(root) == {"a": b"three"}


@pytest.mark.parametrize("path", ["a", "gone/a"])
def test_a_base_that_is_gone_is_a_conflict_and_nothing_is_made(
    space: Workspace, root: Path, path: str
) -> None:
    with pytest.raises(Conflict):
        space.write(path, NEW, digest_of(OLD))
    assert list(root.iterdir()) == []


# Ways out.


@pytest.mark.parametrize("path", ["../space-evil/file", "/etc/passwd", "a/../../space-evil/file", "", ".",
                                  "..", "a//b", "a/", "./a", "a\0b", "../space/x"], ids=repr)  # fmt: skip
def test_a_path_that_leads_out_is_refused_here_too(space: Workspace, outside: Path, path: str) -> None:
    for act in (lambda: space.read(path), lambda: space.write(path, NEW, None)):
        with pytest.raises(Invalid):
            act()
    assert tree(outside) == {"file": SECRET}


def a_link_to_a_file(root: Path, outside: Path) -> str:
    (root / "a").symlink_to(outside / "file")
    return "a"


def a_link_to_a_folder(root: Path, outside: Path) -> str:
    (root / "a").symlink_to(outside)
    return "a/file"


def a_link_in_the_middle(root: Path, outside: Path) -> str:
    (root / "a").mkdir()
    (root / "a/b").symlink_to("../../space-evil")
    return "a/b/file"


def a_link_to_nothing(root: Path, outside: Path) -> str:
    (root / "a").symlink_to(outside / "new")
    return "a"


def a_link_that_stays_inside(root: Path, outside: Path) -> str:
    (root / "real").mkdir()
    (root / "a").symlink_to("real")
    return "a/file"


def a_hard_link(root: Path, outside: Path) -> str:
    os.link(outside / "file", root / "a")
    return "a"


def a_pipe(root: Path, outside: Path) -> str:
    os.mkfifo(root / "a")
    return "a"


def a_socket(root: Path, outside: Path) -> str:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(root / "a"))
    return "a"


def a_folder(root: Path, outside: Path) -> str:
    (root / "a").mkdir()
    return "a"


def through_a_file(root: Path, outside: Path) -> str:
    (root / "a").write_bytes(OLD)
    return "a/b"


def a_name_too_long(root: Path, outside: Path) -> str:
    return "x" * 256


def a_long_file(root: Path, outside: Path) -> str:
    with (root / "a").open("wb") as file:
        file.truncate(LARGEST + 1)
    return "a"


TRAPS = [a_link_to_a_file, a_link_to_a_folder, a_link_in_the_middle, a_link_to_nothing,
         a_link_that_stays_inside, a_hard_link, a_pipe, a_socket, a_folder, through_a_file,
         a_name_too_long, a_long_file]  # fmt: skip


@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap.__name__)
def test_what_is_no_plain_file_of_the_workspace_is_neither_read_nor_written(
    space: Workspace, root: Path, outside: Path, trap: Callable[[Path, Path], str]
) -> None:
    path = trap(root, outside)
    before = sorted(map(str, root.rglob("*")))

    for act in (
        lambda: space.read(path),
        lambda: space.write(path, NEW, None),
        lambda: space.write(path, NEW, digest_of(SECRET)),
    ):
        with pytest.raises(Invalid):
            act()
    assert tree(outside) == {"file": SECRET}
    assert sorted(map(str, root.rglob("*"))) == before


def naive_write(root: Path, path: str, content: bytes) -> None:
    """As it is often written: looks where the path leads, and opens it by name."""
    target = Path(os.path.realpath(root / path))
    if not str(target).startswith(str(root)):
        raise Invalid("leads out")
    (root / path).write_bytes(content)


@pytest.mark.parametrize("trap", [a_link_to_a_folder, a_hard_link], ids=lambda trap: trap.__name__)
def test_a_check_of_names_lets_out(root: Path, outside: Path, trap: Callable[[Path, Path], str]) -> None:
    """The control: a sibling whose name begins alike, and a hard link."""
    naive_write(root, trap(root, outside), NEW)

    assert tree(outside) == {"file": NEW}


def test_a_device_is_not_opened(root: Path, space: Workspace) -> None:
    try:
        os.mknod(root / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("only root can make a device")

    with pytest.raises(Invalid, match="no plain file"):
        space.read("null")


@pytest.mark.parametrize("path", ["proc/self/root/etc/passwd", "proc/self/status"])
def test_another_file_system_is_not_entered(path: str, opener: Opener) -> None:
    """Where something is mounted inside; /proc stands for it, and its magic links for what they lead to."""
    with pytest.raises(Invalid, match="another file system"):
        Workspace(Path("/"), opener).read(path)


# Races.


def test_a_folder_that_is_swapped_for_a_link_meanwhile_leads_nowhere(
    root: Path, outside: Path, opener: Opener
) -> None:
    """At each moment between two steps, in turn."""
    for moment in range(8):
        folder = root / f"a{moment}"
        folder.mkdir()
        (folder / "file").write_bytes(OLD)
        steps = iter(range(100))

        def swap(name: str, flags: int, mode: int, within: int) -> int:
            if next(steps) == moment:  # noqa: B023 - it is called within this turn
                folder.rename(root / f"gone{moment}")  # noqa: B023
                folder.symlink_to(outside)  # noqa: B023
            return opener(name, flags, mode, within)

        with suppress(Invalid):
            Workspace(root, swap).write(f"a{moment}/file", NEW, digest_of(OLD))
        assert tree(outside) == {"file": SECRET}, moment


def test_a_naive_open_loses_that_race(root: Path, outside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: swapped after the look, before the opening."""
    (root / "a").mkdir()
    (root / "a/file").write_bytes(OLD)
    look = os.path.realpath

    def swap(path: Path) -> str:
        found = look(path)
        (root / "a").rename(root / "gone")
        (root / "a").symlink_to(outside)
        return found

    monkeypatch.setattr(os.path, "realpath", swap)
    naive_write(root, "a/file", NEW)

    assert tree(outside) == {"file": NEW}


def test_swapping_all_the_time_leads_nowhere(space: Workspace, root: Path, outside: Path) -> None:
    """X4: while somebody swaps the folder for a link and back as fast as he can."""
    real, link, ended = root / "a", root / "link", threading.Event()
    real.mkdir()
    (real / "file").write_bytes(OLD)
    link.symlink_to(outside)

    def swap() -> None:
        while not ended.is_set():
            os.rename(real, root / "aside")
            os.rename(link, real)
            os.rename(real, link)
            os.rename(root / "aside", real)

    swapping = threading.Thread(target=swap)
    swapping.start()
    written, refused, now = 0, 0, OLD
    until = time.monotonic() + 60
    for number in itertools.count():
        # On a busy machine one of the two can have the processor for long.
        if (number >= 1000 and written and refused) or time.monotonic() > until:
            break
        content = str(number).encode()
        try:
            assert space.write("a/file", content, digest_of(now))
            written, now = written + 1, content
        except (Invalid, Conflict):
            refused += 1
    ended.set()
    swapping.join()

    assert tree(outside) == {"file": SECRET}
    assert written
    assert refused


def test_of_two_writers_one_wins_and_the_other_is_told(space: Workspace, root: Path) -> None:
    (root / "a").write_bytes(OLD)
    outcomes: list[str] = []
    barrier = threading.Barrier(8)

    def write(number: int) -> None:
        barrier.wait()
        try:
            space.write("a", f"{number}\n".encode(), digest_of(OLD))
            outcomes.append("written")
        except Conflict:
            outcomes.append("told")

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == ["told"] * 7 + ["written"]
    assert len(list(root.iterdir())) == 1


@pytest.mark.parametrize("known", [True, False], ids=["renameat2", "linking"])
def test_a_file_that_appears_meanwhile_is_not_replaced(
    root: Path, opener: Opener, known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not known:
        monkeypatch.setattr(workspace, "_renamed", lambda *names: errno.ENOSYS)

    def first(name: str, flags: int, mode: int, within: int) -> int:
        opened = opener(name, flags, mode, within)
        if flags & os.O_CREAT:
            (root / "a").write_bytes(b"three")
        return opened

    with pytest.raises(Conflict):
        Workspace(root, first).write("a", NEW, None)
    assert tree(root) == {"a": b"three"}


# Whole or not at all.


@pytest.mark.parametrize("base", [None, digest_of(OLD)], ids=["new", "changed"])
def test_a_disk_that_is_full_changes_nothing(
    space: Workspace, root: Path, monkeypatch: pytest.MonkeyPatch, base: str | None
) -> None:
    if base:
        (root / "a").write_bytes(OLD)
    before = tree(root)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        space.write("a", NEW, base)
    assert tree(root) == before


def test_a_disk_that_does_not_confirm_is_said(
    space: Workspace, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    confirmed = os.fsync

    def only_files(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(5, "Input/output error")
        confirmed(descriptor)

    monkeypatch.setattr(os, "fsync", only_files)
    with pytest.raises(Unsure):
        space.write("a", NEW, None)
    assert tree(root) == {"a": NEW}


@pytest.mark.parametrize("moment", ["before it was in its place", "after"])
def test_what_a_killed_writer_left_is_cleared_by_the_next(space: Workspace, root: Path, moment: str) -> None:
    left = root / ".teamroom-0123456789abcdef.part"
    (root / "a").write_bytes(OLD)
    if moment == "after":
        os.link(root / "a", left)
    else:
        left.write_bytes(NEW)

    assert space.write("a", NEW, digest_of(OLD))
    assert tree(root) == {"a": NEW}


def test_who_is_killed_leaves_no_file_with_two_names(
    space: Workspace, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "probe").write_bytes(OLD)
    folder = os.open(root, os.O_RDONLY)
    knows = workspace._renamed("probe", "probed", folder) == 0
    os.close(folder)
    if not knows:
        pytest.skip("nothing here knows renameat2")
    monkeypatch.setattr(os, "unlink", lambda *name, **where: None)
    space.write("a", NEW, None)

    assert space.read("a") == NEW


def test_the_names_of_files_in_writing_are_not_for_others(space: Workspace, root: Path) -> None:
    ours = ".teamroom-0123456789abcdef.part"
    for path in (ours, f"a/{ours}", f"{ours}/a"):
        with pytest.raises(Invalid, match="keeps for files"):
            space.write(path, NEW, None)
    (root / ours).mkdir()

    assert space.write("a", NEW, None)
    assert (root / ours).is_dir()


def test_what_is_too_long_is_not_written(space: Workspace, root: Path) -> None:
    with pytest.raises(Invalid):
        space.write("a", b"x" * (LARGEST + 1), None)
    assert list(root.iterdir()) == []
