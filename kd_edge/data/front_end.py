"""Audio features as TFLM's own front end computes them on the board, by the package pymicro-features."""

import importlib.util
from dataclasses import dataclass

import numpy as np

from kd_edge.errors import MissingDependencyError
from tflite_bench.provenance import Given


@dataclass(frozen=True, slots=True)
class FrontEnd:
    """Settings of TFLM's audio front end (`tensorflow/lite/experimental/microfrontend`), those of pymicro-features 2.

    The names are those of the front end's `FrontendConfig`. The package knows no others.

    Attributes:
        name: What computes the features.
        sample_rate_hz: Of the sound: 16-bit, one channel.
        window_size_ms: Sound that a frame is computed from.
        window_step_ms: From one frame to the next.
        num_channels: Features of a frame.
        lower_band_limit_hz: Lowest frequency.
        upper_band_limit_hz: Highest frequency.
        noise_smoothing_bits: Of the noise reduction.
        noise_even_smoothing: Of its even channels.
        noise_odd_smoothing: Of its odd channels.
        noise_min_signal_remaining: Smallest share of a signal that it leaves.
        enable_pcan: Whether the gain of each channel is controlled (per-channel amplitude normalization).
        pcan_strength: Of that.
        pcan_offset: Of that.
        pcan_gain_bits: Of that.
        enable_log: Whether the logarithm is taken.
        log_scale_shift: Bits by which it is scaled.
        feature_scale: What the front end's unsigned 16-bit numbers are multiplied by to be samples of the data.
    """

    name: str = "TFLM microfrontend"
    sample_rate_hz: Given[int] = 16000
    window_size_ms: Given[int] = 30
    window_step_ms: Given[int] = 10
    num_channels: Given[int] = 40
    lower_band_limit_hz: Given[float] = 125.0
    upper_band_limit_hz: Given[float] = 7500.0
    noise_smoothing_bits: Given[int] = 10
    noise_even_smoothing: Given[float] = 0.025
    noise_odd_smoothing: Given[float] = 0.06
    noise_min_signal_remaining: Given[float] = 0.05
    enable_pcan: Given[bool] = True
    pcan_strength: Given[float] = 0.95
    pcan_offset: Given[float] = 80.0
    pcan_gain_bits: Given[int] = 21
    enable_log: Given[bool] = True
    log_scale_shift: Given[int] = 6
    feature_scale: Given[float] = 0.0390625

    def num_frames(self, num_samples: int) -> int:
        """Return the frames that a recording has."""
        size, step = (self.sample_rate_hz * ms // 1000 for ms in (self.window_size_ms, self.window_step_ms))
        return max(0, (num_samples - size) // step + 1)

    def features(self, sound: np.ndarray) -> np.ndarray:
        """Return the features of a recording, from a front end that has heard nothing before.

        Args:
            sound: int16, shape `(samples,)`.

        Returns:
            float32, shape `(frames, channels)`.

        Raises:
            MissingDependencyError: The package is not installed.
        """
        if importlib.util.find_spec("pymicro_features") is None:
            raise MissingDependencyError(
                "pymicro-features is not installed, it computes audio features as the board does: "
                "pip install 'kd-edge[audio]'"
            )
        from pymicro_features import MicroFrontend  # type: ignore[import-untyped]

        step = 2 * self.sample_rate_hz * self.window_step_ms // 1000
        raw, front_end = sound.astype("<i2").tobytes(), MicroFrontend()
        outputs = (front_end.process_samples(raw[i : i + step]) for i in range(0, len(raw) - step + 1, step))
        frames = [output.features for output in outputs if output.features]
        return np.array(frames, np.float32).reshape(-1, self.num_channels)
