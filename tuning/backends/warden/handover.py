"""An order on its way: a message with an attempt's folder, and descriptors for it."""

import _socket
import posix
import sys

MOST_BYTES = 65536  # of a message: an attempt's folder
INTEGER = 4  # bytes of a descriptor in a message
# With each message: the order, where to answer, and the attempt's lock.
DESCRIPTORS = 3


def receive(sender: _socket.socket) -> tuple[bytes, list[int]]:
    """The next message and the descriptors that came with it; no message at the end."""
    room = _socket.CMSG_SPACE(DESCRIPTORS * INTEGER)
    try:
        message, extras, _, _ = sender.recvmsg(MOST_BYTES, room, _socket.MSG_CMSG_CLOEXEC)
    except ConnectionResetError:
        return b"", []
    descriptors = []
    for level, kind, data in extras:
        if (level, kind) == (_socket.SOL_SOCKET, _socket.SCM_RIGHTS):
            whole = range(0, len(data) - len(data) % INTEGER, INTEGER)
            descriptors += [int.from_bytes(data[at : at + INTEGER], sys.byteorder) for at in whole]
    return message, descriptors


def hand_on(receiver: _socket.socket, message: bytes, descriptors: list[int]) -> bool:
    """Whether whoever is at the other end is still there to take it."""
    numbers = b"".join(number.to_bytes(INTEGER, sys.byteorder) for number in descriptors)
    try:
        receiver.sendmsg([message], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, numbers)], _socket.MSG_NOSIGNAL)
    except OSError:
        return False
    return True


def close(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        posix.close(descriptor)
