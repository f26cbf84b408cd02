/* Arguments and results of the calls: nothing is taken that was not checked. */
#include "arguments.h"

#include <errno.h>
#include <math.h>

struct call begin(napi_env env, napi_callback_info info) {
  struct call call = {.env = env, .count = ARGUMENTS_MAX};
  if (napi_get_cb_info(env, info, &call.count, call.argument, NULL, NULL) != napi_ok) call.count = 0;
  return call;
}

napi_value number(napi_env env, double value) {
  napi_value result = NULL;
  napi_create_double(env, value, &result);
  return result;
}

napi_value outcome(napi_env env, long value) {
  return number(env, (double)(value < 0 ? -errno : value));
}

napi_value invalid(napi_env env) {
  return number(env, -EINVAL);
}

bool double_argument(const struct call *call, size_t index, double *value) {
  return call->count > index && napi_get_value_double(call->env, call->argument[index], value) == napi_ok &&
         isfinite(*value);
}

bool int_argument(const struct call *call, size_t index, int *value) {
  double wide;
  if (!double_argument(call, index, &wide) || wide != trunc(wide)) return false;
  if (wide < INT32_MIN || wide > INT32_MAX) return false;
  *value = (int)wide;
  return true;
}

bool array_argument(const struct call *call, size_t index, napi_typedarray_type wanted, struct bytes *bytes) {
  bool is_array = false;
  if (call->count <= index || napi_is_typedarray(call->env, call->argument[index], &is_array) != napi_ok || !is_array)
    return false;
  napi_typedarray_type type;
  size_t elements;
  void *data;
  if (napi_get_typedarray_info(call->env, call->argument[index], &type, &elements, &data, NULL, NULL) != napi_ok)
    return false;
  if (type != wanted) return false;
  size_t element_size = wanted == napi_float64_array ? 8 : wanted == napi_uint32_array ? 4 : 1;
  /* An empty array has no address of its own; system calls want one that may be pointed at. */
  static uint8_t nothing[1];
  bytes->data = data != NULL ? data : nothing;
  bytes->length = elements * element_size;
  return true;
}

bool bytes_argument(const struct call *call, size_t index, struct bytes *bytes) {
  return array_argument(call, index, napi_uint8_array, bytes);
}

bool optional_array(const struct call *call, size_t index, napi_typedarray_type type, struct bytes *bytes) {
  *bytes = (struct bytes){0};
  if (call->count <= index) return true;
  napi_valuetype kind;
  if (napi_typeof(call->env, call->argument[index], &kind) != napi_ok) return false;
  if (kind == napi_null || kind == napi_undefined) return true;
  return array_argument(call, index, type, bytes);
}

bool text_argument(const struct call *call, size_t index, char *into, size_t size, size_t *length) {
  if (call->count <= index) return false;
  size_t needed;
  if (napi_get_value_string_utf8(call->env, call->argument[index], NULL, 0, &needed) != napi_ok) return false;
  if (needed >= size) return false;
  return napi_get_value_string_utf8(call->env, call->argument[index], into, size, length) == napi_ok;
}
