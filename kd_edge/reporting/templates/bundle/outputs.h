{% macro real(it) %}
{% if it.tensor.scales %}
MODEL_{{ it.word | upper }}_SCALE * (float)(model_{{ it.word }}(output)[number] - MODEL_{{ it.word | upper }}_ZERO_POINT)
{%- else %}
(float)model_{{ it.word }}(output)[number]
{%- endif %}
{% endmacro %}
/* The numbers of all outputs follow each other in one array. */
{% for it in outputs %}
{% set task = it.settings.task %}
{% set upper = "MODEL_" ~ it.word | upper %}

{{ ("Output " ~ it.name ~ ", " ~ task.kind ~ ": each number is a " ~ it.settings.output ~ ".") | c_comment }}
#define {{ upper }}_ELEMENTS {{ it.tensor.num_elements }}
{% if it.tensor.scales %}
#define {{ upper }}_SCALE {{ it.tensor.scales[0] | c_float }}
#define {{ upper }}_ZERO_POINT ({{ it.tensor.zero_points[0] }})
{% endif %}
/* Returns its numbers in what model_invoke wrote. */
static inline const model_output_t *model_{{ it.word }}(const model_output_t *output) { return output + {{ it.place }}; }
#define {{ upper }}_NUM_NAMES {{ task.names | length }}
static const char *const model_{{ it.word }}_names[{{ upper }}_NUM_NAMES] = {
{% for name in task.names %}
    {{ name | c_string }},
{% endfor %}
};
{% if task.kind == "multiclass" %}
/* Returns the number of the class in model_{{ it.word }}_names: that of the largest number. */
static inline int model_{{ it.word }}_class(const model_output_t *output) {
  const model_output_t *own = model_{{ it.word }}(output);
  int largest = 0;
  for (int i = 1; i < {{ upper }}_ELEMENTS; ++i) {
    if (own[i] > own[largest]) largest = i;
  }
  return largest;
}
{% elif task.kind == "regression" %}
static const char *const model_{{ it.word }}_units[{{ upper }}_NUM_NAMES] = {
{% for unit in it.values.units %}
    {{ unit | c_string }},
{% endfor %}
};
static const double model_{{ it.word }}_mean[{{ upper }}_NUM_NAMES] = {{ "{" }}{{ it.values.mean | map("c_double") | join(", ") }}};
static const double model_{{ it.word }}_deviation[{{ upper }}_NUM_NAMES] = {{ "{" }}{{ it.values.deviation | map("c_double") | join(", ") }}};
/* Returns the value of model_{{ it.word }}_names[number] in its unit. */
static inline double model_{{ it.word }}_value(const model_output_t *output, int number) {
  const float answer = {{ real(it) }};
  return (double)answer * model_{{ it.word }}_deviation[number] + model_{{ it.word }}_mean[number];
}
{% else %}
/* A probability of {{ task.threshold }} is the limit. */
{% if it.values.threshold_note %}
/* {{ it.values.threshold_note }} */
{% endif %}
#define {{ upper }}_THRESHOLD {{ it.values.threshold_text }}
/* Returns 1 where {{ "model_" ~ it.word ~ ("_names[1]" if task.kind == "binary" else "_names[number]") }} holds, else 0. */
static inline int model_{{ it.word }}_holds(const model_output_t *output, int number) {
  const {{ it.values.threshold_type }} limit = {{ upper }}_THRESHOLD;
  return model_{{ it.word }}(output)[number] > limit;
}
{% endif %}
{% endfor %}
