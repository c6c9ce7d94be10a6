"""Scratch buffers of ESP-NN's kernels on the ESP32-S3 and the ESP32-P4, by its published size functions.

Source: github.com/espressif/esp-nn, `esp_nn_get_conv_scratch_size_*`, `esp_nn_get_depthwise_conv_scratch_size_*` and
`esp_nn_get_softmax_scratch_size_*` in `src/`: the releases 1.1 (1.1.2 of 2025 is the most used one), and the state of
2026 (commit 1017042; for convolutions on the ESP32-P4 the stored state before its release 1.5). Both differ by what
they copy and pad. TFLM's kernels of github.com/espressif/esp-tflite-micro ask for what these functions return, for int8
alone. On an ESP32 and an ESP32-C3 convolutions need none.
"""

from typing import NamedTuple

from kd_edge.ir.graph import Op
from tflite_bench.model.operators.spec import Operands

RELEASES = ("1.1", "2026")
# Half of the first-level cache, within which the state of 2026 works in strips.
_S3_STRIP_BYTES, _S3_WIDE_STRIP_BYTES, _P4_STRIP_BYTES = 40 * 1024, 48 * 1024, 32 * 1024
_S3_PANEL_BYTES, _S3_STAGING_BYTES = 24 * 1024, 16 * 1024


class _Window(NamedTuple):
    """What the size functions look at: heights and widths of a convolution, and its channels."""

    image: tuple[int, int]
    kernel: tuple[int, int]
    result: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    inputs: int
    outputs: int

    @property
    def weights(self) -> int:
        """Bytes of one filter."""
        return self.kernel[0] * self.kernel[1] * self.inputs

    @property
    def pointwise(self) -> bool:
        """Whether a pixel of the result depends on one of the image alone."""
        return self.kernel == self.stride == (1, 1) and self.padding == (0, 0)

    def grown(self, added: tuple[int, int]) -> int:
        """Return the pixels of the image with so many rows and columns more."""
        return (self.image[0] + added[0]) * (self.image[1] + added[1])

    @property
    def both_sides(self) -> tuple[int, int]:
        """Rows and columns where the padding before the image stands behind it too."""
        return 2 * self.padding[0], 2 * self.padding[1]

    def behind(self, *, one_less: bool) -> tuple[int, int]:
        """Return the rows and columns that the last window needs behind the image, as two of the functions count."""
        last = (
            (n - 1) * s + k - p if one_less else n * s + k - 1
            for n, s, k, p in zip(self.result, self.stride, self.kernel, self.padding, strict=True)
        )
        rows, columns = (max(0, need - size) for need, size in zip(last, self.image, strict=True))
        return rows, columns


def esp_nn_scratch(operands: Operands, op: Op, *, chip: str, release: str) -> tuple[int, ...]:
    """Return the scratch buffers of one op in bytes, before alignment.

    Args:
        operands: The op with its tensors.
        op: The same op with its strides and dilations.
        chip: `"s3"` or `"p4"`.
        release: One of `RELEASES`.
    """
    if not operands.outputs or not operands.inputs or operands.inputs[0].dtype != "int8":
        return ()
    if op.kind == "SOFTMAX":
        return (4 * operands.inputs[0].shape[-1],)
    if op.kind not in ("CONV_2D", "DEPTHWISE_CONV_2D") or len(operands.weights) != 4:
        return ()
    window = _window(operands, op)
    if op.kind == "CONV_2D":
        size = _conv_1_1(window) if release == "1.1" else _conv_s3(window) if chip == "s3" else _conv_p4(window)
    else:
        size = 0 if chip == "p4" else _depthwise_1_1(window) if release == "1.1" else _depthwise_s3(window)
    return (size,) if size else ()


def _window(operands: Operands, op: Op) -> _Window:
    image, result = operands.inputs[0].shape, operands.outputs[0].shape
    kernel, stride = operands.weights[1:3], op.strides
    padding = [
        max(0, (result[1 + i] - 1) * stride[i] + (kernel[i] - 1) * op.dilations[i] + 1 - image[1 + i]) // 2
        for i in range(2)
    ]
    return _Window(
        image=(image[1], image[2]),
        kernel=(kernel[0], kernel[1]),
        result=(result[1], result[2]),
        stride=stride,
        padding=(padding[0], padding[1]),
        inputs=image[3],
        outputs=result[3],
    )


def _rounded(size: int, step: int) -> int:
    return -(-size // step) * step


def _conv_1_1(w: _Window) -> int:
    """Filters and, where their channels are no multiple of 8 or the image is padded, the image are copied."""
    pixels = w.grown((0, 0))
    if w.pointwise:
        channels = _rounded(w.inputs, 8)
        image = pixels * channels if w.inputs % 8 else 0
        return image + channels * w.outputs + (16 * channels if pixels >= 8 else 0) + 32
    image = w.grown(w.both_sides) * w.inputs if any(w.padding) else 0
    filters = w.kernel[0] * w.kernel[1] * _rounded(w.inputs, 16) * w.outputs
    return image + filters + 32 + 4 * w.outputs


def _conv_s3(w: _Window) -> int:
    """A 1x1 convolution copies no filters; a small window is gathered pixel by pixel."""
    length = _rounded(w.weights, 16)
    if w.kernel == (3, 3) and w.inputs % 16 == 0 and w.outputs >= 16:
        return length + w.outputs * length + 4 * w.outputs + 32
    if w.pointwise:
        tail = 24 * w.inputs + 8 * w.outputs
        panel = 24 * w.inputs + _S3_STAGING_BYTES if w.inputs * w.outputs > _S3_PANEL_BYTES else 0
        return max(16 * _rounded(w.inputs, 8) if w.grown((0, 0)) >= 8 else 0, tail, panel) + 64
    row = w.kernel[1] * w.inputs
    if row < 16 <= w.weights:
        return 4 * w.outputs + 32 + w.outputs * length + length + 64
    behind = w.behind(one_less=True)
    padded = any(w.padding) or any(behind)
    added = (w.padding[0] + behind[0], w.padding[1] + behind[1])
    image = w.grown(added) * w.inputs if padded else 0
    return image + _rounded(row, 16) * w.kernel[0] * w.outputs + 64 + 4 * w.outputs


def _conv_p4(w: _Window) -> int:
    """A window is gathered; images that are padded without that are worked on in strips."""
    if w.pointwise and w.inputs < 16:
        return 4 * w.outputs + 16 * w.outputs + 64
    if w.pointwise:
        return _conv_1_1(w)
    row = w.kernel[1] * w.inputs
    if not any(w.padding) and row >= 16:
        return _conv_1_1(w)
    if w.weights >= 16:
        return 4 * w.outputs + w.weights + 32
    wide = _rounded(-(-16 // w.kernel[1]), 16)
    filters = w.kernel[0] * w.kernel[1] * wide * w.outputs
    if not any(w.padding):
        return 4 * w.outputs + filters + w.grown((0, 0)) * wide + 32
    if w.grown(w.both_sides) * w.inputs + 4 * w.outputs <= _P4_STRIP_BYTES:
        return _conv_1_1(w)
    row_bytes = (w.image[1] + 2 * w.padding[1]) * wide
    room = _P4_STRIP_BYTES - 4 * w.outputs - filters - w.kernel[0] * row_bytes
    rows = min(room // (w.stride[0] * row_bytes) + 1, w.result[0]) if room >= 0 else 1
    strip = (rows - 1) * w.stride[0] + w.kernel[0] + 2 * w.padding[0]
    return strip * row_bytes + filters + 32 + 4 * w.outputs


def _depthwise_1_1(w: _Window) -> int:
    """Image and filters are copied, padded in int8 for 16 channels, else in int16."""
    filters, image = w.kernel[0] * w.kernel[1] * w.outputs, w.grown((0, 0)) * w.inputs
    if w.inputs == w.outputs and w.inputs % 8 == 0 and w.kernel == (3, 3):
        if w.inputs % 16:
            return 2 * (filters + image) + 16
        added = w.both_sides if any(w.padding) else w.behind(one_less=False)
        return filters + (w.grown(added) * w.inputs if any(added) else 0) + 16
    return 2 * (filters + image) + 16 if w.outputs // w.inputs % 4 == 0 else 32


def _depthwise_s3(w: _Window) -> int:
    """As before, within strips of a large image; other windows are copied too."""
    filters, image = w.kernel[0] * w.kernel[1] * w.outputs, w.grown((0, 0)) * w.inputs
    if w.inputs != w.outputs:
        return 2 * (filters + image) + 32 if w.outputs // w.inputs % 4 == 0 else 32
    if w.inputs % 8:
        return _depthwise_padded_channels(w) if w.inputs > 3 else 32
    if w.kernel != (3, 3):
        whole = 2 * (filters + image)
        strip = 2 * (filters + w.image[1] * w.kernel[0] * w.inputs)
        return (whole if whole <= _S3_WIDE_STRIP_BYTES else strip) + 32
    if w.inputs % 16 == 0 and w.padding in ((1, 1), (0, 0)):
        return _depthwise_strip(w, filters)
    if w.inputs < 12:
        return 2 * (filters + image) + 32
    channels, behind = _rounded(w.inputs, 16), w.behind(one_less=False)
    padded = w.grown((2 * w.padding[0] + behind[0], 2 * w.padding[1] + behind[1]))
    pixels = padded + w.result[0] * w.result[1]
    return (9 + pixels + 12) * channels + 64


def _depthwise_strip(w: _Window, filters: int) -> int:
    added = w.both_sides if any(w.padding) else w.behind(one_less=False)
    if not any(added):
        return filters + 16
    whole = w.grown(added) * w.inputs
    if whole <= _S3_STRIP_BYTES:
        return filters + whole + 16
    row_bytes = (w.image[1] + added[1]) * w.inputs
    rows = max((_S3_STRIP_BYTES - filters - 32) // row_bytes, w.kernel[0])
    return filters + min(rows, w.image[0] + added[0]) * row_bytes + 32


def _depthwise_padded_channels(w: _Window) -> int:
    channels = _rounded(w.inputs, 8)
    filters = _rounded(2 * w.kernel[0] * w.kernel[1] * channels, 16)
    image = _rounded(filters + 2 * w.grown((0, 0)) * channels, 16)
    result = _rounded(image + w.result[0] * w.result[1] * channels, 16)
    return result + 12 * channels + 16
