#include <Arduino.h>
{% if tflm_header %}
#include <{{ tflm_header }}>
{% endif %}

#include "run_vectors.h"

static void print_line(const char *line) { Serial.println(line); }

void setup() { Serial.begin(115200); }

void loop() {
  run_vectors(print_line);
  delay(5000);
}
