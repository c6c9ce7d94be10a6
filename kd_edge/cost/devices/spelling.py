"""The spelling of cores and runtimes in profiles and after `--runtime`: many words for few things."""

import re

_CHIPS = {
    "": "xtensa-lx6",
    "s2": "esp32-s2",  # an LX7 without the vector instructions of the S3
    "s3": "xtensa-lx7",
    "c3": "rv32imc",
    "c6": "rv32imac",
    "p4": "rv32imafc",
}
_ESP32 = re.compile(r"esp-?32(?:-?([schp]\d)(?!\d)[a-z0-9]*)?(?![a-z0-9]|-[schp]\d)")
_XTENSA = re.compile(r"xtensa-?lx-?(\d)")
_CORTEX = re.compile(r"(?:arm-)?cortex-?([amr]\d+)(\+|-?plus)?")
_MICRO = re.compile(
    r"(?:tf[ _-]?lite|tensorflow[ _-]?lite|litert)[ _-]*(?:for[ _-]*)?micro(?:[ _-]?controllers?)?(?![a-z])",
    re.IGNORECASE,
)
_JOINED = re.compile(r"(\S+?)(?:\s*[+&]\s*|\s+(?:with|and)\s+)", re.IGNORECASE)
_KERNELS = re.compile(r"([a-z]+)[ +/,_(-]+(cmsis|esp)[ _-]?nn\)?(?![a-z])", re.IGNORECASE)
# Its optimised kernels for microcontrollers are TFLM's.
_TFLITE = ("litert", "tflite")


def core_name(text: str) -> str:
    """Return a core as profiles spell it: `"xtensa-lx7"` of `"ESP32-S3"`; what is not known stays, in small letters.

    Args:
        text: A core, or a chip whose core is known.
    """
    name = re.sub(r"[\s_]+", "-", text.strip().lower())
    if chip := _ESP32.match(name):
        return _CHIPS.get(chip[1] or "", name)
    if xtensa := _XTENSA.match(name):
        return f"xtensa-lx{xtensa[1]}"
    if cortex := _CORTEX.match(name):
        return f"cortex-{cortex[1]}{'+' if cortex[2] else ''}"
    return name


def runtime_name(text: str) -> str:
    """Return a runtime as profiles spell it, a release behind it as it is: `"tflm+cmsis-nn"` of `"TFLM with CMSIS-NN"`.

    Args:
        text: A runtime, or one with its release.
    """
    text = _MICRO.sub("tflm", " ".join(text.split()), count=1)
    if joined := _JOINED.match(text):
        text = f"{joined[1]}+{text[joined.end() :]}"
    if kernels := _KERNELS.match(text):
        engine = "tflm" if kernels[1].lower() in _TFLITE else kernels[1]
        text = f"{engine}+{kernels[2]}-nn{text[kernels.end() :]}"
    name, space, release = text.partition(" ")
    return f"{name.lower()}{space}{release}"
