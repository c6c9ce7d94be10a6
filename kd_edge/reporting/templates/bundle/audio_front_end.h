#ifndef AUDIO_FRONT_END_H_
#define AUDIO_FRONT_END_H_

/* Settings of the audio front end by which the training samples were computed: those of TFLM in
   tensorflow/lite/experimental/microfrontend. Give FrontendPopulateState this configuration and
   AUDIO_SAMPLE_RATE_HZ, and the model's input AUDIO_FEATURE_SCALE times each of its numbers. */
#include "tensorflow/lite/experimental/microfrontend/lib/frontend_util.h"

#define AUDIO_SAMPLE_RATE_HZ {{ sample_rate_hz }}
#define AUDIO_NUM_CHANNELS {{ num_channels }}
#define AUDIO_FEATURE_SCALE {{ feature_scale | c_float }}

static inline void audio_front_end_config(struct FrontendConfig *config) {
  FrontendFillConfigWithDefaults(config);
{% for field, value in fields.items() %}
  config->{{ field }} = {{ value | c_number }};
{% endfor %}
}

#endif /* AUDIO_FRONT_END_H_ */
