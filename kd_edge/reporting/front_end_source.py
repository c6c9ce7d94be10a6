"""The settings of the audio front end as a C header for the firmware."""

from kd_edge.data.front_end import FrontEnd

_HEADER = """#ifndef AUDIO_FRONT_END_H_
#define AUDIO_FRONT_END_H_

/* Settings of the audio front end by which the training samples were computed: those of TFLM in
   tensorflow/lite/experimental/microfrontend. Give FrontendPopulateState this configuration and
   AUDIO_SAMPLE_RATE_HZ, and the model's input AUDIO_FEATURE_SCALE times each of its numbers. */
#include "tensorflow/lite/experimental/microfrontend/lib/frontend_util.h"

#define AUDIO_SAMPLE_RATE_HZ {sample_rate_hz}
#define AUDIO_NUM_CHANNELS {num_channels}
#define AUDIO_FEATURE_SCALE {feature_scale}f

static inline void audio_front_end_config(struct FrontendConfig *config) {{
  FrontendFillConfigWithDefaults(config);
{lines}
}}

#endif /* AUDIO_FRONT_END_H_ */
"""
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
    values = {field: getattr(settings, name) for field, name in _FIELDS.items()}
    lines = (f"  config->{field} = {_c_value(value)};" for field, value in values.items())
    return _HEADER.format(
        sample_rate_hz=settings.sample_rate_hz,
        num_channels=settings.num_channels,
        feature_scale=settings.feature_scale,
        lines="\n".join(lines),
    )


def _c_value(value: float) -> str:
    return f"{value}f" if isinstance(value, float) else str(int(value))
