"""Plug-in description of a runner: its name on the command line, what it can be asked, how it is found and made."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, fields

from tflite_bench.errors import ConfigError
from tflite_bench.measurement.timing import Plan
from tflite_bench.runners.base import Runner


@dataclass(frozen=True)
class Wishes:
    """How a runner is to work; what it cannot do is refused.

    Attributes:
        num_threads: Threads of the kernels.
        xnnpack: False to switch the XNNPACK delegate off.
        cpus: Cores to bind the runtime to.
        profile: Also measure every operator.
        binary: A `benchmark_model` on this machine, which is copied to a device.
        device_binary: The program on a device instead.
        device_folder: Folder on a device that measurements may write to.
        flags: More flags for the benchmark program.
        ssh_config: Another configuration file for ssh.
    """

    num_threads: int = 1
    xnnpack: bool = True
    cpus: tuple[int, ...] = ()
    profile: bool = False
    binary: str | None = None
    device_binary: str | None = None
    device_folder: str | None = None
    flags: tuple[str, ...] = ()
    ssh_config: str | None = None


# How the command line spells a wish, or a part of the plan, where it is not the field's own name.
_SPELLED = {"num_threads": "--threads", "xnnpack": "--no-xnnpack", "flags": "--flag", "time_limit_s": "--time-limit"}


@dataclass(frozen=True)
class Device:
    """Something that `--on` accepts.

    Attributes:
        on: What to write after `--on`.
        ready: True if it can be used; of boards over ssh, that there is a client: none is contacted.
        detail: Its version or model; or why it cannot be used, and what to do.
    """

    on: str
    ready: bool
    detail: str


@dataclass(frozen=True)
class RunnerSpec:
    """What the registry knows of a kind of runner; whatever is slow to import, `make` and `discover` import.

    Attributes:
        usage: How it is written after `--on`: `"tflm"`, `"ssh:user@host"`, or `"adb[:SERIAL]"` where what follows the
            colon may be left out.
        make: Returns the runner of what follows the colon (`""` for nothing) and of the wishes.
        discover: Returns what of its kind there is from here, and what is missing; where it raises a `RunnerError`
            or an `ImportError`, that is why there is no more.
        options: The fields of `Wishes` that it knows.
        plan: The fields of `Plan` that it goes by; all by default.
        choices: All that may follow the colon; empty for anything.

    Raises:
        ConfigError: `options` or `plan` name what `Wishes` or `Plan` does not have.

    Example:

    ```python
    register_runner(RunnerSpec("constant", make=lambda rest, wishes: Constant(),
                               discover=lambda: [Device("constant", True, "always 1 ms")]))
    ```
    """

    usage: str
    make: Callable[[str, Wishes], Runner]
    discover: Callable[[], Iterable[Device]]
    options: frozenset[str] = frozenset()
    choices: tuple[str, ...] = ()
    plan: frozenset[str] = frozenset(Plan._fields)

    def __post_init__(self) -> None:
        if strange := self.options - {field.name for field in fields(Wishes)}:
            raise ConfigError(
                f"bad runner {self.usage!r}: expected options that Wishes has, received {sorted(strange)}"
            )
        if strange := self.plan - set(Plan._fields):
            raise ConfigError(
                f"bad runner {self.usage!r}: expected parts of a plan that Plan has, received {sorted(strange)}"
            )

    @property
    def shortest(self) -> str:
        """The least that may be written: its usage without what may be left out."""
        return self.usage.partition("[")[0]

    @property
    def name(self) -> str:
        """Its name, which comes before the colon."""
        return self.shortest.partition(":")[0]

    def accepts(self, colon: str, rest: str) -> bool:
        """Return whether its name may be followed by this: a colon and something, or neither."""
        return bool(rest) and ":" in self.usage if colon else ":" not in self.shortest

    def strange_options(self, wishes: Wishes, plan: Plan) -> tuple[str, ...]:
        """Return the fields of the wishes and of the plan that it does not know and that are not as by default."""
        asked, default = ({**asdict(one), **two._asdict()} for one, two in ((wishes, plan), (Wishes(), Plan())))
        known = self.options | self.plan
        return tuple(name for name, value in asked.items() if name not in known and value != default[name])


def option_name(field: str) -> str:
    """Return how the command line spells a field of `Wishes` or of `Plan`."""
    return _SPELLED.get(field, f"--{field.replace('_', '-')}")
