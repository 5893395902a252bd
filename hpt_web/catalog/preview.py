"""The beginning of a file, for people: a table if it reads as one, else text, else nothing but that it is binary."""

from __future__ import annotations

import csv
from typing import Literal, TypedDict

from hpt_web.catalog import storage
from hpt_web.catalog.models import DatasetVersion

MAX_BYTES = 64 * 1024
MAX_ROWS = 20
MAX_COLUMNS = 100
MAX_CELL = 200
_SEPARATORS = {".csv": ",", ".tsv": "\t", ".tab": "\t"}


class Preview(TypedDict):
    kind: Literal["table", "text", "binary"]
    columns: list[str]
    rows: list[list[str]]
    text: str
    truncated: bool


def preview(version: DatasetVersion) -> Preview:
    """Raises ContentMissing."""
    with storage.open_blob(version.digest) as file:
        data = file.read(MAX_BYTES)
    more = version.size > len(data)
    text = _text(data, more)
    if text is None:
        return Preview(kind="binary", columns=[], rows=[], text="", truncated=more)
    separator = next((sign for end, sign in _SEPARATORS.items() if version.filename.lower().endswith(end)), None)
    return _table(text, separator, more) if separator else Preview(
        kind="text", columns=[], rows=[], text=text, truncated=more
    )  # fmt: skip


def _text(data: bytes, cut: bool) -> str | None:
    """UTF-8 text, without the character that the end of the piece may have cut; None if it is something else."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if not cut or error.end < len(data) - 3:
            return None
        text = data[: error.start].decode("utf-8-sig")
    return None if "\x00" in text else text


def _table(text: str, separator: str, more: bool) -> Preview:
    lines = text.splitlines()
    if more and len(lines) > 1:
        lines.pop()  # it may be half a line
    rows: list[list[str]] = []
    try:
        for row in csv.reader(lines, delimiter=separator):
            rows.append([cell[:MAX_CELL] for cell in row[:MAX_COLUMNS]])
            if len(rows) > MAX_ROWS:
                break
    except csv.Error:
        return Preview(kind="text", columns=[], rows=[], text=text, truncated=more)
    truncated = more or len(lines) > MAX_ROWS + 1
    return Preview(
        kind="table", columns=rows[0] if rows else [], rows=rows[1 : MAX_ROWS + 1], text="", truncated=truncated
    )
