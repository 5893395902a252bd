"""Which image a job's containers are made from, pinned when the job is made, and bringing it to this host.

A pull may take many minutes, so nobody waits for it, and no trial holds a place meanwhile: whoever would start trials
begins it in a thread and is told how far it is; the sweep asks again. It dies with its process, and the next one goes
on with the layers that are there. After some tries it has failed, and a person is told why.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from dataclasses import replace

from django.conf import settings
from django.core.cache import cache

from hpt_web.catalog.models import AlgorithmVersion
from hpt_web.jobs.running import backends, pulled
from hpt_web.jobs.running.backends import CONTAINER, PROCESS
from tuning.backends.docker import hosts, images
from tuning.backends.docker.images import PINNED, Progress
from tuning.documents import shown
from tuning.errors import BackendError, Fault
from tuning.specification import JobSpec, Resources

logger = logging.getLogger(__name__)

QUICK_SECONDS = 1.0  # what a pull may take before it is told of as one
SEEN_SECONDS = 10.0  # for which an image that was here is not looked for again
TRIES, TIMES_LONGER = 4, 2  # of a pull, and from one pause between them to the next
TOLD_SECONDS = 60.0  # how old the news of a failure may be: whoever asks later has had something mended
REMEDY = "see whether this host reaches the registry, and whether it still has the image; then have the job go on"
UNANSWERED_SECONDS = 30  # for which a form need not ask a registry again that did not answer
MEGABYTE = 1e6


# --- which image ------------------------------------------------------------------------------------------------------


def placed(spec: JobSpec, version: AlgorithmVersion) -> tuple[JobSpec, list[Fault]]:
    """The specification with where its trials run and the image that this means now, and what is wrong with that."""
    if version.kind == AlgorithmVersion.Kind.EXTERNAL:
        return replace(spec, runs_in=None, image=None), _not_here(spec)
    if version.kind == AlgorithmVersion.Kind.IMAGE:
        fault = _not_its_image(spec, version)
        wanted, field = spec.image or version.image, "image" if spec.image else "algorithm.version"
        if spec.runs_in == PROCESS:
            fault = Fault("runs_in", "is process; the algorithm is an image, which runs in a container: leave it out")
    else:
        inside = spec.runs_in or version.runs_in or (CONTAINER if spec.image or version.base_image else PROCESS)
        if inside == PROCESS:
            message = (
                f"is {shown(spec.image)}; these trials run as processes: set runs_in to container, or leave it out"
            )
            return replace(spec, runs_in=PROCESS), [Fault("image", message)] if spec.image else []
        fault, field = None, "image" if spec.image or not version.base_image else "algorithm.version"
        wanted = spec.image or version.base_image or settings.HPT_BASE_IMAGE
        if not wanted:
            message = (
                "is missing; these trials run in containers, and neither the algorithm nor HPT_BASE_IMAGE names one"
            )
            fault = Fault("image", message, "required")
    if fault is not None:
        return spec, [fault]
    try:
        return replace(spec, runs_in=CONTAINER, image=_pinned(wanted)), []
    except BackendError as error:
        return spec, [Fault(field, f"runs in the image {shown(wanted)}, but {error}", "unknown")]


def _not_here(spec: JobSpec) -> list[Fault]:
    given = {"runs_in": spec.runs_in, "image": spec.image}
    message = "is {}; the trials of this algorithm run elsewhere: leave it out"
    return [Fault(name, message.format(shown(value))) for name, value in given.items() if value]


def keep_alive_faults(asked: Resources | None, spec: JobSpec, version: AlgorithmVersion) -> list[Fault]:
    """Only a container can wait for a next trial. ``asked`` is what the document says itself."""
    external = version.kind == AlgorithmVersion.Kind.EXTERNAL
    if asked is None or not asked.keep_alive_seconds or not (external or spec.runs_in == PROCESS):
        return []
    where = "the trials of this algorithm run elsewhere" if external else "these trials run as processes"
    remedy = "leave it out" if external else "set runs_in to container, or leave it out"
    message = f"is {asked.keep_alive_seconds}; {where}, and only a container is kept for the next: {remedy}"
    return [Fault("resources.keep_alive_seconds", message)]


def _not_its_image(spec: JobSpec, version: AlgorithmVersion) -> Fault | None:
    """A job may only say which digest of its algorithm's image it means: the one that an earlier job was pinned to."""
    if spec.image is None or (PINNED.match(spec.image) and _repository(spec.image) in ("", _repository(version.image))):
        return None
    message = f"is {shown(spec.image)}; the algorithm's is {version.image}: leave it out, or give that with its digest"
    return Fault("image", message)


def _repository(reference: str) -> str:
    """Without tag and digest; empty for a bare digest."""
    name = reference.partition("@")[0]
    if name.startswith("sha256:"):
        return ""
    head, _, last = name.rpartition("/")
    return f"{head}/{last.partition(':')[0]}".lstrip("/")


def _pinned(reference: str) -> str:
    engine = backends.engine()
    if said := cache.get(key := f"image-unanswered:{reference}"):
        raise BackendError(said, retryable=True)
    try:
        return images.resolve(engine, reference)
    except BackendError as error:
        if error.retryable:
            cache.set(key, str(error), UNANSWERED_SECONDS)
        raise


# --- bringing it here -------------------------------------------------------------------------------------------------


class _Pull:
    """One image on its way here, in a thread: found, or pulled with some tries."""

    def __init__(self, image: str) -> None:
        self._image = image
        self._progress = Progress(0, 0, 0, 0)
        self._failed = ""
        self.error: BackendError | None = None
        self.ended_at = math.inf  # monotonic
        self.thread = threading.Thread(target=self._run, name=f"pull {image}", daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.error = self._brought()
        except BackendError as error:  # an engine that does not answer: nobody has tried to pull
            self.error = error
        except Exception as error:
            logger.exception("Could not pull %s", self._image)
            self.error = BackendError(f"pulling {self._image}: {error}", retryable=True)
        self.ended_at = time.monotonic()

    def _brought(self) -> BackendError | None:
        pause = float(settings.HPT_PULL_RETRY_SECONDS)
        for left in reversed(range(TRIES)):
            if images.present(backends.engine(), self._image):
                return None
            try:
                images.pull(backends.engine(), self._image, self._take)
                pulled.note(self._image)
            except BackendError as error:
                if not error.retryable:
                    return error
                if not left:
                    return BackendError(f"{error}. It was tried {TRIES} times: {REMEDY}")
                self._failed = f"{error} (it is tried {left} more times)"
            else:
                return None
            self._progress = Progress(0, 0, 0, 0)
            time.sleep(pause)
            pause *= TIMES_LONGER
        return None

    def _take(self, progress: Progress) -> None:
        self._progress, self._failed = progress, ""

    def __str__(self) -> str:
        told, failed = self._progress, self._failed
        if failed:
            return f"its image is not here yet: {failed}"
        if not told.layers:
            return f"its image {self._image} is being pulled"
        megabytes = f"{told.bytes_done / MEGABYTE:.0f} of {told.total_bytes / MEGABYTE:.0f} MB"
        return f"its image is being pulled: {told.layers_done} of {told.layers} layers, {megabytes}"


_pulls: dict[str, _Pull] = {}
_seen: dict[str, float] = {}  # when an image was last known to be here, monotonic
_lock = threading.Lock()


def require(image: str) -> None:
    """Return if the image is on this host; else see to it that it comes. Takes QUICK_SECONDS at most.

    Raises BackendError: retryable, with how far it is, while it is on its way; not so if it will not come.
    """
    now = time.monotonic()
    with _lock:
        if now - _seen.get(image, -math.inf) < SEEN_SECONDS:
            return
        pull = _pulls.get(image)
        if fresh := pull is None or now - pull.ended_at > TOLD_SECONDS:
            pull = _pulls[image] = _Pull(image)
    if fresh:
        pull.thread.join(QUICK_SECONDS)
    if pull.thread.is_alive():
        raise BackendError(str(pull), retryable=True)
    with _lock:
        _pulls.pop(image, None)  # the next one to ask begins anew
        if pull.error is None:
            _seen[image] = time.monotonic()
    if pull.error is not None:
        raise pull.error
    pulled.use(image)


# --- what administrators should know ----------------------------------------------------------------------------------


def concerns() -> list[str]:
    """Of this host's engine; empty if it is in order, or there is none."""
    if backends.engine_url() is None:
        return []
    try:
        return hosts.concerns(backends.engine())
    except BackendError as error:
        return [str(error)]
