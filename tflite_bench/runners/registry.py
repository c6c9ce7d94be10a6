"""Registry of runners: turns what a user asked for, such as `"ssh:pi@board"`, into a runner."""

from tflite_bench.errors import ConfigError, RuntimeMissingError
from tflite_bench.measurement.timing import Plan
from tflite_bench.runners import ethos_u, litert, tflm
from tflite_bench.runners.base import Runner
from tflite_bench.runners.board import runner as board
from tflite_bench.runners.qemu import runner as qemu
from tflite_bench.runners.spec import RunnerSpec, Wishes, option_name
from tflite_bench.runners.vendor import local, remote

# In the order in which they are listed.
_BUILT_IN = (litert.SPEC, tflm.SPEC, *local.SPECS, *remote.SPECS, board.SPEC, qemu.SPEC, ethos_u.SPEC)
_registered = {spec.name: spec for spec in _BUILT_IN}


def register_runner(spec: RunnerSpec) -> None:
    """Make a runner of any package known by its name: to `make_runner`, `run_benchmark` and the command line.

    Args:
        spec: Its description. To register it again changes nothing.

    Raises:
        ConfigError: Another runner bears the name.
    """
    if _registered.setdefault(spec.name, spec) != spec:
        raise ConfigError(f"cannot register the runner {spec.name!r}: expected a new name, received one that is taken")


def runner_specs() -> tuple[RunnerSpec, ...]:
    """Return the runners that are known, those of this package first."""
    return tuple(_registered.values())


def runners_knowing(option: str) -> tuple[str, ...]:
    """Return the names of the runners that know an option, a field of `Wishes` or of `Plan`."""
    return tuple(spec.name for spec in runner_specs() if option in spec.options | spec.plan)


def make_runner(choice: str, wishes: Wishes | None = None, plan: Plan | None = None) -> Runner:
    """Return the runner of a name.

    Args:
        choice: What follows `--on`, such as `"litert"`; `"adb:SERIAL"` chooses among several phones, `"qemu:m7"` and
            `"qemu:m55"` are other processors, `"ethos-u:ethos-u65-256"` another accelerator.
        wishes: How it is to work.
        plan: How long it is to measure; it is handed to its `benchmark` later.

    Raises:
        ConfigError: There is no such runner, or it cannot work or measure in this way.
        RuntimeMissingError: Its program or library is not installed.
    """
    if not isinstance(choice, str):
        raise ConfigError(f"expected the name of a runner, such as 'litert', received {type(choice).__name__}")
    wishes = wishes or Wishes()
    name, colon, rest = choice.partition(":")
    spec = _registered.get(name)
    if spec is None or not spec.accepts(colon, rest):
        known = ", ".join(spec.usage for spec in runner_specs())
        raise ConfigError(f"unknown runner {choice!r}: expected one of {known}")
    for option in spec.strange_options(wishes, plan or Plan()):
        knowing = ", ".join(sorted(runners_knowing(option)))
        raise ConfigError(f"{option_name(option)} has no meaning on {name}; it belongs to --on {knowing}")
    if rest and spec.choices and rest not in spec.choices:
        raise ConfigError(f"unknown runner {choice!r}: expected after the colon one of {', '.join(spec.choices)}")
    try:
        return spec.make(rest, wishes)
    except ModuleNotFoundError as error:
        raise RuntimeMissingError(f"cannot run on {name}: {error}; install the package that has it") from error
