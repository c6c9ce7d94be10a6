"""Makes frames for the fuzz of both sides: whole ones, ones with wrong lengths, and broken ones.

    python tests/tflite_bench/runners/board/fuzz.py [NUMBER [SEED]]

runs both sides on 10,000 frames.
"""

import random
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[4]))

from tflite_bench.transports import messages
from tflite_bench.transports.frames import Decoder, Frame, encode
from tflite_bench.transports.messages import Kind, ProtocolError

SESSION = 7
PAYLOAD_BYTES = 512
_EDGES = (0, 1, 2, 4, 255, 299, 300, 301, 699, 700, 701, 3000, 3001, 65_535, 2**31 - 1, 2**31, 2**32 - 5, 2**32 - 1)


def payload(rng: random.Random) -> bytes:
    """Return numbers from the edges of what is allowed, and other bytes after them."""
    numbers = b"".join(rng.choice(_EDGES).to_bytes(4, "little") for _ in range(rng.randrange(4)))
    return (numbers + rng.randbytes(rng.choice((0, 0, 1, 2, 3, 5, 100, PAYLOAD_BYTES, 5000))))[rng.randrange(3) :]


def sensible(kind: Kind, rng: random.Random) -> bytes:
    """Return a payload of the length that a request has, with numbers near what is allowed."""
    offset, size = (rng.choice((0, 1, 299, 300, 700, 2**32 - 1)).to_bytes(4, "little") for _ in range(2))
    if kind is Kind.INPUT:
        return bytes((rng.randrange(2),)) + offset + rng.randbytes(rng.randrange(302))
    if kind is Kind.OUTPUT:
        return bytes((rng.randrange(2),)) + offset + size
    return rng.choice((0, 1, 3, 63, 64, 65, 199, 65_535)).to_bytes(2, "little")


def frames(number: int, seed: int) -> Iterator[bytes]:
    """Yield some frames for the firmware, of which about half reach a request's own checks."""
    rng = random.Random(seed)
    for position in range(number):
        if position % 12 == 0:
            yield encode(Frame(Kind.HELLO, position & 0xFFFF, SESSION))
            begin = (20).to_bytes(4, "little") + zlib.crc32(bytes(20)).to_bytes(4, "little")
            yield encode(Frame(Kind.BEGIN, position & 0xFFFF, SESSION, begin))
            yield encode(Frame(Kind.DATA, position & 0xFFFF, SESSION, bytes(4) + bytes(20)))
            yield encode(Frame(Kind.LOAD, position & 0xFFFF, SESSION))
        if position % 3 == 0:
            kind = rng.choice((Kind.OPS, Kind.INPUT, Kind.RUN, Kind.OUTPUT, Kind.PROFILE))
            yield encode(Frame(kind, rng.getrandbits(16), SESSION, sensible(kind, rng)))
            continue
        kind = rng.choice((*Kind, *Kind, *Kind, rng.randrange(256)))
        session = SESSION if rng.random() < 0.95 else rng.getrandbits(32)
        version = 1 if rng.random() < 0.97 else rng.randrange(256)
        whole = encode(Frame(kind, rng.getrandbits(16), session, payload(rng), version))
        yield whole if rng.random() < 0.7 else broken(whole, rng)


def broken(whole: bytes, rng: random.Random) -> bytes:
    """Return a frame with bytes lost, repeated or changed."""
    content = bytearray(whole)
    for _ in range(rng.randrange(1, 6)):
        place = rng.randrange(len(content))
        content[place : place + rng.randrange(3)] = rng.randbytes(rng.randrange(3))
        content = content or bytearray(1)
    return bytes(content)


def build(folder: Path) -> Path:
    """Compile the firmware with the sanitizers for memory and undefined behaviour."""
    target = folder / "fuzz"
    firmware = Path(str(files("tflite_bench.runners.board") / "firmware"))
    sources = [firmware / "bench.c", firmware / "cycles.c", firmware / "ports" / "host.c"]
    command = [
        "cc", "-std=c11", "-g", "-O1", "-Wall", "-Wextra", "-Werror", "-fsanitize=address,undefined",
        "-fno-sanitize-recover=all", f"-DBENCH_MAX_PAYLOAD={PAYLOAD_BYTES}", f"-I{firmware}",
    ]  # fmt: skip
    own = Path(__file__).with_name("fuzz_main.c")
    subprocess.run([*command, *map(str, (*sources, own)), "-o", str(target)], check=True)
    return target


def fuzz_firmware(program: Path, number: int, seed: int) -> list[Frame]:
    """Return what the firmware answers to frames; raise where a sanitizer stops it."""
    content = b"".join(frames(number, seed))
    done = subprocess.run([program], input=content, capture_output=True, check=False, timeout=300)
    if done.returncode != 0 or done.stderr:
        raise AssertionError(f"exit status {done.returncode}: {done.stderr.decode(errors='replace')[-2000:]}")
    return list(Decoder().feed(done.stdout))


def fuzz_host(number: int, seed: int) -> int:
    """Read hostile answers; return how many were refused. Whatever else than a refusal is raised gets out."""
    rng = random.Random(seed)
    decoder, refused = Decoder(PAYLOAD_BYTES), 0
    readers = (
        messages.read_hello,
        messages.read_loaded,
        messages.read_failure,
        messages.read_number,
        lambda content: messages.read_counts(content, 3),
        lambda content: messages.read_page(content, 0, counted=True),
        lambda content: messages.read_page(content, 0, counted=False),
    )
    for _ in range(number):
        whole = encode(Frame(rng.randrange(256), rng.getrandbits(16), rng.getrandbits(32), payload(rng)))
        for frame in decoder.feed(whole if rng.random() < 0.7 else broken(whole, rng)):
            for read in readers:
                try:
                    read(frame.payload)
                except ProtocolError:
                    refused += 1
    return refused


def main() -> None:
    """Fuzz both sides."""
    number, seed = (*map(int, sys.argv[1:3]), 10_000, 0)[:2] if len(sys.argv) > 1 else (10_000, 0)
    with tempfile.TemporaryDirectory() as name:
        answers = fuzz_firmware(build(Path(name)), number, seed)
    kinds = sorted({frame.kind for frame in answers})
    print(f"firmware: {number} frames, {len(answers)} answers of the kinds {kinds}, no complaint of a sanitizer")
    print(f"host: {number} frames, {fuzz_host(number, seed)} refusals, nothing else raised")


if __name__ == "__main__":
    main()
