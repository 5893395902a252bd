"""`manage.py prepare` with servers that do not answer."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hpt_web.embedded import home


@pytest.mark.parametrize(
    ("variable", "url", "told"),
    [
        ("DATABASE_URL", "postgresql://hpt:hidden-word@127.0.0.1:1/hpt", "The server of DATABASE_URL does not answer"),
        ("REDIS_URL", "redis://:hidden-word@127.0.0.1:1/0", "The server of REDIS_URL does not answer"),
        ("DATABASE_URL", "mysql://127.0.0.1/hpt", "only postgresql:// is supported"),
    ],
)
def test_a_server_that_does_not_answer_is_named_without_its_password(
    tmp_path: Path, variable: str, url: str, told: str
) -> None:
    said = subprocess.run(
        [sys.executable, str(home.REPOSITORY / "manage.py"), "prepare", "--patience", "0.1"],
        env={**os.environ, "HPT_HOME": str(tmp_path), variable: url},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert said.returncode == 1
    assert told in said.stderr
    assert "hidden-word" not in said.stderr
    assert "Traceback" not in said.stderr
