"""The logs of the parts: bounded, and with their last lines at hand."""

from pathlib import Path

from hpt_web.embedded.logs import TAIL_LINES, PartLog


def test_a_log_is_rotated_by_size_and_nothing_else_is_kept(tmp_path: Path) -> None:
    log = PartLog(tmp_path / "web.log", limit=100, kept=2)
    for number in range(40):
        log.write(b"line %02d ....\n" % number)
    log.close()
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == ["web.log", "web.log.1", "web.log.2"]
    assert all(path.stat().st_size <= 100 for path in tmp_path.iterdir())
    kept = b"".join((tmp_path / name).read_bytes() for name in ("web.log.2", "web.log.1", "web.log"))
    lines = kept.split(b"\n")[:-1]
    assert lines == [b"line %02d ...." % number for number in range(40 - len(lines), 40)]


def test_a_log_goes_on_where_the_last_start_ended(tmp_path: Path) -> None:
    for text in (b"first\n", b"second\n"):
        log = PartLog(tmp_path / "web.log", limit=12)
        log.write(text)
        log.close()
    assert (tmp_path / "web.log.1").read_bytes() == b"first\n"
    assert (tmp_path / "web.log").read_bytes() == b"second\n"


def test_the_tail_is_the_last_lines_however_they_arrived(tmp_path: Path) -> None:
    log = PartLog(tmp_path / "web.log")
    for number in range(100):
        log.write(b"li")
        log.write(b"ne %d\nopen" % number if number == 99 else b"ne %d\n" % number)
    assert log.tail() == [*(f"line {number}" for number in range(100 - TAIL_LINES, 100)), "open"]
    log.forget()
    assert log.tail() == []


def test_a_full_disk_does_not_stop_a_part() -> None:
    log = PartLog(Path("/dev/full"))
    log.write(b"lost\n")
    assert log.tail() == ["lost"]
