"""Naming this process so that another one can tell, later, whether it is still there (Linux; elsewhere only age tells)."""

import os
import socket


def _boot_id() -> str:
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def _started_at(pid: int) -> str | None:
    """Return the start time of a process in clock ticks since boot, None if it does not run (a zombie no longer does)."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]


class HostProcesses:
    """The `Processes` port: a name is host, boot, number and start time, since numbers are used again."""

    def own_name(self) -> str:
        """Return the name of this process (of a forked child its own)."""
        pid = os.getpid()
        return f"{socket.gethostname()}/{_boot_id()}/{pid}/{_started_at(pid) or ''}"

    def is_gone(self, name: str) -> bool:
        """Return True only if the named process ran on this host and certainly runs no more."""
        parts = name.rsplit("/", 3)
        if len(parts) != 4 or not parts[2].isdecimal() or parts[0] != socket.gethostname():
            return False
        _, boot, pid, started = parts
        if not boot or not started:
            return False
        return boot != _boot_id() or _started_at(int(pid)) != started
