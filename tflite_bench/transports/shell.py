"""What the ways to a device have in common: quoting for its shell, and reading what it says of itself."""

import re
import shlex
import shutil
from collections.abc import Collection, Sequence

from tflite_bench.errors import ConfigError, RuntimeMissingError
from tflite_bench.processes.program import one_line

COMMAND_SECONDS = 30.0
"""Longest time of a short command on a device, the connection included."""

COPY_SECONDS = 600.0
"""Longest time to copy a file."""

GOVERNOR = "printf 'governor='; cat /sys/devices/system/cpu/cpu0/cpufreq/scaling_governor 2>/dev/null || echo"
"""Prints the rule for the clock speed as a fact; see `read_facts`."""

_FULL = re.compile("No space left on device|Disk quota exceeded")


def find_client(name: str, hint: str) -> str:
    """Return the path of the program that talks to devices.

    Args:
        name: Its name.
        hint: What to install where it is missing.

    Raises:
        RuntimeMissingError: It is not installed.
    """
    found = shutil.which(name)
    if found is None:
        raise RuntimeMissingError(f"{name} not found on PATH; install {hint}")
    return found


def quote(arguments: Sequence[str]) -> str:
    """Return a command line for a POSIX shell in which every argument stands for itself.

    Raises:
        ConfigError: An argument holds a zero byte or a line break, which some shells and protocols cut at.
    """
    for argument in arguments:
        if not set("\0\n\r").isdisjoint(argument):
            raise ConfigError(f"no name on a device may hold a line break or a zero byte, received {argument!r}")
    return shlex.join(arguments)


def read_facts(text: str, names: Collection[str]) -> dict[str, str]:
    """Return the lines `name=value` of known names that have a value, safe to print."""
    facts = (line.partition("=") for line in text.splitlines())
    return {name: one_line(value) for name, _, value in facts if name in names and value.strip()}


def explain_copy(name: str, message: str) -> str:
    """Return why a file could not be copied to a device, in one line."""
    if _FULL.search(message):
        return f"cannot copy the model to the device: the disk of {name} is full; choose another --device-folder"
    return f"cannot copy a file to {name}: {one_line(message) or 'it gave no reason'}"
