"""In which isolation a worker runs the commands of agents, in words; the worker finds out which one works."""

BUBBLEWRAP, UNSHARE, LANDLOCK, NONE, REFUSED = "bubblewrap", "unshare", "landlock", "none", "refused"

_ROOM = (
    "Commands see the programs of the system and their workspace, nothing else of this machine, no other"
    " process and no network."
)
SENTENCES = {
    BUBBLEWRAP: f"{_ROOM} Bubblewrap holds them.",
    UNSHARE: f"{_ROOM} Namespaces of the kernel hold them.",
    LANDLOCK: (
        "Commands read the programs of the system and reach their workspace, no network and no memory of"
        " other processes. They see which files and processes there are, and a program that means to may"
        " outlive its end for a while. Landlock holds them."
    ),
    NONE: "Nothing holds commands: they read and change whatever the worker's user can.",
    REFUSED: (
        "Agents run no commands: neither bubblewrap, nor namespaces, nor Landlock works on this machine, and"
        " SHELL_WITHOUT_ISOLATION does not allow to do without."
    ),
}
"""What each protects, best first."""
