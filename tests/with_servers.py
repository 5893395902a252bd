"""`python -m tests.with_servers COMMAND...`: run a command with a throw-away PostgreSQL, Valkey and HPT_HOME."""

import os
import subprocess
import sys

from tests import servers


def main(command: list[str]) -> int:
    folder = servers.RunFolder()
    database = servers.start_postgres(folder.path)
    broker = servers.start_valkey(folder.path)
    own = {"HPT_HOME": str(folder.path), "DATABASE_URL": database.url, "REDIS_URL": broker.url}
    try:
        return subprocess.run(command, env={**os.environ, **own}, check=False).returncode
    finally:
        broker.stop()
        database.stop()
        folder.remove()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
