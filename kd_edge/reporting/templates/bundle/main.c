#include <stdio.h>

#include "run_vectors.h"

static void print_line(const char *line) { printf("%s\n", line); }

{% if tool_chain == "esp-idf" %}
void app_main(void);

void app_main(void) { run_vectors(print_line); }
{% else %}
int main(void) { return run_vectors(print_line) == 0 ? 0 : 1; }
{% endif %}
