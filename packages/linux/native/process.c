/* What a process does to itself and asks of the system: scheduling, locks, namespaces, memory, interfaces, sd_notify(3). */
#define _GNU_SOURCE
#include "arguments.h"
#include "calls.h"

#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

napi_value interface_index(napi_env env, napi_callback_info info) {
  struct call call = begin(env, info);
  char name[IF_NAMESIZE];
  size_t length;
  if (!text_argument(&call, 0, name, sizeof name, &length)) return invalid(env);
  unsigned int index = if_nametoindex(name);
  return index == 0 ? outcome(env, -1) : number(env, index);
}

napi_value schedule(napi_env env, napi_callback_info info) {
  struct call call = begin(env, info);
  int thread, policy, priority;
  if (!int_argument(&call, 0, &thread) || !int_argument(&call, 1, &policy) || !int_argument(&call, 2, &priority))
    return invalid(env);
  struct sched_param parameters = {.sched_priority = priority};
  return outcome(env, sched_setscheduler(thread, policy, &parameters));
}

napi_value lock(napi_env env, napi_callback_info info) {
  struct call call = begin(env, info);
  int fd;
  if (!int_argument(&call, 0, &fd)) return invalid(env);
  return outcome(env, flock(fd, LOCK_EX | LOCK_NB));
}

napi_value enter_namespace(napi_env env, napi_callback_info info) {
  struct call call = begin(env, info);
  int fd, type;
  if (!int_argument(&call, 0, &fd) || !int_argument(&call, 1, &type)) return invalid(env);
  return outcome(env, setns(fd, type));
}

/* Addresses are below 2^48 on every machine with 64 bits: a double holds them exactly. */
napi_value advise_memory(napi_env env, napi_callback_info info) {
  struct call call = begin(env, info);
  double start, length;
  int advice;
  if (!double_argument(&call, 0, &start) || !double_argument(&call, 1, &length) || !int_argument(&call, 2, &advice) ||
      start < 0 || length < 0 || start > 0x1p53 || length > 0x1p53)
    return invalid(env);
  return outcome(env, madvise((void *)(uintptr_t)start, (size_t)length, advice));
}

napi_value notify(napi_env env, napi_callback_info info) {
  struct call call = begin(env, info);
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  char message[4096];
  size_t path_length, message_length;
  if (!text_argument(&call, 0, address.sun_path, sizeof address.sun_path, &path_length) || path_length == 0 ||
      !text_argument(&call, 1, message, sizeof message, &message_length))
    return invalid(env);
  /* sd_notify(3) writes an abstract name with "@" for its leading NUL. */
  if (address.sun_path[0] == '@') address.sun_path[0] = '\0';
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return outcome(env, -1);
  socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path_length);
  if (address.sun_path[0] != '\0') length++;
  ssize_t sent = sendto(fd, message, message_length, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&address, length);
  int error = errno;
  close(fd);
  errno = error;
  return outcome(env, sent);
}
