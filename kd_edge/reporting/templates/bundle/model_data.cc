#include "model_data.h"

alignas(16) const unsigned char g_model_data[] = {
{{ model | c_rows("hexadecimal") }}
};
const unsigned int g_model_data_size = {{ model | length }}u;
