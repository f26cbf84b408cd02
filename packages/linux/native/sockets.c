/* Sockets: opening, naming, options and filters. Messages on them: messages.c. */
#define _GNU_SOURCE
#include "arguments.h"
#include "calls.h"

#include <errno.h>
#include <linux/filter.h>
#include <sys/socket.h>
#include <unistd.h>

napi_value open_socket(napi_env env, napi_callback_info info) {
  struct call call = begin(env, info);
  int domain, type, protocol;
  if (!int_argument(&call, 0, &domain) || !int_argument(&call, 1, &type) || !int_argument(&call, 2, &protocol))
    return invalid(env);
  return outcome(env, socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol));
}

napi_value close_descriptor(napi_env env, napi_callback_info info) {
  struct call call = begin(env, info);
  int fd;
  if (!int_argument(&call, 0, &fd)) return invalid(env);
  forget_polled(fd);
  return outcome(env, close(fd));
}

napi_value bind_socket(napi_env env, napi_callback_info info) {
  struct call call = begin(env, info);
  int fd;
  struct bytes address;
  if (!int_argument(&call, 0, &fd) || !bytes_argument(&call, 1, &address)) return invalid(env);
  return outcome(env, bind(fd, (const struct sockaddr *)address.data, (socklen_t)address.length));
}

napi_value connect_socket(napi_env env, napi_callback_info info) {
  struct call call = begin(env, info);
  int fd;
  struct bytes address;
  if (!int_argument(&call, 0, &fd) || !bytes_argument(&call, 1, &address)) return invalid(env);
  return outcome(env, connect(fd, (const struct sockaddr *)address.data, (socklen_t)address.length));
}

napi_value socket_name(napi_env env, napi_callback_info info) {
  struct call call = begin(env, info);
  int fd;
  struct bytes into;
  if (!int_argument(&call, 0, &fd) || !bytes_argument(&call, 1, &into)) return invalid(env);
  socklen_t length = (socklen_t)into.length;
  if (getsockname(fd, (struct sockaddr *)into.data, &length) < 0) return outcome(env, -1);
  /* The kernel cuts what does not fit and tells the full length. */
  return length > into.length ? invalid(env) : number(env, length);
}

napi_value set_option(napi_env env, napi_callback_info info) {
  struct call call = begin(env, info);
  int fd, level, name;
  struct bytes value;
  if (!int_argument(&call, 0, &fd) || !int_argument(&call, 1, &level) || !int_argument(&call, 2, &name) ||
      !bytes_argument(&call, 3, &value))
    return invalid(env);
  /* This option's value holds a pointer, which must never come from outside: attachFilter makes it. */
  if (level == SOL_SOCKET && (name == SO_ATTACH_FILTER || name == SO_ATTACH_REUSEPORT_CBPF)) return invalid(env);
  return outcome(env, setsockopt(fd, level, name, value.data, (socklen_t)value.length));
}

napi_value read_option(napi_env env, napi_callback_info info) {
  struct call call = begin(env, info);
  int fd, level, name;
  struct bytes into;
  if (!int_argument(&call, 0, &fd) || !int_argument(&call, 1, &level) || !int_argument(&call, 2, &name) ||
      !bytes_argument(&call, 3, &into))
    return invalid(env);
  /* SO_GET_FILTER counts in instructions, not bytes, and would write beyond the buffer. */
  if (level == SOL_SOCKET && name == SO_GET_FILTER) return invalid(env);
  socklen_t length = (socklen_t)into.length;
  if (getsockopt(fd, level, name, into.data, &length) < 0) return outcome(env, -1);
  return number(env, length);
}

napi_value attach_filter(napi_env env, napi_callback_info info) {
  struct call call = begin(env, info);
  int fd;
  struct bytes program;
  if (!int_argument(&call, 0, &fd) || !bytes_argument(&call, 1, &program)) return invalid(env);
  size_t instructions = program.length / sizeof(struct sock_filter);
  if (program.length % sizeof(struct sock_filter) != 0 || instructions == 0 || instructions > BPF_MAXINSNS)
    return invalid(env);
  struct sock_fprog filter = {.len = (unsigned short)instructions, .filter = (struct sock_filter *)program.data};
  return outcome(env, setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter));
}
