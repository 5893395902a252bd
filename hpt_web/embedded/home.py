"""Where one installation keeps everything: HPT_HOME, its sockets and its secrets.

Settings, supervisor and tests all ask here, so that both ends of a socket agree on its place. Standard library only,
as it is imported before Django's settings exist.

    HPT_HOME/                 0700
        secrets/<name>        0600, made when first asked for
        postgres/data, run    the embedded database and its socket
        valkey/               the append-only file and the socket
        logs/<part>.log       what each part prints
        uploads/              request bodies while they arrive
"""

import base64
import hashlib
import os
import stat
import tempfile
from pathlib import Path

from hpt_web.embedded.errors import HomeError

REPOSITORY = Path(__file__).resolve().parents[2]

# The kernel's sockaddr_un holds 108 bytes on Linux and 104 on macOS, both with a closing zero.
SOCKET_PATH_LIMIT = 103
POSTGRES_PORT = 5432


def folder() -> Path:
    """HPT_HOME as an absolute path: the variable, or `var` beside the code. It need not exist yet."""
    given = os.environ.get("HPT_HOME", "")
    return Path(given).expanduser().resolve() if given else REPOSITORY / "var"


def make() -> Path:
    """Create HPT_HOME, and the short socket folder if it needs one, for this user only; return HPT_HOME.

    Raises:
        HomeError: the folder cannot be made or written, or the socket folder belongs to somebody else.
    """
    root = folder()
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for part in ("logs", "secrets", "uploads"):
            (root / part).mkdir(mode=0o700, exist_ok=True)
        _socket_root().mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise HomeError(f"HPT_HOME={root} cannot be used: {error}. Name a folder of your own: HPT_HOME=...") from error
    _refuse_stranger(_socket_root())
    return root


def postgres_socket_folder() -> Path:
    """The folder of PostgreSQL's unix socket (`.s.PGSQL.5432`), short enough for the kernel's limit."""
    root = _socket_root()
    return root / "postgres" / "run" if root == folder() else root


def valkey_socket() -> Path:
    """Valkey's unix socket, short enough for the kernel's limit."""
    root = _socket_root()
    return root / "valkey" / "valkey.sock" if root == folder() else root / "valkey.sock"


def uploads() -> Path:
    """Where request bodies wait to be read, on the disk that they are for."""
    return make() / "uploads"


def secret(name: str) -> str:
    """The named secret of this installation: 32 random bytes in URL-safe base64 (44 characters), made at first use.

    Safe when several processes ask for the first time at once: all get the same.
    """
    path = folder() / "secrets" / name
    try:
        return path.read_text("ascii")
    except FileNotFoundError:
        pass
    make()
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{name}.")
    with os.fdopen(descriptor, "wb") as file:
        file.write(base64.urlsafe_b64encode(os.urandom(32)))
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)  # unlike a rename, this refuses to replace what another process made meanwhile
    except FileExistsError:
        pass
    finally:
        Path(draft).unlink()
    return path.read_text("ascii")


def _socket_root() -> Path:
    """HPT_HOME, or a short folder under /tmp derived from it where HPT_HOME is too long for a socket's path."""
    root = folder()
    longest = root / "postgres" / "run" / f".s.PGSQL.{POSTGRES_PORT}"
    if len(os.fsencode(longest)) <= SOCKET_PATH_LIMIT:
        return root
    digest = hashlib.sha256(os.fsencode(root)).hexdigest()[:16]
    short = Path("/tmp") / f"hpt-{os.getuid()}-{digest}"  # noqa: S108, made 0700 and refused if not ours
    _refuse_stranger(short)
    return short


def _refuse_stranger(path: Path) -> None:
    """Names under /tmp can be guessed: never trust a socket folder that somebody else made there."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise HomeError(f"{path} belongs to somebody else. Remove it, or set HPT_HOME to a shorter path.")
