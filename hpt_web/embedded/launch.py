"""Start one part: `python -I -S launch.py [--unprivileged=FOLDER] SIGNAL PARENT COMMAND...` becomes COMMAND.

A script of its own rather than a preexec_fn, so that it is safe whatever threads its caller has. It asks the kernel to
send SIGNAL to the part when PARENT, its supervisor, dies, even by kill -9.

`--unprivileged` is for PostgreSQL, which refuses to run as root. Instead of making an account for it, root becomes
"nobody" inside a user namespace of its own, which leaves all files root's; where namespaces are not allowed (Docker's
default), it really becomes "nobody" and keeps only the right to enter its home's folders (CAP_DAC_OVERRIDE). FOLDER is
PostgreSQL's data, which it wants to own: it changes hands when an installation moves from one kind of host to another.
"""

import ctypes
import os
import sys
from pathlib import Path

NOBODY = 65534
CLONE_NEWUSER = 0x10000000
PR_SET_PDEATHSIG, PR_SET_SECUREBITS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 1, 28, 47, 2
SECBIT_NO_SETUID_FIXUP = 1 << 2
CAP_DAC_OVERRIDE = 1
CAPABILITY_VERSION_3 = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")


def can_map_user() -> bool:
    """Whether this process may become nobody in a new user namespace (tried in a child, as it cannot be undone)."""
    child = os.fork()
    if child == 0:
        try:
            _map_user()
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def _map_user() -> None:
    uid, gid = os.geteuid(), os.getegid()
    _check(_libc.unshare(CLONE_NEWUSER), "unshare")
    for name, line in (("setgroups", "deny"), ("uid_map", f"{NOBODY} {uid} 1"), ("gid_map", f"{NOBODY} {gid} 1")):
        Path("/proc/self", name).write_text(line, "ascii")


def _drop_root() -> None:
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    # Keeps the capabilities over the change of user, and lets access(2) count them, which PostgreSQL asks.
    _check(_libc.prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0), "prctl(PR_SET_SECUREBITS)")
    os.setresuid(NOBODY, NOBODY, NOBODY)
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    only = 1 << CAP_DAC_OVERRIDE  # effective, permitted and inheritable, then the same for the upper 32 capabilities
    data = (ctypes.c_uint32 * 6)(only, only, only, 0, 0, 0)
    _check(_libc.capset(header, data), "capset")
    _check(_libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE, 0, 0), "prctl(PR_CAP_AMBIENT)")


def _give(folder: Path, uid: int) -> None:
    if folder.is_dir() and folder.lstat().st_uid != uid:
        for path in (*folder.rglob("*"), folder):  # the folder last, as its owner says whether all of it was done
            os.lchown(path, uid, -1)


def main(arguments: list[str]) -> None:
    option, _, folder = arguments[0].partition("=")
    unprivileged = option == "--unprivileged"
    signal_number, parent, *command = arguments[unprivileged:]
    if unprivileged and os.geteuid() == 0:
        if can_map_user():
            _give(Path(folder), 0)
            _map_user()
        else:
            _give(Path(folder), NOBODY)
            _drop_root()
    # After the change of user, which clears the wish.
    _check(_libc.prctl(PR_SET_PDEATHSIG, int(signal_number), 0, 0, 0), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != int(parent):
        sys.exit("the supervisor died before this part had started")
    os.execvp(command[0], command)  # noqa: S606, the command is ours and no shell reads it


if __name__ == "__main__":
    main(sys.argv[1:])
