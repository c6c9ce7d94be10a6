#include "test_vectors.h"

{% macro array(kind, name, length, rows, literal="number") %}
const {{ kind }} {{ name }}[NUM_TEST_VECTORS][{{ length }}] = {
{% for row in rows %}
{
{{ row | c_rows(literal) }}
},
{% endfor %}
};
{% endmacro %}
{{ array("model_input_t", "test_inputs", "MODEL_INPUT_ELEMENTS", inputs) }}
{{ array("model_output_t", "test_outputs", "MODEL_OUTPUT_ELEMENTS", outputs) -}}
{% if answers %}

{{ array("double", "test_answers", "MODEL_NUM_ANSWERS", answers, "double") -}}
{% endif %}
