"""Which image files hold more, or something else, than the 8 bits a pixel that TensorFlow reads of them."""

from pathlib import Path

import numpy as np

_PNG, _BMP = b"\x89PNG\r\n\x1a\n", b"BM"
# Where the headers have what is asked, in bytes.
_PNG_DEPTH, _BMP_HEADER, _BMP_DEPTH, _BMP_COLORS, _BMP_FIRST = 24, 14, 28, 46, 54


def misread(path: Path) -> str | None:
    """Return what TensorFlow would make of an image in silence that is not its pixels; `None` where it reads them.

    Of a `.png` of 16 bits it drops the lower 8, of a `.bmp` with a palette it takes the numbers of the colors.

    Args:
        path: The file; what cannot be read, or is another image, is left to others to judge.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_BMP_FIRST)
            if len(head) < _BMP_FIRST:
                return None
            if head.startswith(_PNG) and head[_PNG_DEPTH] > 8:
                return f"{head[_PNG_DEPTH]} bits each"
            depth = int.from_bytes(head[_BMP_DEPTH : _BMP_DEPTH + 2], "little")
            if not head.startswith(_BMP) or depth > 8:
                return None
            file.seek(_BMP_HEADER + int.from_bytes(head[_BMP_HEADER : _BMP_HEADER + 4], "little"))
            count = int.from_bytes(head[_BMP_COLORS : _BMP_COLORS + 4], "little") or 2**depth
            colors = np.frombuffer(file.read(4 * count), np.uint8)
    except OSError:
        return None
    palette = colors[: len(colors) // 4 * 4].reshape(-1, 4)[:, :3]
    return None if (palette == np.arange(len(palette))[:, None]).all() else "numbers of colors in a palette"
