#ifndef RUN_VECTORS_H_
#define RUN_VECTORS_H_

#ifdef __cplusplus
extern "C" {
#endif

/* Makes the model ready, runs the test vectors and hands each line of the result to `print_line`.
   Returns how many vectors fail, -1 where the model does not start. */
int run_vectors(void (*print_line)(const char *line));

#ifdef __cplusplus
}
#endif

#endif /* RUN_VECTORS_H_ */
