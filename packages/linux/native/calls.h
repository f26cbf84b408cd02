/* The functions that JavaScript calls, by the file that has them. Their contracts are in ../native.ts. */
#ifndef HOLDFAST_CALLS_H
#define HOLDFAST_CALLS_H

#include "arguments.h"

/* sockets.c */
napi_value open_socket(napi_env env, napi_callback_info info);
napi_value close_descriptor(napi_env env, napi_callback_info info);
napi_value bind_socket(napi_env env, napi_callback_info info);
napi_value connect_socket(napi_env env, napi_callback_info info);
napi_value socket_name(napi_env env, napi_callback_info info);
napi_value set_option(napi_env env, napi_callback_info info);
napi_value read_option(napi_env env, napi_callback_info info);
napi_value attach_filter(napi_env env, napi_callback_info info);

/* messages.c */
napi_value send_message(napi_env env, napi_callback_info info);
napi_value send_batch(napi_env env, napi_callback_info info);
napi_value receive_message(napi_env env, napi_callback_info info);
napi_value receive_batch(napi_env env, napi_callback_info info);

/* serial.c */
napi_value open_serial(napi_env env, napi_callback_info info);
napi_value discard_serial(napi_env env, napi_callback_info info);
napi_value read_descriptor(napi_env env, napi_callback_info info);
napi_value write_descriptor(napi_env env, napi_callback_info info);
napi_value open_pseudo_terminal(napi_env env, napi_callback_info info);

/* time.c */
napi_value monotonic(napi_env env, napi_callback_info info);
napi_value boottime(napi_env env, napi_callback_info info);
napi_value realtime(napi_env env, napi_callback_info info);
napi_value tick(napi_env env, napi_callback_info info);
napi_value clock_error(napi_env env, napi_callback_info info);
napi_value timer_create_descriptor(napi_env env, napi_callback_info info);
napi_value timer_set(napi_env env, napi_callback_info info);
napi_value timer_read(napi_env env, napi_callback_info info);

/* process.c */
napi_value interface_index(napi_env env, napi_callback_info info);
napi_value schedule(napi_env env, napi_callback_info info);
napi_value lock(napi_env env, napi_callback_info info);
napi_value enter_namespace(napi_env env, napi_callback_info info);
napi_value advise_memory(napi_env env, napi_callback_info info);
napi_value notify(napi_env env, napi_callback_info info);

/* aead.c */
napi_value aead_key(napi_env env, napi_callback_info info);
napi_value aead_seal(napi_env env, napi_callback_info info);
napi_value aead_open(napi_env env, napi_callback_info info);

/* poll.c */
napi_value poll_start(napi_env env, napi_callback_info info);
napi_value poll_stop(napi_env env, napi_callback_info info);
/* Before a descriptor is closed: libuv would otherwise go on watching a number that may soon be another file. */
void forget_polled(int fd);
/* Stops every watcher of an environment (`data`: its napi_env) that ends. */
void forget_environment(void *data);

#endif
