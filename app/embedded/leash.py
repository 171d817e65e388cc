"""Becomes the program named in its arguments, bound to end when the process that started it ends.

Run as a script of its own, `leash.py PARENT SIGNAL UID GID PROGRAM ARGUMENT...`, rather than as a function between fork
and exec: after a fork beside other threads no Python is safe to run.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def main(parent: int, number: int, uid: int, gid: int, command: list[str]) -> None:
    """Never returns. The kernel sends `number` when the parent's starting thread ends, however it ends."""
    if uid != os.getuid():
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    # after the change of user: that clears the setting
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, number, 0, 0, 0) != 0:
        sys.exit(f"this system cannot bind a child to its parent: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != parent:
        sys.exit("the parent ended first")
    os.execv(command[0], command)  # noqa: S606 - it becomes the program that its caller names


if __name__ == "__main__":
    parent, number, uid, gid, *command = sys.argv[1:]
    main(int(parent), int(number), int(uid), int(gid), command)
