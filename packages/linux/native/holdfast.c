/*
 * The kernel's system calls on byte buffers, libuv watchers, and one cipher, for packages/linux. No policy.
 *
 * The surface is declared and documented in ../native.ts. Whatever the kernel refuses comes back as -errno; arguments
 * of a wrong type, and buffers too short for what is asked, come back as -EINVAL. Nothing here throws.
 */
#include "arguments.h"
#include "calls.h"

static const struct {
  const char *name;
  napi_callback function;
} exported[] = {
    {"socket", open_socket},
    {"close", close_descriptor},
    {"bind", bind_socket},
    {"connect", connect_socket},
    {"getsockname", socket_name},
    {"setsockopt", set_option},
    {"getsockopt", read_option},
    {"attachFilter", attach_filter},
    {"send", send_message},
    {"sendBatch", send_batch},
    {"receive", receive_message},
    {"receiveBatch", receive_batch},
    {"openSerial", open_serial},
    {"discardSerial", discard_serial},
    {"read", read_descriptor},
    {"write", write_descriptor},
    {"openPseudoTerminal", open_pseudo_terminal},
    {"timerCreate", timer_create_descriptor},
    {"timerSet", timer_set},
    {"timerRead", timer_read},
    {"monotonic", monotonic},
    {"boottime", boottime},
    {"realtime", realtime},
    {"tick", tick},
    {"clockError", clock_error},
    {"interfaceIndex", interface_index},
    {"schedule", schedule},
    {"lock", lock},
    {"setns", enter_namespace},
    {"adviseMemory", advise_memory},
    {"notify", notify},
    {"aeadKey", aead_key},
    {"aeadSeal", aead_seal},
    {"aeadOpen", aead_open},
    {"poll", poll_start},
    {"pollStop", poll_stop},
};

NAPI_MODULE_INIT() {
  for (size_t i = 0; i < sizeof exported / sizeof exported[0]; i++) {
    napi_value function;
    if (napi_create_function(env, exported[i].name, NAPI_AUTO_LENGTH, exported[i].function, NULL, &function) != napi_ok)
      return NULL;
    napi_set_named_property(env, exports, exported[i].name, function);
  }
  napi_add_env_cleanup_hook(env, forget_environment, env);
  return exports;
}
