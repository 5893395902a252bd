"""The members of a job's document that say what becomes of its trials: which it continues, which are kept, spot."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tuning.documents import Document, shown

MAX_COUNT = 10_000
MAX_CONTINUED = 1_000
_TRIAL = re.compile(r"(?P<job>[a-zA-Z0-9](?:-*[a-zA-Z0-9]){0,62})/(?P<number>[1-9][0-9]{0,8})")


@dataclass(frozen=True, slots=True)
class Keep:
    """Of which trials the checkpoints and outputs are kept once they are over: the `best` by their objective, and the
    `last` that ended. The best one always is."""

    best: int = 1
    last: int = 1


@dataclass(frozen=True, slots=True)
class TrialReference:
    """A trial of a job of the same project."""

    job: str
    number: int

    def __str__(self) -> str:
        return f"{self.job}/{self.number}"


def read_keep(doc: Document | None) -> Keep | None:
    """None, which keeps all."""
    if doc is None:
        return None
    keep = Keep(
        best=doc.whole("best", low=1, high=MAX_COUNT, default=1) or 1,
        last=doc.whole("last", low=0, high=MAX_COUNT, default=1) or 0,
    )
    doc.close()
    return keep


def read_continued(doc: Document) -> tuple[TrialReference, ...]:
    """The trials of ``resume_child_runs`` (F29)."""
    name = "resume_child_runs"
    items = doc.raw(name)
    if items is None:
        return ()
    if not isinstance(items, (list, tuple)):
        doc.fault(name, f"is {shown(items)}; give a list of trials such as 'my-job/3'", "type")
        return ()
    if len(items) > MAX_CONTINUED:
        doc.fault(name, f"has {len(items)} trials; give at most {MAX_CONTINUED}", "limit")
        return ()
    found: list[TrialReference] = []
    for index, item in enumerate(items):
        match = _TRIAL.fullmatch(item) if isinstance(item, str) else None
        reference = match and TrialReference(match["job"], int(match["number"]))
        if reference is None:
            doc.fault(f"{name}[{index}]", f"is {shown(item)}; give a job and a trial's number: 'my-job/3'", "type")
        elif any(str(one).lower() == str(reference).lower() for one in found):
            doc.fault(f"{name}[{index}]", f"is {shown(item)} again; name each trial once", "duplicate")
        else:
            found.append(reference)
    return tuple(found)
