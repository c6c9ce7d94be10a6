"""What the measuring firmware is asked for: a model is uploaded, loaded, fed and run."""

import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tflite_bench.errors import DoesNotFitError, RunnerError
from tflite_bench.model.info import ModelInfo
from tflite_bench.processes.isolation import Array
from tflite_bench.transports import messages
from tflite_bench.transports.board_link import BoardLink, BoardRefusalError, BoardResetError
from tflite_bench.transports.messages import Code, Counts, Kind, Loaded, ProtocolError

_MAX_RESETS = 3
_LOAD_SECONDS = 30.0
_BUSY_RESEND_SECONDS = 5.0
# A clock that is this much faster, or slower, than this PC's is not what the firmware says.
_FASTEST, _SLOWEST = 1.05, 0.8
_CHECKED_SECONDS = 0.3
_TOLERANCE_SECONDS = 0.02


@dataclass(frozen=True)
class Batch:
    """Some inferences, one after the other.

    Attributes:
        counts: What the board's counter counted in each.
        elapsed_s: How long this PC waited for all, the wire included.
    """

    counts: tuple[int, ...]
    elapsed_s: float


class Client:
    """A board that models are measured on.

    Attributes:
        link: The wire.
    """

    def __init__(self, link: BoardLink) -> None:
        """Make a client.

        Args:
            link: The wire.
        """
        self.link = link

    @property
    def max_runs(self) -> int:
        """Most inferences that the board runs at once."""
        return (self.link.hello.max_payload - 2) // 8

    @property
    def wrap_s(self) -> float:
        """After which time the counter begins again, in seconds."""
        return float(2**self.link.hello.counter_bits) / self.link.hello.clock_hz

    def ops(self) -> tuple[str, ...]:
        """Return the operators that the firmware was built with."""
        return tuple(name for _, name in self._list(Kind.OPS, counted=False))

    def load(self, model: bytes, info: ModelInfo) -> Loaded:
        """Bring a model onto the board; after a reset an upload goes on where it was.

        Args:
            model: Bytes of a `.tflite` file.
            info: What it holds.

        Raises:
            DoesNotFitError: It is larger than the memories of the board, or has an operator that is not built in.
            RunnerError: The firmware has another model compiled in, or the board fails.
        """
        for attempt in range(_MAX_RESETS):
            try:
                if self.link.hello.has_upload:
                    self._upload(model)
                loaded = messages.read_loaded(self._ask(Kind.LOAD, limit_s=_LOAD_SECONDS))
                break
            except BoardResetError:
                if attempt == _MAX_RESETS - 1:
                    raise
                self.link.greet()
        self._check(loaded, model, info)
        return loaded

    def set_inputs(self, values: Sequence[Array]) -> None:
        """Write the inputs of one inference."""
        for index, value in enumerate(values):
            content = np.ascontiguousarray(value).tobytes()
            size = self.link.hello.max_payload - 5
            for offset in range(0, len(content), size):
                head = bytes((index,)) + offset.to_bytes(4, "little")
                self._ask(Kind.INPUT, head + content[offset : offset + size])

    def output(self, index: int, num_bytes: int) -> bytes:
        """Return an output of the last inference."""
        content = b""
        while len(content) < num_bytes:
            wanted = min(num_bytes - len(content), self.link.hello.max_payload)
            place = len(content).to_bytes(4, "little") + wanted.to_bytes(4, "little")
            part = self._ask(Kind.OUTPUT, bytes((index,)) + place, limit_s=4 * self.link.answer_seconds(wanted))
            if len(part) != wanted:
                raise ProtocolError(f"bad output from the board: expected {wanted} B, received {len(part)}")
            content += part
        return content

    def run(self, count: int, *, limit_s: float) -> Batch:
        """Run some inferences on the inputs that were set.

        Args:
            count: How many, `max_runs` at most.
            limit_s: Longest time that they may take, in seconds.

        Raises:
            RunnerError: The board does not answer in time, or its counts cannot be those of its clock.
        """
        start = time.monotonic()
        wire_s = self.link.answer_seconds(8 * count)
        answer = self._ask(
            Kind.RUN, count.to_bytes(2, "little"), limit_s=limit_s + 4 * wire_s, resend_s=_BUSY_RESEND_SECONDS
        )
        batch = Batch(messages.read_counts(answer, count), time.monotonic() - start)
        self._check_clock(batch)
        return batch

    def profile(self, *, limit_s: float) -> tuple[tuple[str, int], ...]:
        """Return name and count of every operator of one inference, in order."""
        rows = self._list(Kind.PROFILE, counted=True, limit_s=limit_s)
        return tuple((name, count) for count, name in rows)

    def _upload(self, model: bytes) -> None:
        begin = len(model).to_bytes(4, "little") + zlib.crc32(model).to_bytes(4, "little")
        received = messages.read_number(self._ask(Kind.BEGIN, begin))
        size = self.link.hello.max_payload - 4
        stuck = 0
        while received < len(model):
            chunk = received.to_bytes(4, "little") + model[received : received + size]
            before, received = received, messages.read_number(self._ask(Kind.DATA, chunk))
            stuck = stuck + 1 if received <= before else 0
            if stuck > _MAX_RESETS or received > len(model):
                raise ProtocolError(f"bad upload: the board has {received} B of {len(model)} and does not go on")

    def _ask(
        self, kind: Kind, payload: bytes = b"", *, limit_s: float | None = None, resend_s: float | None = None
    ) -> bytes:
        times = {name: value for name, value in (("limit_s", limit_s), ("resend_s", resend_s)) if value is not None}
        try:
            return self.link.ask(kind, payload, **times)
        except BoardRefusalError as error:
            raise _explained(error, self.link) from error

    def _list(self, kind: Kind, *, counted: bool, limit_s: float | None = None) -> list[tuple[int, str]]:
        rows: list[tuple[int, str]] = []
        total = 1
        while len(rows) < total:
            first = len(rows)
            answer = self._ask(kind, first.to_bytes(2, "little"), limit_s=limit_s, resend_s=_BUSY_RESEND_SECONDS)
            total, more = messages.read_page(answer, first, counted=counted)
            rows += more
        return rows

    def _check(self, loaded: Loaded, model: bytes, info: ModelInfo) -> None:
        if (loaded.num_bytes, loaded.checksum) != (len(model), zlib.crc32(model)):
            raise RunnerError(
                f"the firmware on {self.link.port.name} has another model: expected {len(model)} B with the CRC-32 "
                f"{zlib.crc32(model):08x}, it has {loaded.num_bytes} B with {loaded.checksum:08x}; flash this model's"
            )
        stated = [(tensor.num_bytes, tensor.dtype) for tensor in (*loaded.inputs, *loaded.outputs)]
        known = [(tensor.num_bytes, tensor.dtype) for tensor in (*info.input_tensors, *info.output_tensors)]
        if stated != known:
            raise ProtocolError(f"bad tensors from the board: expected {known}, received {stated}")

    def _check_clock(self, batch: Batch) -> None:
        """Refuse counts that cannot be true: of a counter that went round, or of a clock that is stated wrongly."""
        hello = self.link.hello
        if batch.elapsed_s >= self.wrap_s:
            raise RunnerError(
                f"the counter {hello.counter} of the board begins again after {self.wrap_s:.3g} s, and the board took "
                f"{batch.elapsed_s:.3g} s: use a slower clock, or a counter of more bits"
            )
        if hello.counts == Counts.INSTRUCTIONS:
            return
        counted_s = sum(batch.counts) / hello.clock_hz
        too_long = counted_s > _FASTEST * batch.elapsed_s + _TOLERANCE_SECONDS
        too_short = batch.elapsed_s > _CHECKED_SECONDS and counted_s < _SLOWEST * (
            batch.elapsed_s - _TOLERANCE_SECONDS - 2 * self.link.answer_seconds(8 * len(batch.counts) + 40)
        )
        if too_long or (too_short and len(batch.counts) > 1):
            raise RunnerError(
                f"the board counted {counted_s:.4g} s where {batch.elapsed_s:.4g} s passed: its clock is not the "
                f"{hello.clock_hz / 1e6:g} MHz that its firmware states; correct clock_hz of bench_this_board"
            )


def _explained(error: BoardRefusalError, link: BoardLink) -> RunnerError:
    """Return what a refusal means to who has a model."""
    failure, port = error.failure, link.port.name
    if failure.code == Code.MISSING_OP:
        return DoesNotFitError(
            f"the firmware on {port} was built without the operator {failure.text}: add it to AddOps, or "
            "change the model"
        )
    if failure.code == Code.ARENA_TOO_SMALL:
        missing = f"at least {failure.number} B are missing" if failure.number else "TFLM does not say by how much"
        return DoesNotFitError(f"the arena on {port} of {link.hello.arena_bytes} B is too small: {missing}")
    if failure.code == Code.MODEL_TOO_LARGE:
        return DoesNotFitError(f"the model is larger than the {failure.number} B of RAM for models on {port}")
    if failure.code == Code.BAD_MODEL:
        return DoesNotFitError(
            f"{link.hello.runtime} on {port} refuses the model ({failure.text}): tflite-bench run --on tflm says why"
        )
    return error
