"""Why the embedded service cannot start. Every message is for the person at the console and says what to do.

EmbeddedError
    HomeError        HPT_HOME cannot be used, or is in use
    PostgresError    the embedded database cannot be made or started
    ValkeyError      the embedded queue cannot be started
    PartError        a part was not ready in time
"""


class EmbeddedError(Exception):
    pass


class HomeError(EmbeddedError):
    pass


class PostgresError(EmbeddedError):
    pass


class ValkeyError(EmbeddedError):
    pass


class PartError(EmbeddedError):
    pass
