"""Measures the machine code of TFLM's interpreter and of each kernel in the `tflite-micro` wheel.

Needs `nm`, `objdump` and `c++filt` (Debian: binutils). A kernel's code is what can be reached from its registration and
its parser and is neither the interpreter's nor a helper of many kernels. Left out is what a microcontroller's build
does not have: compressed tensors, and printing. Prints the table of `OpSpec.kernel_code_bytes`.
"""

import importlib.metadata
import re
import subprocess
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import tflite_micro

# What at least so many kernels share counts to the interpreter: any network has it.
_HELPER = 10
_CORE = re.compile(r"tflite::micro::(Micro(Interpreter|Allocator|InterpreterGraph|Context)|GreedyMemoryPlanner)::")
_KERNEL = re.compile(r"tflite::micro::Register_(\w+)\(\)")
_PARSER = re.compile(r"tflite::micro::Parse(\w+)\(")
# What files call custom kernels.
_CODES = {"DECODE": "TFLM_DECODE", "DETECTION_POSTPROCESS": "TFLite_Detection_PostProcess"}
_LEFT_OUT = re.compile(r"ompress|Print")
_HEAD = re.compile(r"[0-9a-f]+ <(.+)>:")
_REFERENCE = re.compile(r"<([^>+@]+)(?:@plt)?>$")


class Program:
    """The functions of a shared library: their names, sizes, and whom they refer to."""

    def __init__(self, path: Path) -> None:
        rows = (line.split() for line in _run("nm", "-S", path).splitlines())
        self._sizes = {row[3]: int(row[1], 16) for row in rows if len(row) == 4 and row[2] in "tTwW"}
        self._callees: dict[str, set[str]] = {}
        name = ""
        for line in _run("objdump", "-d", "--no-show-raw-insn", path).splitlines():
            if head := _HEAD.fullmatch(line):
                name = head[1]
            elif reference := _REFERENCE.search(line):
                self._callees.setdefault(name, set()).add(reference[1])

    def functions(self) -> dict[str, str]:
        """Return the readable name of every function."""
        readable = _run("c++filt", text="\n".join(self._sizes)).splitlines()
        return dict(zip(self._sizes, readable, strict=True))

    def reach(self, roots: Iterable[str]) -> set[str]:
        """Return the library's own functions that can be called from some."""
        seen: set[str] = set()
        todo = list(roots)
        while todo:
            name = todo.pop()
            if name not in seen and name in self._sizes and "tflite" in name and not _LEFT_OUT.search(name):
                seen.add(name)
                todo += self._callees.get(name, ())
        return seen

    def size(self, names: Iterable[str]) -> int:
        """Return the bytes of some functions."""
        return sum(self._sizes[name] for name in names)


def main() -> None:
    """Run the tool."""
    (library,) = Path(tflite_micro.__file__).parent.rglob("_runtime.so")
    program = Program(library)
    names = program.functions()
    roots: dict[str, list[str]] = {m[1]: [f] for f, name in names.items() if (m := _KERNEL.match(name))}
    by_letters = {_letters(kind): kind for kind in roots}
    for function, name in names.items():
        if (parser := _PARSER.match(name)) and _letters(parser[1]) in by_letters:
            roots[by_letters[_letters(parser[1])]].append(function)
    kernels = {kind: program.reach(functions) for kind, functions in roots.items()}
    users = Counter(function for functions in kernels.values() for function in functions)
    core = program.reach(f for f, name in names.items() if _CORE.match(name))
    core |= {function for function, count in users.items() if count >= _HELPER}
    print(f"# tflite-micro {importlib.metadata.version('tflite-micro')}")
    print(f"CORE = {program.size(core)}")
    for kind in sorted(kernels):
        print(f'    "{_CODES.get(kind, kind)}": {program.size(kernels[kind] - core)},')


def _letters(name: str) -> str:
    return name.replace("_", "").lower()


def _run(*command: str | Path, text: str | None = None) -> str:
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    main()
