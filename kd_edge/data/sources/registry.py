"""Data sources: where a data set named on the command line or in a configuration comes from."""

from collections.abc import Callable
from dataclasses import dataclass

from kd_edge.data.dataset import Dataset
from kd_edge.data.options import SourceOptions


@dataclass(frozen=True)
class DataSource:
    """One kind of source.

    Attributes:
        expected: What a user writes for it, as error messages and the help say it.
        accepts: Whether a text names such a source.
        load: Called with that text, `normalize` and `seed` of `load_data`; returns a checked data set (`checked`).
        word: The text itself where it is a fixed word, for hints on typing errors.
        options: Names of the `SourceOptions` that it reads; where there are any, `load` is called with them, too.
    """

    expected: str
    accepts: Callable[[str], bool]
    load: Callable[..., Dataset]
    word: str = ""
    options: tuple[str, ...] = ()

    def read(self, text: str, normalize: bool | None, seed: int, options: SourceOptions) -> Dataset:
        """Return the data set; see `load_data`.

        Raises:
            ConfigError: An option means nothing here.
        """
        options.check_known(self.options, text)
        return self.load(text, normalize, seed, *([options] if self.options else []))


_REGISTERED: list[DataSource] = []


def register_source(source: DataSource) -> DataSource:
    """Make a kind of source known to `load_data`; it is asked before the built-in ones, and before those of earlier.

    Args:
        source: The kind.

    Returns:
        The same.

    Example:

    ```python
    register_source(DataSource("'noise'", lambda text: text == "noise", lambda text, normalize, seed: noise(seed)))
    ```
    """
    _REGISTERED.insert(0, source)
    return source


def registered_sources() -> tuple[DataSource, ...]:
    """Return the sources that were registered, the last one first."""
    return tuple(_REGISTERED)
