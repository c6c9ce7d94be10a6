"""The audio front end's settings for the firmware."""

import re
import subprocess
from dataclasses import asdict

from kd_edge.data.front_end import FrontEnd
from kd_edge.reporting.bundle.sources.front_end_source import front_end_source

# The fields of TFLM's `struct FrontendConfig` that are set, as its header declares them.
_FRONT_END_UTIL = """
#include <stddef.h>
#include <stdint.h>
struct FrontendConfig {
  struct { size_t size_ms; size_t step_size_ms; } window;
  struct { int num_channels; float upper_band_limit; float lower_band_limit; } filterbank;
  struct { int smoothing_bits; float even_smoothing, odd_smoothing, min_signal_remaining; } noise_reduction;
  struct { int enable_pcan; float strength, offset; int gain_bits; } pcan_gain_control;
  struct { int enable_log; int scale_shift; } log_scale;
};
static void FrontendFillConfigWithDefaults(struct FrontendConfig *config) { (void)config; }
"""
_MAIN = """
#include <stdio.h>
#include "audio_front_end.h"
int main(void) {
  struct FrontendConfig c;
  audio_front_end_config(&c);
  printf("%zu %zu %d %.3f %d %.2f", c.window.size_ms, c.window.step_size_ms, c.filterbank.num_channels,
         c.noise_reduction.even_smoothing, c.log_scale.scale_shift, c.pcan_gain_control.strength);
  return 0;
}
"""


def test_the_header_compiles_and_sets_what_computed_the_samples(tmp_path):
    include = tmp_path / "tensorflow" / "lite" / "experimental" / "microfrontend" / "lib"
    include.mkdir(parents=True)
    (include / "frontend_util.h").write_text(_FRONT_END_UTIL)
    (tmp_path / "audio_front_end.h").write_text(front_end_source(FrontEnd()))
    (tmp_path / "main.c").write_text(_MAIN)
    subprocess.run(["cc", "-std=c99", "-Wall", "-Werror", "-I.", "main.c", "-o", "main"], cwd=tmp_path, check=True)
    printed = subprocess.run(["./main"], cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    assert printed == "30 10 40 0.025 6 0.95"


def test_every_setting_is_in_the_header():
    text = front_end_source(FrontEnd())
    assert len(re.findall(r"config->", text)) == 15
    # All but the name, the rate and the scale, which are no fields of the configuration.
    assert len(asdict(FrontEnd())) == 15 + 3
    assert "#define AUDIO_FEATURE_SCALE 0.0390625f" in text
