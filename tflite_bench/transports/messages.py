"""Messages of the serial protocol: what requests and answers hold; see docs/serial_protocol.md."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from tflite_bench.errors import RunnerError

ANSWER = 0x80
FAILURE = 0xFF

_UNKNOWN = 0xFFFFFFFF
_MOST_TENSORS = 64
_DTYPES = {0: "float32", 2: "int32", 3: "uint8", 6: "bool", 7: "int16", 9: "int8"}


class Kind(IntEnum):
    """What a host asks for."""

    HELLO = 1
    OPS = 2
    BEGIN = 3
    DATA = 4
    LOAD = 5
    INPUT = 6
    RUN = 7
    OUTPUT = 8
    PROFILE = 9


class Code(IntEnum):
    """Why a board refuses a request."""

    BAD_VERSION = 1
    UNKNOWN_REQUEST = 2
    BAD_LENGTH = 3
    NO_SESSION = 4
    NOT_SUPPORTED = 5
    MODEL_TOO_LARGE = 6
    INCOMPLETE = 7
    BAD_CHECKSUM = 8
    MISSING_OP = 9
    ARENA_TOO_SMALL = 10
    BAD_MODEL = 11
    INVOKE_FAILED = 12
    NOT_LOADED = 13
    BAD_INDEX = 14


class Counts(IntEnum):
    """What the counter of a board counts."""

    CYCLES = 0
    INSTRUCTIONS = 1
    NANOSECONDS = 2


class ProtocolError(RunnerError):
    """The board sends what the protocol does not know."""


@dataclass(frozen=True)
class Hello:
    """What a board is.

    Attributes:
        max_payload: Longest payload of a frame, in bytes.
        model_bytes: RAM for an uploaded file; 0 where the model is compiled in.
        arena_bytes: RAM for the arena.
        clock_hz: Clock of the counter.
        has_upload: True if models can be uploaded.
        has_profiler: True if it measures single operators.
        counts: What the counter counts.
        counter_bits: After how many bits the counter begins again.
        counter: Name of the counter, e.g. `"DWT"`.
        firmware: Name of the firmware.
        build: Versions of runtime and compiler.
        core: E.g. `"cortex-m4"`.
        board: Its name.
        runtime: E.g. `"tflm+cmsis-nn"`.
    """

    max_payload: int
    model_bytes: int
    arena_bytes: int
    clock_hz: int
    has_upload: bool
    has_profiler: bool
    counts: Counts
    counter_bits: int
    counter: str
    firmware: str
    build: str
    core: str
    board: str
    runtime: str


@dataclass(frozen=True)
class WireTensor:
    """An input or output as a board states it.

    Attributes:
        num_bytes: Its size.
        dtype: Its type; empty for one that the protocol does not know.
    """

    num_bytes: int
    dtype: str


@dataclass(frozen=True)
class Loaded:
    """A model that is ready to run.

    Attributes:
        num_bytes: Size of the `.tflite` file.
        checksum: CRC-32 of the file, as the board has computed it or, of a model compiled in, was told.
        arena_bytes: Arena that it uses; None where the runtime does not tell.
        persistent_bytes: Its part for structures.
        nonpersistent_bytes: Its part for activations.
        inputs: Its inputs.
        outputs: Its outputs.
    """

    num_bytes: int
    checksum: int
    arena_bytes: int | None
    persistent_bytes: int | None
    nonpersistent_bytes: int | None
    inputs: tuple[WireTensor, ...]
    outputs: tuple[WireTensor, ...]


class Failure(NamedTuple):
    """Why a board refuses.

    Attributes:
        code: The reason.
        number: A number that belongs to it, e.g. the bytes that are missing.
        text: A text that belongs to it, e.g. the name of an operator.
    """

    code: int
    number: int
    text: str


class Reader:
    """Reads the parts of an answer, one after the other; none is longer than what there is."""

    def __init__(self, payload: bytes, what: str) -> None:
        """Make a reader.

        Args:
            payload: The answer.
            what: How to call it in errors.
        """
        self._payload, self._what, self._at = payload, what, 0

    def numbers(self, form: str) -> tuple[int, ...]:
        """Return unsigned numbers in the form of `struct`, e.g. `"IB"`.

        Raises:
            ProtocolError: The answer is too short.
        """
        return struct.unpack("<" + form, self._take(struct.calcsize("<" + form)))

    def text(self) -> str:
        """Return a text, with what cannot be printed as `?`; raises as `numbers` does."""
        (length,) = self.numbers("B")
        text = self._take(length).decode("ascii", errors="replace")
        return "".join(letter if " " <= letter <= "~" else "?" for letter in text)

    def left(self) -> int:
        """Return how many bytes are left."""
        return len(self._payload) - self._at

    def end(self) -> None:
        """Raise a `ProtocolError` unless all was read."""
        if self.left():
            raise ProtocolError(f"bad {self._what} from the board: {self.left()} B more than expected")

    def _take(self, size: int) -> bytes:
        part = self._payload[self._at : self._at + size]
        if len(part) != size:
            raise ProtocolError(f"bad {self._what} from the board: expected {size} B more, received {len(part)}")
        self._at += size
        return part


def read_hello(payload: bytes) -> Hello:
    """Return what a board says of itself.

    Raises:
        ProtocolError: It says nothing sensible.
    """
    reader = Reader(payload, "greeting")
    max_payload, model_bytes, arena_bytes, clock_hz = reader.numbers("4I")
    flags, counts, bits = reader.numbers("3B")
    texts = [reader.text() for _ in range(6)]
    reader.end()
    if not (512 <= max_payload <= 1 << 20 and clock_hz > 0 and counts in list(Counts) and 16 <= bits <= 64):
        raise ProtocolError(
            f"bad greeting from the board: frames of {max_payload} B, a clock of {clock_hz} Hz, {bits} bits of {counts}"
        )
    has_upload = bool(flags & 1)
    return Hello(
        max_payload, model_bytes, arena_bytes, clock_hz, has_upload, bool(flags & 2), Counts(counts), bits, *texts
    )


def read_loaded(payload: bytes) -> Loaded:
    """Return what a board says of a model that it has loaded; raises as `read_hello` does."""
    reader = Reader(payload, "description of the model")
    num_bytes, checksum, *arena = reader.numbers("5I")
    counts = reader.numbers("2B")
    if max(counts) > _MOST_TENSORS:
        raise ProtocolError(f"bad description of the model from the board: {max(counts)} inputs or outputs")
    tensors = [[_read_tensor(reader) for _ in range(count)] for count in counts]
    reader.end()
    total, persistent, nonpersistent = (None if size == _UNKNOWN else size for size in arena)
    return Loaded(num_bytes, checksum, total, persistent, nonpersistent, tuple(tensors[0]), tuple(tensors[1]))


def _read_tensor(reader: Reader) -> WireTensor:
    num_bytes, dtype = reader.numbers("IB")
    return WireTensor(num_bytes, _DTYPES.get(dtype, ""))


def read_failure(payload: bytes) -> Failure:
    """Return why a board refuses; raises as `read_hello` does."""
    reader = Reader(payload, "error")
    code, number = reader.numbers("BI")
    failure = Failure(code, number, reader.text())
    reader.end()
    return failure


def read_number(payload: bytes) -> int:
    """Return the only number of an answer; raises as `read_hello` does."""
    reader = Reader(payload, "answer")
    (number,) = reader.numbers("I")
    reader.end()
    return number


def read_counts(payload: bytes, expected: int) -> tuple[int, ...]:
    """Return what the counter counted in each of some inferences.

    Args:
        payload: The answer.
        expected: Inferences that were asked for.

    Raises:
        ProtocolError: The answer tells of another number of them.
    """
    reader = Reader(payload, "counts")
    (number,) = reader.numbers("H")
    if number != expected:
        raise ProtocolError(f"bad counts from the board: expected {expected}, received {number}")
    counts = reader.numbers(f"{number}Q")
    reader.end()
    return counts


class Page(NamedTuple):
    """A part of a list that is longer than a frame.

    Attributes:
        total: Length of the whole list.
        rows: Those of this part, each a count, 0 where there is none, and a name.
    """

    total: int
    rows: Sequence[tuple[int, str]]


def read_page(payload: bytes, first: int, *, counted: bool) -> Page:
    """Return a part of a list of operators.

    Args:
        payload: The answer.
        first: Which row it was asked to begin with.
        counted: Whether there is a count before each name.

    Raises:
        ProtocolError: It is another part, or has more rows than the list.
    """
    reader = Reader(payload, "list of operators")
    total, start = reader.numbers("2H")
    rows: list[tuple[int, str]] = []
    while reader.left():
        count = reader.numbers("Q")[0] if counted else 0
        rows.append((count, reader.text()))
    if start != first or first + len(rows) > total or (first < total and not rows):
        raise ProtocolError(f"bad list of operators from the board: {len(rows)} from {start} on, of {total}")
    return Page(total, rows)
