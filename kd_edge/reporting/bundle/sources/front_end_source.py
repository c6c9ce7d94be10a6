"""The settings of the audio front end as a C header for the firmware."""

from kd_edge.data.front_end import FrontEnd
from kd_edge.reporting.bundle.sources.rendering import render

_FIELDS = {
    "window.size_ms": "window_size_ms",
    "window.step_size_ms": "window_step_ms",
    "filterbank.num_channels": "num_channels",
    "filterbank.lower_band_limit": "lower_band_limit_hz",
    "filterbank.upper_band_limit": "upper_band_limit_hz",
    "noise_reduction.smoothing_bits": "noise_smoothing_bits",
    "noise_reduction.even_smoothing": "noise_even_smoothing",
    "noise_reduction.odd_smoothing": "noise_odd_smoothing",
    "noise_reduction.min_signal_remaining": "noise_min_signal_remaining",
    "pcan_gain_control.enable_pcan": "enable_pcan",
    "pcan_gain_control.strength": "pcan_strength",
    "pcan_gain_control.offset": "pcan_offset",
    "pcan_gain_control.gain_bits": "pcan_gain_bits",
    "log_scale.enable_log": "enable_log",
    "log_scale.scale_shift": "log_scale_shift",
}


def front_end_source(settings: FrontEnd) -> str:
    """Return the text of `audio_front_end.h`."""
    return render(
        "audio_front_end.h",
        sample_rate_hz=settings.sample_rate_hz,
        num_channels=settings.num_channels,
        feature_scale=float(settings.feature_scale),
        fields={field: getattr(settings, name) for field, name in _FIELDS.items()},
    )
