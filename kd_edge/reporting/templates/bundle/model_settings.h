#ifndef MODEL_SETTINGS_H_
#define MODEL_SETTINGS_H_

#include <stdint.h>

{% macro tensor(name, it) %}
/* {{ name | capitalize }} of shape {{ it.shape }}, {{ "all outputs in a row" if outputs and name == "OUTPUT" else "real = scale * (raw - zero point)" }}. */
typedef {{ types[it.dtype] }} model_{{ name | lower }}_t;
#define MODEL_{{ name }}_ELEMENTS {{ it.num_elements }}
{% if it.scales %}
#define MODEL_{{ name }}_SCALE {{ it.scales[0] | c_float }}
#define MODEL_{{ name }}_ZERO_POINT ({{ it.zero_points[0] }})
{% endif %}
{% endmacro %}
{{ ("Tensor arena. " ~ settings.arena_source) | c_comment }}
#define MODEL_ARENA_BYTES {{ settings.arena_bytes }}

{{ tensor("INPUT", source) }}
{{ tensor("OUTPUT", target) }}
/* How far an output may be from the expected one{{ ": this part of its largest expected number" if target.dtype == "float32" }}. */
#define MODEL_TOLERANCE {{ tolerance }}

{% if settings.scale is none %}
/* {{ "The model reads the values as they are" if settings.input_known else unknown_scale | capitalize }}. */
{% else %}
/* The model reads (value - mean) / deviation, per channel. */
#define MODEL_NUM_CHANNELS {{ settings.scale[0] | length }}
static const float model_mean[MODEL_NUM_CHANNELS] = {{ "{" }}{{ settings.scale[0] | map("c_float") | join(", ") }}};
static const float model_deviation[MODEL_NUM_CHANNELS] = {{ "{" }}{{ settings.scale[1] | map("c_float") | join(", ") }}};
{% endif %}

{% if outputs %}
{% include "outputs.h" %}
{% else %}
{% include "task.h" %}
{% endif %}

#endif /* MODEL_SETTINGS_H_ */
