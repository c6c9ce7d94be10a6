{% set task = settings.task %}
{% macro names(what, count, texts) %}
#define {{ count }} {{ texts | length }}
static const char *const model_{{ what }}_names[{{ count }}] = {
{% for name in texts %}
    {{ name | c_string }},
{% endfor %}
};
{% endmacro %}
{% macro threshold(what) %}
/* An output is the {{ settings.output }} of {{ what }}, which holds where it exceeds this; the limit is
   a probability of {{ task.threshold }}. */
{% if threshold_note %}
/* {{ threshold_note }} */
{% endif %}
#define MODEL_OUTPUT_THRESHOLD {{ threshold_text }}
/* Returns 1 where {{ what }} holds, else 0. */
static inline int model_holds(const model_output_t *output, int number) {
  const {{ threshold_type }} limit = MODEL_OUTPUT_THRESHOLD;
  return output[number] > limit;
}
{% endmacro %}
{% macro real(name, index, it) %}
{% if it.scales %}
MODEL_{{ name | upper }}_SCALE * (float)({{ name }}[{{ index }}] - MODEL_{{ name | upper }}_ZERO_POINT)
{%- else %}
(float){{ name }}[{{ index }}]
{%- endif %}
{% endmacro %}
{% if task.kind == "multiclass" %}
/* An output is the {{ settings.output }} of model_class_names[number]; the largest says the class. */
{{ names("class", "MODEL_NUM_CLASSES", task.names) -}}
{% elif task.kind == "binary" %}
{{ names("class", "MODEL_NUM_CLASSES", task.names) }}
#define MODEL_NUM_ANSWERS 1
{{ threshold("model_class_names[1]") -}}
{% elif task.kind == "multilabel" %}
{{ names("label", "MODEL_NUM_LABELS", task.names) }}
#define MODEL_NUM_ANSWERS MODEL_NUM_LABELS
{{ threshold("model_label_names[number]") -}}
{% elif task.kind == "regression" %}
{{ names("value", "MODEL_NUM_VALUES", task.names) -}}
static const char *const model_value_units[MODEL_NUM_VALUES] = {
{% for unit in units %}
    {{ unit | c_string }},
{% endfor %}
};
static const double model_value_mean[MODEL_NUM_VALUES] = {{ "{" }}{{ mean | map("c_double") | join(", ") }}};
static const double model_value_deviation[MODEL_NUM_VALUES] = {{ "{" }}{{ deviation | map("c_double") | join(", ") }}};

#define MODEL_NUM_ANSWERS MODEL_NUM_VALUES
/* Returns the value of model_value_names[number] in its unit. */
static inline double model_value(const model_output_t *output, int number) {
  const float answer = {{ real("output", "number", target) }};
  return (double)answer * model_value_deviation[number] + model_value_mean[number];
}
{% else %}
#define MODEL_NUM_ANSWERS 1
/* A sample is an anomaly where its score exceeds this. */
#define MODEL_ANOMALY_THRESHOLD {{ settings.anomaly_threshold | c_float }}
/* Returns how badly the model reconstructs its input: the mean square difference of the real numbers. */
static inline float model_anomaly_score(const model_input_t *input, const model_output_t *output) {
  float sum = 0.0f;
  for (int i = 0; i < MODEL_OUTPUT_ELEMENTS; ++i) {
    const float difference = {{ real("output", "i", target) }} - {{ real("input", "i", source) }};
    sum += difference * difference;
  }
  return sum / (float)MODEL_OUTPUT_ELEMENTS;
}
{% endif %}
