"""The images that HPT has pulled to this host, and their end: nobody else would remove them.

Of each there is a note in a file of this host, as the engine is this host's: its time is that of the last use. An image
without a note was brought here by somebody else, and is theirs.
"""

from __future__ import annotations

import hashlib
import logging
import os
import time
from pathlib import Path

from django.conf import settings

from hpt_web.jobs.models import TuningJob
from hpt_web.jobs.running import backends
from tuning.backends.docker import images
from tuning.errors import BackendError

logger = logging.getLogger(__name__)

DAY = 86400.0


def note(image: str) -> None:
    """It was pulled by us, just now."""
    path = _note(image)
    try:
        path.parent.mkdir(exist_ok=True)
        new = path.with_suffix(f".{os.getpid()}")
        new.write_text(image)
        new.replace(path)
    except OSError as error:  # it is here, and that is what matters
        logger.warning("Image %s was pulled, but that cannot be noted, so it will stay: %s", image, error)


def use(image: str) -> None:
    """It is needed now, whoever has brought it here."""
    try:
        os.utime(_note(image))
    except FileNotFoundError:
        pass
    except OSError as error:
        logger.warning("That image %s is used cannot be noted: %s", image, error)


def remove_unused() -> str | None:
    """Remove the image that was not used for the longest time, if that is HPT_IMAGE_DAYS or more; which one it was.

    One at a call, as an engine may take its time. What a job may still need stays, and what somebody has named or made
    a container of.
    """
    notes = sorted((path.stat().st_mtime, path) for path in _folder().glob("*.image"))
    if settings.HPT_IMAGE_DAYS < 1 or not notes:
        return None
    named = TuningJob.objects.filter(ended_at=None).values_list("spec__image", flat=True)
    needed = {image for image in named if image}
    for image in needed:
        use(image)
    long_ago = time.time() - settings.HPT_IMAGE_DAYS * DAY
    for _, path in notes:
        if path.stat().st_mtime > long_ago:
            continue
        image = path.read_text()
        try:
            gone = images.remove(backends.engine(), image, needed)
        except BackendError as error:
            logger.warning("An image that nobody uses could not be removed; it is tried again: %s", error)
            continue
        if gone:
            path.unlink(missing_ok=True)
            logger.info("Removed the image %s: nothing has used it for %s days", image, settings.HPT_IMAGE_DAYS)
            return image
    return None


def _folder() -> Path:
    return Path(settings.HPT_HOME / "images")


def _note(image: str) -> Path:
    return _folder() / f"{hashlib.sha256(image.encode()).hexdigest()}.image"  # a reference may be too long for a name
