"""Frames of the serial protocol: checksummed, found again after lost or foreign bytes; see docs/serial_protocol.md."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

VERSION = 1

_HEAD_BYTES = 8
_TAIL_BYTES = 4
_MAX_BLOCK = 254
_LARGEST = 1 << 20


@dataclass(frozen=True)
class Frame:
    """One message on the wire.

    Attributes:
        kind: What it is; see `messages`.
        number: Number of the request; its answer has the same.
        session: Who asks: a number that the host has chosen.
        payload: What it holds.
        version: Version of the protocol that its sender speaks.
    """

    kind: int
    number: int
    session: int
    payload: bytes = b""
    version: int = VERSION


def encode(frame: Frame) -> bytes:
    """Return the bytes of a frame on the wire, with a zero before and after it.

    In between are no zeros (Cheshire and Baker, Consistent Overhead Byte Stuffing, 1999), so that whoever has lost the
    thread takes it up at the next zero.

    Args:
        frame: The frame; its numbers are unsigned, of 8, 16 and 32 bits.
    """
    head = bytes((frame.version, frame.kind)) + frame.number.to_bytes(2, "little") + frame.session.to_bytes(4, "little")
    body = head + frame.payload
    return b"\0" + _stuff(body + zlib.crc32(body).to_bytes(_TAIL_BYTES, "little")) + b"\0"


class Decoder:
    """Finds frames in a stream of bytes; whatever is none is left out and counted.

    Attributes:
        num_bad: Pieces between zeros that were no frame.
        strange: The first bytes of these, to show what another firmware sends.
    """

    def __init__(self, max_payload: int = _LARGEST) -> None:
        """Make a decoder.

        Args:
            max_payload: A longer payload, in bytes, is none; nothing longer is kept in memory.
        """
        self.num_bad = 0
        self.strange = b""
        self._longest = _stuffed_bytes(_HEAD_BYTES + max_payload + _TAIL_BYTES)
        self._piece = bytearray()
        self._too_long = False

    def feed(self, received: bytes) -> Iterator[Frame]:
        """Yield the frames that end in some bytes, which come after those of the calls before.

        Args:
            received: Any bytes, of any number.
        """
        *ends, rest = received.split(b"\0")
        for part in ends:
            self._append(part)
            frame = None if self._too_long else _decode(bytes(self._piece))
            if frame is None and self._piece:
                self.num_bad += 1
            self._piece.clear()
            self._too_long = False
            if frame is not None:
                yield frame
        self._append(rest)

    def _append(self, part: bytes) -> None:
        if len(self.strange) < 40:
            self.strange = (self.strange + part)[:40]
        self._too_long = self._too_long or len(self._piece) + len(part) > self._longest
        self._piece += part[: self._longest - len(self._piece)]


def _decode(piece: bytes) -> Frame | None:
    body = _unstuff(piece)
    if body is None or len(body) < _HEAD_BYTES + _TAIL_BYTES:
        return None
    content, check = body[:-_TAIL_BYTES], body[-_TAIL_BYTES:]
    if zlib.crc32(content) != int.from_bytes(check, "little"):
        return None
    number, session = int.from_bytes(content[2:4], "little"), int.from_bytes(content[4:8], "little")
    return Frame(content[1], number, session, content[_HEAD_BYTES:], content[0])


def _stuff(body: bytes) -> bytes:
    stuffed = bytearray()
    pieces = body.split(b"\0")
    for position, piece in enumerate(pieces):
        last = position == len(pieces) - 1
        while len(piece) > _MAX_BLOCK or (len(piece) == _MAX_BLOCK and not last):
            stuffed += bytes((_MAX_BLOCK + 1,)) + piece[:_MAX_BLOCK]
            piece = piece[_MAX_BLOCK:]
        stuffed += bytes((len(piece) + 1,)) + piece
    return bytes(stuffed)


def _unstuff(piece: bytes) -> bytes | None:
    body = bytearray()
    position = 0
    while position < len(piece):
        length = piece[position]
        block = piece[position + 1 : position + length]
        if length == 0 or len(block) != length - 1:
            return None
        body += block
        position += length
        if length <= _MAX_BLOCK and position < len(piece):
            body.append(0)
    return bytes(body)


def _stuffed_bytes(size: int) -> int:
    return size + size // _MAX_BLOCK + 1
