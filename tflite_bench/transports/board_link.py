"""Requests to a board and their answers, over a wire that loses, repeats and changes bytes."""

import secrets
import time
from dataclasses import dataclass

from tflite_bench.errors import RunnerError
from tflite_bench.transports import messages
from tflite_bench.transports.frames import VERSION, Decoder, Frame, encode
from tflite_bench.transports.messages import Code, Failure, Hello, Kind, ProtocolError
from tflite_bench.transports.serial_port import Port

_BITS_PER_BYTE = 10
_PATIENCE_SECONDS = 6.0  # a board that resets when its port is opened needs a moment, longer with a boot loader
_RESEND_SECONDS = 0.5
_MAX_NUMBER = 0xFFFF


class BoardRefusalError(RunnerError):
    """The board has understood a request and refuses it.

    Attributes:
        failure: Why.
    """

    def __init__(self, message: str, failure: Failure) -> None:
        super().__init__(message)
        self.failure = failure


class BoardResetError(RunnerError):
    """The board has forgotten who talks to it: it was reset, or another program has greeted it."""


@dataclass(frozen=True)
class _Patience:
    """How long to wait for an answer, and after which times to ask again, in seconds."""

    limit_s: float
    resend_s: float


class BoardLink:
    """A board that answers requests; one at a time, each answered once.

    Attributes:
        port: The wire.
        patience_s: Seconds to wait for an answer that takes no work.
        hello: What the board said of itself.
    """

    def __init__(self, port: Port, *, patience_s: float = _PATIENCE_SECONDS) -> None:
        """Greet the board.

        Args:
            port: The wire; it stays the caller's to close.
            patience_s: See the attributes.

        Raises:
            ProtocolError: Another firmware is on it, or one of another version.
            RunnerError: It does not answer.
        """
        self.port = port
        self.patience_s = patience_s
        self.greet()

    def greet(self) -> None:
        """Greet the board, again after a reset; see the constructor for what it raises."""
        self._decoder = Decoder()
        self._session = secrets.randbits(32)
        self._number = secrets.randbits(15)
        payload = self._ask(Kind.HELLO, b"", _Patience(self.patience_s, _RESEND_SECONDS))
        self.hello: Hello = messages.read_hello(payload)
        self._decoder = Decoder(self.hello.max_payload)

    def ask(
        self, kind: Kind, payload: bytes = b"", *, limit_s: float = 0.0, resend_s: float = _RESEND_SECONDS
    ) -> bytes:
        """Return the answer of the board.

        Args:
            kind: What is asked for.
            payload: What belongs to it, `hello.max_payload` bytes at most.
            limit_s: Seconds that the board may work on it, beside `patience_s` and the time on the wire.
            resend_s: Seconds after which to ask again; a board that has answered already repeats its answer.

        Raises:
            BoardRefusalError: The board refuses.
            BoardResetError: It was reset.
            ProtocolError: It answers something else.
            RunnerError: It does not answer, or is gone.
        """
        wire_s = 2 * len(payload) * _BITS_PER_BYTE / self.port.baud
        return self._ask(kind, payload, _Patience(self.patience_s + limit_s + 4 * wire_s, resend_s + wire_s))

    def answer_seconds(self, num_bytes: int) -> float:
        """Return the time that an answer of some bytes takes on the wire, in seconds."""
        return num_bytes * _BITS_PER_BYTE / self.port.baud

    def _ask(self, kind: Kind, payload: bytes, patience: _Patience) -> bytes:
        self._number = (self._number + 1) & _MAX_NUMBER
        content = encode(Frame(kind, self._number, self._session, payload))
        begin = now = time.monotonic()
        heard = False
        while now < begin + patience.limit_s:
            self.port.write(content)
            until = min(now + patience.resend_s, begin + patience.limit_s)
            while (now := time.monotonic()) < until:
                received = self.port.read(until - now)
                heard = heard or bool(received)
                for frame in self._decoder.feed(received):
                    if (answer := self._take(frame, kind)) is not None:
                        return answer
        raise self._silence(kind, patience.limit_s, heard)

    def _take(self, frame: Frame, kind: Kind) -> bytes | None:
        """Return the payload of the answer that is waited for; None for another frame, such as a late one."""
        if frame.version != VERSION:
            raise ProtocolError(
                f"the firmware on {self.port.name} speaks version {frame.version} of the protocol, expected {VERSION}: "
                "flash the firmware of this tflite-bench"
            )
        if (frame.number, frame.session) != (self._number, self._session):
            return None
        if frame.kind == messages.FAILURE:
            raise self._refusal(kind, messages.read_failure(frame.payload))
        return frame.payload if frame.kind == kind | messages.ANSWER else None

    def _refusal(self, kind: Kind, failure: Failure) -> RunnerError:
        if failure.code == Code.NO_SESSION:
            return BoardResetError(
                f"the board on {self.port.name} was reset, or another program talks to it; nothing was measured"
            )
        known = failure.code in list(Code)
        name = Code(failure.code).name.lower().replace("_", " ") if known else f"error {failure.code}"
        told = f" ({failure.text})" if failure.text else ""
        return BoardRefusalError(f"the board on {self.port.name} refuses {kind.name.lower()}: {name}{told}", failure)

    def _silence(self, kind: Kind, limit_s: float, heard: bool) -> RunnerError:
        if kind is not Kind.HELLO:
            return RunnerError(
                f"the board on {self.port.name} did not answer {kind.name.lower()} within {limit_s:.3g} s: it hangs, "
                "was disconnected, or is slower than that; nothing was measured"
            )
        if heard:
            return ProtocolError(
                f"another firmware is on {self.port.name}: it sends {self._decoder.strange!r}, expected the measuring "
                f"firmware at {self.port.baud} baud; flash it, or give its baud rate after a comma"
            )
        return RunnerError(
            f"the board on {self.port.name} does not answer at {self.port.baud} baud: expected the measuring firmware; "
            "flash it, reset the board, or give the baud rate after a comma"
        )
