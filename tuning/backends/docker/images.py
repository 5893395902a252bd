"""Which image a name means, for good; and bringing it to this host.

A tag may mean another image tomorrow, so a job keeps the digest that it meant when the job was made.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from docker.errors import APIError, ImageNotFound, NotFound

from tuning.backends.docker.engine import CONFLICT, Engine
from tuning.errors import BackendError

PINNED = re.compile(r"(?:[^@\s]+@)?sha256:[0-9a-f]{64}\Z")
REFERENCE = re.compile(r"[a-z0-9](?:[\w.:/-]*\w)?\Z", re.ASCII | re.IGNORECASE)
MOST_CHARACTERS = 400
REMEDY = "if it needs credentials, an administrator can name a file with them in HPT_REGISTRY_CONFIG"
# What the engine says of a layer that is on its way, and of one that is there.
ON_THE_WAY = {"Pulling fs layer", "Waiting", "Downloading", "Verifying Checksum", "Download complete", "Extracting"}
THERE = {"Already exists", "Pull complete"}


@dataclass(frozen=True, slots=True)
class Progress:
    """Of a pull. Bytes are those of the layers whose size is known by now, so ``total_bytes`` grows at first."""

    layers: int
    layers_done: int
    bytes_done: int
    total_bytes: int


def resolve(engine: Engine, reference: str, *, fresh: bool = False) -> str:
    """What ``reference`` means now, pinned: ``repository@sha256:...``, or ``sha256:...`` if it is on this host alone.

    An image on this host counts before the registry's, as for ``docker run``, unless it should be ``fresh``.
    BackendError if neither has it; retryable if the registry did not answer.
    """
    if len(reference) > MOST_CHARACTERS or not (PINNED.match(reference) or REFERENCE.match(reference)):
        raise BackendError(f"image {reference[:MOST_CHARACTERS]!r} is no name of an image: write repository:tag")
    if PINNED.match(reference):
        return reference
    if reference.startswith("sha256:"):  # an engine takes the beginning of an id for whichever image it fits
        raise BackendError(f"image {reference!r} is no whole id: write sha256: and its 64 digits")
    first, second = (_at_registry, _on_host) if fresh else (_on_host, _at_registry)
    try:
        return first(engine, reference)
    except BackendError as error:
        try:
            return second(engine, reference)
        except BackendError as other:
            raise BackendError(
                f"image {reference} is neither on this host nor at its registry: {error if fresh else other}",
                retryable=error.retryable or other.retryable,
            ) from other


def _on_host(engine: Engine, reference: str) -> str:
    with engine.client(f"looking for the image {reference}") as client:
        try:
            found = client.inspect_image(reference)  # type: ignore[no-untyped-call]
        except ImageNotFound as error:
            raise BackendError(f"image {reference} is not on this host") from error
    repository = _repository(reference)
    digests = [str(digest) for digest in found.get("RepoDigests") or ()]
    own = [digest for digest in digests if digest.partition("@")[0] == repository]
    return own[0] if own else str(found["Id"])


def _at_registry(engine: Engine, reference: str) -> str:
    try:
        with engine.client(f"asking the registry for {reference}", registry=True) as client:
            found = client.inspect_distribution(reference)  # type: ignore[no-untyped-call]
    except BackendError as error:
        if isinstance(error.__cause__, NotFound) and engine.is_podman():  # to which this request is unknown
            raise BackendError(
                f"this engine is Podman, whose Docker socket does not ask registries what {reference} is: name the "
                f"image by its digest ({_repository(reference)}@sha256:...), or pull it to this host by hand first"
            ) from error
        if not _unknown_to_us(str(error)):
            raise
        raise BackendError(f"{error}; {REMEDY}") from error
    return f"{_repository(reference)}@{found['Descriptor']['digest']}"


def _repository(reference: str) -> str:
    """Without the tag: what follows the last colon, unless that belongs to a registry's port."""
    name, colon, tag = reference.rpartition(":")
    return name if colon and "/" not in tag else reference


class Pull:
    """Sums up what the engine tells of one pull, event by event."""

    def __init__(self) -> None:
        self._layers: dict[str, tuple[bool, int, int]] = {}  # done, bytes so far, bytes

    def take(self, event: Mapping[str, Any]) -> Progress:
        layer, said = str(event.get("id", "")), str(event.get("status", ""))
        if said in ON_THE_WAY | THERE:
            _, done, total = self._layers.get(layer, (False, 0, 0))
            detail = event.get("progressDetail") or {}
            if said == "Downloading":
                done, total = int(detail.get("current") or done), int(detail.get("total") or total)
            elif said != "Pulling fs layer" and said != "Waiting":
                done = total  # it is extracted from here on
            self._layers[layer] = (said in THERE, done, total)
        return self.progress

    @property
    def progress(self) -> Progress:
        layers = self._layers.values()
        return Progress(
            layers=len(layers),
            layers_done=sum(there for there, _, _ in layers),
            bytes_done=sum(done for _, done, _ in layers),
            total_bytes=sum(total for _, _, total in layers),
        )


def present(engine: Engine, pinned: str) -> bool:
    """Whether the image is on this host."""
    with engine.client(f"looking for the image {pinned}") as client:
        try:
            client.inspect_image(pinned)  # type: ignore[no-untyped-call]
        except ImageNotFound:
            return False
        return True


def pull(
    engine: Engine,
    pinned: str,
    progress: Callable[[Progress], object] = lambda _: None,
) -> None:
    """Bring the image to this host, if it is not there. ``progress`` is called when something has changed.

    BackendError, not retryable if there is none such, or the registry does not let us in; retryable if the registry
    does not answer, or nothing was heard of the pull for the engine's ``silent_seconds``.
    """
    if present(engine, pinned):
        return
    if "@" not in pinned:
        raise BackendError(f"image {pinned} was made on a host and is not there: load it again, or push it")
    state, told = Pull(), Progress(0, 0, 0, 0)
    with engine.client(f"pulling {pinned}", registry=True) as client:
        try:
            for event in client.pull(pinned, stream=True, decode=True):
                if "error" in event:
                    raise _not_pulled(pinned, str(event["error"]))
                if (now := state.take(event)) != told:
                    told = now
                    progress(now)
        except NotFound:
            raise
        except APIError as error:
            raise _not_pulled(pinned, str(error.explanation or error)) from error


def remove(engine: Engine, pinned: str, needed: Collection[str] = ()) -> bool:
    """Take an image from this host that was pulled by its digest; whether it is gone.

    It stays if it is one of the ``needed`` (references with a digest, or ids), if it has a tag, which somebody gave it,
    or if there is a container of it, running or not.
    """
    with engine.client(f"removing the image {pinned}") as client:
        try:
            found = client.inspect_image(pinned)  # type: ignore[no-untyped-call]
        except ImageNotFound:
            return True
        tagged = any("<none>" not in tag for tag in found.get("RepoTags") or ())
        if tagged or not {pinned, found["Id"], *(found.get("RepoDigests") or ())}.isdisjoint(needed):
            return False
        try:
            client.remove_image(pinned)
        except ImageNotFound:
            return True
        except APIError as error:
            if error.status_code != CONFLICT:
                raise
            return False
    return True


def _not_pulled(pinned: str, said: str) -> BackendError:
    remedy = f"; {REMEDY}" if _unknown_to_us(said) else ""
    return BackendError(f"pulling {pinned}: {said}{remedy}", retryable=not _refused(said))


def _unknown_to_us(said: str) -> bool:
    """Whether the registry asks who we are, or does not let us in."""
    return any(word in said for word in ("denied", "unauthorized", "no basic auth"))


def _refused(said: str) -> bool:
    """Whether the registry has answered that we will not get it."""
    return _unknown_to_us(said) or any(word in said for word in ("not found", "unknown"))
