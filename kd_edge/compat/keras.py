"""Private names of Keras 3.15: the graph of calls that a model consists of, and its training loop."""

import contextlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras


def calls_of(model: "keras.Model") -> dict[str, list[Any]]:
    """Return the calls that a model consists of, as Keras' nodes, by the name of the layer that is called.

    A layer may know of more: those of the models that it was taken from, and a sequential model's own layers are called
    anew whenever it is rebuilt, as it is by `keras.models.load_model`.

    Args:
        model: A functional or sequential model, built.
    """
    calls: dict[str, list[Any]] = defaultdict(list)
    for node in nodes_in_order(model):
        calls[node.operation.name].append(node)
    return dict(calls)


def nodes_in_order(model: "keras.Model") -> Iterator[Any]:
    """Yield the calls that a model consists of, as Keras' nodes, in Keras' order of execution.

    Args:
        model: A functional or sequential model, built; of a sequential one those of what it is made of.
    """
    by_depth = getattr(model, "_functional", model)._nodes_by_depth
    for depth in sorted(by_depth, reverse=True):
        yield from by_depth[depth]


def maker_of(tensor: Any) -> tuple[Any, int]:
    """Return the layer or operation that made a Keras tensor, and the number of its call."""
    operation, number, _ = tensor._keras_history
    return operation, number


def index_of(tensor: Any) -> int:
    """Return which of the results of its call a Keras tensor is."""
    return int(tensor._keras_history.tensor_index)


def is_model(operation: Any) -> bool:
    """Return whether what is called is a model itself: functional, sequential or subclassed."""
    return hasattr(operation, "_nodes_by_depth") or hasattr(operation, "_functional") or hasattr(operation, "fit")


def node_of(operation: Any, number: int) -> Any:
    """Return Keras' node of one call of a layer or operation, with `input_tensors` and `arguments`."""
    return operation._inbound_nodes[number]


def sources_of(node: Any) -> list[Any]:
    """Return the Keras tensors that a call reads, as Keras' node lists them.

    Of a model's call with a mapping those that it reads by the names of the model's inputs, in the order of these.
    """
    called, arguments = node.operation, node.arguments
    given = arguments.args[0] if arguments.args else arguments.kwargs.get("inputs")
    if not is_model(called) or not isinstance(given, Mapping) or isinstance(called.input, Mapping):
        return list(node.input_tensors)
    names = [source.name for source in getattr(called, "inputs", None) or ()]
    return [given[name] for name in names] if given.keys() >= set(names) else list(node.input_tensors)


def number_of(node: Any) -> int:
    """Return the number of a call, as `maker_of` counts it."""
    return int(node.operation._inbound_nodes.index(node))


def all_layers(model: "keras.Model") -> Iterator[Any]:
    """Yield a model, its layers, and those of the models and layers inside of it."""
    yield from model._flatten_layers()


def has_calls(layer: Any) -> bool:
    """Return whether a layer is a model whose calls are known: functional or sequential, and built."""
    return hasattr(getattr(layer, "_functional", layer), "_nodes_by_depth")


def all_operations(model: "keras.Model") -> Iterator[Any]:
    """Yield what the models inside of a model call beside layers, such as `keras.ops.tile`."""
    for layer in all_layers(model):
        if has_calls(layer):
            yield from (node.operation for node in nodes_in_order(layer) if not hasattr(node.operation, "trainable"))


def constants_of(layer: Any) -> list[Any]:
    """Return a layer's own variables where no training changes any of them, not even if the layer is trainable."""
    return [] if layer._trainable_variables else list(layer._non_trainable_variables)


class TrainerExtension:
    """What a subclass of `keras.Model` does inside Keras' training loop; stands before Keras' class among the bases.

    Attributes:
        chooses_steps: Whether `compile` left open how many steps run in one call of the loop: one but in training.
    """

    chooses_steps = False
    steps_per_execution: int
    _eval_epoch_iterator: Any
    _num_trained = _num_tested = 1  # steps in one call of the functions that there are for training and evaluation

    @contextlib.contextmanager
    def trained_at_once(self, num_steps: int) -> Iterator[None]:
        """Let `fit` run several steps in one call of its loop.

        Args:
            num_steps: How many; those of an epoch are a multiple of it.
        """
        if num_steps != self._num_trained:
            self._num_trained, self.train_function = num_steps, None
        with self._steps_per_execution(num_steps):
            yield

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: Any = None,
        verbose: Any = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Evaluate the model, also inside `fit`; the arguments are those of `keras.Model.evaluate`.

        As many steps run at once as in the training where these go on to the end of the samples.
        """
        validates = "_use_cached_eval_dataset" in kwargs
        to_the_end = steps is None and self.chooses_steps and (validates or not callbacks)
        num_steps = self._num_trained if to_the_end else self._steps_of_compile
        if num_steps != self._num_tested:
            self._num_tested, self.test_function = num_steps, None
        if validates:  # `fit` made it with its own number
            self._eval_epoch_iterator.steps_per_execution = num_steps
        with self._steps_per_execution(num_steps):
            return super().evaluate(  # type: ignore[misc]
                x, y, batch_size, verbose, sample_weight, steps, callbacks, **kwargs
            )

    def predict(self, *args: Any, **kwargs: Any) -> Any:
        """Return the outputs for samples, also inside `fit`; the arguments are those of `keras.Model.predict`."""
        with self._steps_per_execution(self._steps_of_compile):
            return super().predict(*args, **kwargs)  # type: ignore[misc]

    @property
    def _steps_of_compile(self) -> int:
        return 1 if self.chooses_steps else self.steps_per_execution

    @contextlib.contextmanager
    def _steps_per_execution(self, num_steps: int) -> Iterator[None]:
        before = self.steps_per_execution
        self.steps_per_execution = num_steps
        try:
            yield
        finally:
            self.steps_per_execution = before

    @property
    def loss_mean(self) -> Any:
        """The metric that holds the mean of the whole loss; `None` before `compile`."""
        return self._loss_tracker  # type: ignore[attr-defined]

    @property
    def strategy(self) -> Any:
        """The distribution strategy under which the model was made; `None` without one."""
        return self._distribute_strategy  # type: ignore[attr-defined]

    def batch_of_worker(self, epoch: Any) -> Any:
        """Return a batch from Keras' iterator over an epoch, by which Keras finds shapes under a strategy."""
        raise NotImplementedError

    def before_first_step(self, batch_spec: Any) -> None:
        """Make variables before the first step is traced.

        Args:
            batch_spec: The structure of a batch, of `tf.TypeSpec` or, under a strategy, tensors.
        """

    def unsaved_attributes(self) -> set[str]:
        """Return the attributes that a saved file shall not hold."""
        return set()

    def _maybe_symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
        build = super()._maybe_symbolic_build  # type: ignore[misc]
        if self.strategy is not None and iterator is not None:
            batch = self.batch_of_worker(iterator)
            with self.strategy.scope():
                self.before_first_step(batch)
            build(iterator=None, data_batch=batch)
            return
        build(iterator=iterator, data_batch=data_batch)
        if iterator is not None:
            self.before_first_step(iterator._distributed_dataset.element_spec)

    def __dir__(self) -> list[str]:
        """List the attributes; Keras saves those it finds here."""
        unsaved = self.unsaved_attributes()
        return [name for name in super().__dir__() if name not in unsaved]


def init_past(parent: Any, model: "keras.Model", **kwargs: Any) -> None:
    """Initialise a model as the base of one of its bases does, past that one's own `__init__`.

    Of Keras' Distiller that is sound as long as all that reads what its `__init__` sets is overridden, too.

    Args:
        parent: Whose `__init__` is left out.
        model: The model.
        **kwargs: For the `__init__` of the parent's base.
    """
    super(parent, model).__init__(**kwargs)


def compiled_metrics(model: "keras.Model") -> Any:
    """Return what updates the metrics of `compile`; `None` without metrics."""
    return model._compile_metrics


def compiled_losses(model: "keras.Model") -> Any:
    """Return what computes the losses of `compile`; `None` before."""
    return model._compile_loss


def excluded_from_weight_decay(optimizer: "keras.optimizers.Optimizer") -> str | None:
    """Return the pattern of names of the variables that do not decay, which the optimizer's config leaves out."""
    if not hasattr(optimizer, "_exclude_from_weight_decay"):  # set, like the pattern, by `exclude_from_weight_decay`
        return None
    pattern = optimizer._exclude_from_weight_decay_pattern
    return None if pattern is None else str(pattern.pattern)


def state_without_model(callback: "keras.callbacks.Callback") -> dict[str, Any]:
    """Return a callback's state without the model it was used with, for a copy."""
    state = dict(vars(callback))
    del state["_model"]
    return state | {"_model": None}


def with_sample_weight(loss: "keras.losses.Loss", sample_weight: Any) -> "keras.losses.Loss":
    """Make a loss weigh samples where its caller knows of no weights, and return it.

    It stays an instance of the loss' own class, which `keras.distillation.LogitsDistillation` looks at.

    Args:
        loss: The loss, changed in place.
        sample_weight: Shape `(batch,)`, or `None`.
    """
    kind: Any = type(loss)

    class Weighted(kind):  # type: ignore[misc]
        def __call__(self, y_true: Any, y_pred: Any) -> Any:
            return kind.__call__(self, y_true, y_pred, sample_weight)

    loss.__class__ = Weighted
    return loss
