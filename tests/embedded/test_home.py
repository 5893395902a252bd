"""HPT_HOME: the sockets' places and the secrets."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hpt_web.embedded import home
from hpt_web.embedded.errors import HomeError


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HPT_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def deep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / ("x" * 120)
    monkeypatch.setenv("HPT_HOME", str(folder))
    return folder


def test_the_default_lies_beside_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HPT_HOME", raising=False)
    assert home.folder() == home.REPOSITORY / "var"


def test_a_relative_home_is_made_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HPT_HOME", "here")
    assert home.folder() == tmp_path / "here"


def test_a_new_home_is_for_its_user_only(root: Path) -> None:
    home.make()
    assert stat.S_IMODE(root.stat().st_mode) == 0o700


def test_the_mode_of_a_folder_that_was_there_is_left_alone(root: Path) -> None:
    root.mkdir(mode=0o755)
    home.make()
    assert stat.S_IMODE(root.stat().st_mode) == 0o755
    assert stat.S_IMODE((root / "secrets").stat().st_mode) == 0o700


def test_a_home_that_cannot_be_made_says_what_to_do(root: Path) -> None:
    root.write_text("a file")
    with pytest.raises(HomeError, match=r"HPT_HOME=.* cannot be used.*HPT_HOME=\.\.\."):
        home.make()


def test_sockets_lie_in_the_home_if_their_paths_are_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HPT_HOME", "/srv/hpt")
    assert home.postgres_socket_folder() == Path("/srv/hpt/postgres/run")
    assert home.valkey_socket() == Path("/srv/hpt/valkey/valkey.sock")


def test_a_long_home_has_its_sockets_in_a_short_folder_of_its_own(deep: Path) -> None:
    sockets = home.postgres_socket_folder()
    assert not sockets.is_relative_to(deep)
    assert len(str(sockets / ".s.PGSQL.5432")) <= home.SOCKET_PATH_LIMIT
    assert len(str(home.valkey_socket())) <= home.SOCKET_PATH_LIMIT
    home.make()
    try:
        assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
    finally:
        sockets.rmdir()


def test_two_long_homes_never_share_sockets(deep: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = home.postgres_socket_folder()
    monkeypatch.setenv("HPT_HOME", f"{deep}y")
    assert home.postgres_socket_folder() != first


def test_a_socket_folder_that_somebody_else_planted_is_refused(deep: Path) -> None:
    planted = home.postgres_socket_folder()
    planted.symlink_to("/tmp")
    try:
        with pytest.raises(HomeError, match="belongs to somebody else"):
            home.valkey_socket()
        with pytest.raises(HomeError, match="belongs to somebody else"):
            home.make()
    finally:
        planted.unlink()


def test_a_secret_is_made_once_and_kept_private(root: Path) -> None:
    first = home.secret("django")
    assert home.secret("django") == first
    assert home.secret("fields") != first
    assert len(first) == 44
    assert stat.S_IMODE((root / "secrets" / "django").stat().st_mode) == 0o600
    assert sorted(path.name for path in (root / "secrets").iterdir()) == ["django", "fields"]


def test_all_who_ask_first_at_once_get_the_same_secret(root: Path) -> None:
    home.make()
    with ThreadPoolExecutor(16) as pool:
        assert len(set(pool.map(lambda _: home.secret("django"), range(64)))) == 1
