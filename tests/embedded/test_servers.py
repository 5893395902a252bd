"""The embedded PostgreSQL and Valkey by themselves."""

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from hpt_web.embedded import processes
from hpt_web.embedded.errors import PostgresError, ValkeyError
from hpt_web.embedded.postgres import Postgres
from hpt_web.embedded.valkey import Valkey
from tests import servers


def test_the_database_sorts_the_same_on_every_host_and_speaks_utc(tmp_path: Path) -> None:
    server = servers.start_postgres(tmp_path)
    try:
        with psycopg.connect(server.url) as connection:
            row = connection.execute(
                "select pg_encoding_to_char(encoding), datlocprovider, datlocale, current_setting('TimeZone'),"
                " current_setting('listen_addresses') from pg_database where datname = current_database()"
            ).fetchone()
        assert row == ("UTF8", "b", "C.UTF-8", "UTC", "")
        assert (tmp_path / ".s.PGSQL.5432").stat().st_mode & 0o077 == 0
    finally:
        server.stop()


def test_what_a_killed_initdb_left_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "data.new").mkdir()
    (tmp_path / "data.new" / "PG_VERSION").write_text("half")
    server = Postgres(tmp_path / "data", tmp_path)
    server.prepare()
    assert not (tmp_path / "data.new").exists()
    assert (tmp_path / "data" / "PG_VERSION").read_text() == "18\n"


def test_data_of_another_major_version_are_refused_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "PG_VERSION").write_text("17\n")
    with pytest.raises(PostgresError, match=r"made by PostgreSQL 17, but this release has 18.*HPT_POSTGRES_BIN"):
        Postgres(tmp_path / "data", tmp_path).prepare()


def test_a_database_that_cannot_be_made_shows_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "initdb").write_text("#!/bin/sh\necho no space left >&2\nexit 1\n")
    (tools / "initdb").chmod(0o755)
    monkeypatch.setenv("HPT_POSTGRES_BIN", str(tools))
    with pytest.raises(PostgresError, match="no space left"):
        Postgres(tmp_path / "data", tmp_path).prepare()
    assert not (tmp_path / "data").exists()


def test_a_missing_queue_binary_names_the_remedies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "pdp11")
    with pytest.raises(ValkeyError, match=r"HPT_VALKEY_SERVER.*REDIS_URL"):
        Valkey(tmp_path, tmp_path / "socket").command()


def test_leftovers_are_the_marked_processes_of_this_home_without_trials(tmp_path: Path) -> None:
    def start(**marks: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", "print(flush=True); import time; time.sleep(60)"]
        process = subprocess.Popen(command, env={**os.environ, **marks}, stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()  # it runs with its own environment by now
        return process

    mine, other = str(tmp_path / "mine"), str(tmp_path / "other")
    part = start(HPT_HOME=mine, HPT_PART="web")
    bystanders = [
        start(HPT_HOME=other, HPT_PART="web"),
        start(HPT_HOME=mine),  # a person's own command in this home
        start(HPT_HOME=mine, HPT_PART="follower", HPT_ATTEMPT="1"),
    ]
    try:
        assert processes.leftovers(Path(mine)) == [part.pid]
        assert processes.leftovers(Path(mine), "web") == [part.pid]
        assert processes.leftovers(Path(mine), "worker") == []
        processes.kill([part.pid])
        assert part.wait() == -9
        assert [process.poll() for process in bystanders] == [None, None, None]
    finally:
        for process in (part, *bystanders):
            process.kill()
            process.wait()
