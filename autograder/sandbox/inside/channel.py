"""Messages over a socket: a length, then bytes."""

from __future__ import annotations

import socket
import struct
import time

# The largest value that travels, in bytes, and the longest text of a cell, in characters.
MAX_BYTES = 256_000_000
MAX_TEXT = 100_000

# The largest message: a value, and what goes around it.
MAX_MESSAGE_BYTES = MAX_BYTES + 1_000_000
LENGTH = struct.Struct("<Q")


class ChannelClosedError(ConnectionError):
    """The other side has ended."""


class Channel:
    """One end of a connected pair of sockets."""

    def __init__(self, end: socket.socket) -> None:
        self.end = end

    def send(self, data: bytes) -> None:
        """Send one message.

        Raises:
            ChannelClosedError: there is nobody to receive it.
        """
        try:
            self.end.sendall(LENGTH.pack(len(data)) + data)
        except (BrokenPipeError, ConnectionResetError):
            raise ChannelClosedError("the other process has ended") from None

    def receive(self, timeout: float | None = None) -> bytes:
        """Wait for one message.

        Args:
            timeout: seconds for all of it; None waits forever.

        Raises:
            ChannelClosedError: the other side ended, or sent a length that no message has.
            TimeoutError: it did not come in time.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        (length,) = LENGTH.unpack(self._read(LENGTH.size, deadline))
        if length > MAX_MESSAGE_BYTES:
            raise ChannelClosedError("the other process sent too much")
        return self._read(length, deadline)

    def _read(self, count: int, deadline: float | None) -> bytes:
        parts = bytearray()
        while len(parts) < count:
            if deadline is not None:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TimeoutError("no answer in time")
                self.end.settimeout(left)
            else:
                self.end.settimeout(None)
            try:
                part = self.end.recv(min(count - len(parts), 1 << 20))
            except ConnectionResetError:
                part = b""
            if not part:
                raise ChannelClosedError("the other process has ended")
            parts += part
        return bytes(parts)

    def close(self) -> None:
        """Close this end."""
        self.end.close()
