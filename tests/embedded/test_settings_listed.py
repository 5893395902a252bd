"""deploy/.env.example lists every setting, and nothing that is none."""

import re

from hpt_web.embedded import home, processes

INTERNAL = {processes.PART_VARIABLE, processes.ATTEMPT_VARIABLE}


def test_every_setting_is_listed_and_every_listed_one_exists() -> None:
    read = set(INTERNAL)
    for path in (home.REPOSITORY / "hpt_web").rglob("*.py"):
        text = path.read_text("utf-8")
        read |= set(re.findall(r"environ(?:\.get\(|\[)\"(HPT_\w+|DATABASE_URL|REDIS_URL)\"", text))
        read |= set(re.findall(r"_(?:whole|words|folder|number)\(\s*\"(HPT_\w+)\"", text))
    listed = set(re.findall(r"^# (\w+)=", (home.REPOSITORY / "deploy/.env.example").read_text("utf-8"), re.MULTILINE))
    assert listed == read - INTERNAL
