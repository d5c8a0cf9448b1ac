"""What one command may take; bytes and seconds."""

from dataclasses import dataclass

MIB, GIB = 1 << 20, 1 << 30


@dataclass(frozen=True)
class Limits:
    seconds: float = 600.0
    """By the clock on the wall."""
    output: int = MIB
    """What is told of it while it runs; the rest is read and dropped."""
    drained: int = 2 * GIB
    """After so much output the command is ended."""
    address_space: int = 8 * GIB
    """Of each process. Programs that compile as they run reserve far more than they use."""
    file_size: int = GIB
    cpu_seconds: int = 600
    """Of each process."""
    open_files: int = 1024
    processes: int = 256
    """Threads among them; the kernel does not hold uid 0 to it."""

    def of_a_process(self) -> dict[str, int]:
        """By the names that the operating system has for them."""
        return {
            "AS": self.address_space,
            "FSIZE": self.file_size,
            "CPU": self.cpu_seconds,
            "NOFILE": self.open_files,
            "CORE": 0,
        }
