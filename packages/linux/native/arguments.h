/* Arguments of JavaScript's calls, taken apart with every type checked, and results. The rules are in holdfast.c. */
#ifndef HOLDFAST_ARGUMENTS_H
#define HOLDFAST_ARGUMENTS_H

#define NAPI_VERSION 8

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <node_api.h>

#define ARGUMENTS_MAX 6

struct bytes {
  uint8_t *data;
  size_t length;
};

struct call {
  napi_env env;
  size_t count;
  napi_value argument[ARGUMENTS_MAX];
};

/* Missing arguments arrive as undefined, so every index below ARGUMENTS_MAX may be read. */
struct call begin(napi_env env, napi_callback_info info);
napi_value number(napi_env env, double value);
/* What a system call returned, or -errno. */
napi_value outcome(napi_env env, long value);
/* -EINVAL. */
napi_value invalid(napi_env env);

/* False: absent, or not a finite number of that type. */
bool double_argument(const struct call *call, size_t index, double *value);
bool int_argument(const struct call *call, size_t index, int *value);

/* A typed array of one element type; `length` in bytes. */
bool array_argument(const struct call *call, size_t index, napi_typedarray_type wanted, struct bytes *bytes);
bool bytes_argument(const struct call *call, size_t index, struct bytes *bytes);
/* null and undefined leave `bytes` without data, which is allowed. */
bool optional_array(const struct call *call, size_t index, napi_typedarray_type type, struct bytes *bytes);
/* Copies text with its terminating NUL; false when it is no string or does not fit. */
bool text_argument(const struct call *call, size_t index, char *into, size_t size, size_t *length);

#endif
