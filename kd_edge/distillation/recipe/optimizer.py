"""The optimizer of a recipe and its schedule."""

import keras


def make_optimizer(learning_rate: float, *, epochs: int, steps_per_epoch: int) -> keras.optimizers.Optimizer:
    """Return AdamW (arXiv 1711.05101) with two epochs of linear warm-up and a cosine (arXiv 1608.03983) to 1 %.

    Args:
        learning_rate: Peak of the schedule.
        epochs: Of the training.
        steps_per_epoch: Batches of an epoch.
    """
    warm_up = min(2, epochs - 1) * steps_per_epoch
    schedule = keras.optimizers.schedules.CosineDecay(
        learning_rate / 20,
        max(epochs * steps_per_epoch - warm_up, 1),
        alpha=0.01,
        warmup_target=learning_rate,
        warmup_steps=warm_up,
    )
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=1e-2)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer
