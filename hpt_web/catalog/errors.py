"""Errors of content. What is wrong with rights, names and documents is said by `accounts.errors`.

CatalogError
├── TooLarge         send less; the message has the limit
├── CutOff           send it again, whole; nothing of it was kept
├── DiskFull         an administrator must make room; nothing of it was kept
└── ContentMissing   a row speaks of content that is not in the store: restore it from a backup
"""


class CatalogError(Exception):
    """Base of all errors that this app raises on purpose."""


class TooLarge(CatalogError):
    """`what` is larger than `limit` bytes."""

    def __init__(self, limit: int, *, what: str = "The file") -> None:
        self.limit = limit
        super().__init__(f"{what} is larger than the limit of {limit:,} bytes ({_in_units(limit)}).")


class CutOff(CatalogError):
    """The connection ended before the announced length was there."""

    def __init__(self, received: int, announced: int) -> None:
        super().__init__(f"Only {received:,} of {announced:,} bytes arrived; nothing of it was kept. Send it again.")


class DiskFull(CatalogError):
    """The store's file system has no room left."""


class ContentMissing(CatalogError):
    """The store does not hold this digest."""


def _in_units(size: int) -> str:
    amount = float(size)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:g} {unit}" if amount == int(amount) else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"
