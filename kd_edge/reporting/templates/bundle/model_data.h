#ifndef MODEL_DATA_H_
#define MODEL_DATA_H_

#ifdef __cplusplus
extern "C" {
#endif

/* The .tflite file, aligned to 16 bytes. */
extern const unsigned char g_model_data[];
extern const unsigned int g_model_data_size;

#ifdef __cplusplus
}
#endif

#endif /* MODEL_DATA_H_ */
