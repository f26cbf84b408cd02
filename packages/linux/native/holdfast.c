/*
 * The kernel's system calls on byte buffers, and libuv watchers, for packages/linux. No policy.
 *
 * The surface is declared and documented in ../native.ts. Whatever the kernel refuses comes back as -errno; arguments
 * of a wrong type, and buffers too short for what is asked, come back as -EINVAL. Nothing here throws.
 */
#define _GNU_SOURCE
#define NAPI_VERSION 8

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <math.h>
#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <node_api.h>
#include <uv.h>

#define ARGUMENTS_MAX 6
#define BATCH_MAX 64
/* The room each sender's address has in receiveBatch: sizeof(struct sockaddr_storage). */
#define ADDRESS_SLOT 128
#define NANOSECONDS 1000000000LL

/* ---- Arguments and results ---- */

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
static struct call begin(napi_env env, napi_callback_info info) {
  struct call call = {.env = env, .count = ARGUMENTS_MAX};
  if (napi_get_cb_info(env, info, &call.count, call.argument, NULL, NULL) != napi_ok) call.count = 0;
  return call;
}

static napi_value number(napi_env env, double value) {
  napi_value result = NULL;
  napi_create_double(env, value, &result);
  return result;
}

static napi_value outcome(napi_env env, long value) {
  return number(env, (double)(value < 0 ? -errno : value));
}

static napi_value invalid(napi_env env) {
  return number(env, -EINVAL);
}

static bool double_argument(const struct call *call, size_t index, double *value) {
  return call->count > index && napi_get_value_double(call->env, call->argument[index], value) == napi_ok &&
         isfinite(*value);
}

static bool int_argument(const struct call *call, size_t index, int *value) {
  double wide;
  if (!double_argument(call, index, &wide) || wide != trunc(wide)) return false;
  if (wide < INT32_MIN || wide > INT32_MAX) return false;
  *value = (int)wide;
  return true;
}

/* A typed array of one element type; `length` in bytes. */
static bool array_argument(const struct call *call, size_t index, napi_typedarray_type wanted, struct bytes *bytes) {
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

static bool bytes_argument(const struct call *call, size_t index, struct bytes *bytes) {
  return array_argument(call, index, napi_uint8_array, bytes);
}

/* null and undefined leave `bytes` without data, which is allowed. */
static bool optional_array(const struct call *call, size_t index, napi_typedarray_type type, struct bytes *bytes) {
  *bytes = (struct bytes){0};
  if (call->count <= index) return true;
  napi_valuetype kind;
  if (napi_typeof(call->env, call->argument[index], &kind) != napi_ok) return false;
  if (kind == napi_null || kind == napi_undefined) return true;
  return array_argument(call, index, type, bytes);
}

/* Copies text with its terminating NUL; false when it is no string or does not fit. */
static bool text_argument(const struct call *call, size_t index, char *into, size_t size, size_t *length) {
  if (call->count <= index) return false;
  size_t needed;
  if (napi_get_value_string_utf8(call->env, call->argument[index], NULL, 0, &needed) != napi_ok) return false;
  if (needed >= size) return false;
  return napi_get_value_string_utf8(call->env, call->argument[index], into, size, length) == napi_ok;
}

/* ---- Sockets ---- */

static napi_value open_socket(napi_env env, napi_callback_info info) {
  struct call call = begin(env, info);
  int domain, type, protocol;
  if (!int_argument(&call, 0, &domain) || !int_argument(&call, 1, &type) || !int_argument(&call, 2, &protocol))
    return invalid(env);
  return outcome(env, socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol));
}

static void forget_polled(int fd);

static napi_value close_descriptor(napi_env env, napi_callback_info info) {
  struct call call = begin(env, info);
  int fd;
  if (!int_argument(&call, 0, &fd)) return invalid(env);
  forget_polled(fd);
  return outcome(env, close(fd));
}

static napi_value bind_socket(napi_env env, napi_callback_info info) {
  struct call call = begin(env, info);
  int fd;
  struct bytes address;
  if (!int_argument(&call, 0, &fd) || !bytes_argument(&call, 1, &address)) return invalid(env);
  return outcome(env, bind(fd, (const struct sockaddr *)address.data, (socklen_t)address.length));
}

static napi_value connect_socket(napi_env env, napi_callback_info info) {
  struct call call = begin(env, info);
  int fd;
  struct bytes address;
  if (!int_argument(&call, 0, &fd) || !bytes_argument(&call, 1, &address)) return invalid(env);
  return outcome(env, connect(fd, (const struct sockaddr *)address.data, (socklen_t)address.length));
}

static napi_value socket_name(napi_env env, napi_callback_info info) {
  struct call call = begin(env, info);
  int fd;
  struct bytes into;
  if (!int_argument(&call, 0, &fd) || !bytes_argument(&call, 1, &into)) return invalid(env);
  socklen_t length = (socklen_t)into.length;
  if (getsockname(fd, (struct sockaddr *)into.data, &length) < 0) return outcome(env, -1);
  /* The kernel cuts what does not fit and tells the full length. */
  return length > into.length ? invalid(env) : number(env, length);
}

static napi_value set_option(napi_env env, napi_callback_info info) {
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

static napi_value read_option(napi_env env, napi_callback_info info) {
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

static napi_value attach_filter(napi_env env, napi_callback_info info) {
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

/* ---- Sending and receiving ---- */

static napi_value send_message(napi_env env, napi_callback_info info) {
  struct call call = begin(env, info);
  int fd;
  struct bytes data, address;
  if (!int_argument(&call, 0, &fd) || !bytes_argument(&call, 1, &data) ||
      !optional_array(&call, 2, napi_uint8_array, &address))
    return invalid(env);
  return outcome(env, sendto(fd, data.data, data.length, MSG_DONTWAIT | MSG_NOSIGNAL,
                             (const struct sockaddr *)address.data, (socklen_t)address.length));
}

static bool slot_argument(const struct call *call, size_t index, size_t *slot) {
  int value;
  if (!int_argument(call, index, &value) || value <= 0) return false;
  *slot = (size_t)value;
  return true;
}

static napi_value send_batch(napi_env env, napi_callback_info info) {
  struct call call = begin(env, info);
  int fd;
  size_t slot;
  struct bytes data, lengths, addresses;
  if (!int_argument(&call, 0, &fd) || !bytes_argument(&call, 1, &data) || !slot_argument(&call, 2, &slot) ||
      !array_argument(&call, 3, napi_uint32_array, &lengths) ||
      !optional_array(&call, 4, napi_uint8_array, &addresses))
    return invalid(env);
  size_t address_slot = 0;
  if (addresses.data != NULL && !slot_argument(&call, 5, &address_slot)) return invalid(env);

  size_t count = lengths.length / sizeof(uint32_t);
  const uint32_t *length = (const uint32_t *)lengths.data;
  if (count > data.length / slot) return invalid(env);
  if (addresses.data != NULL && count > addresses.length / address_slot) return invalid(env);
  for (size_t i = 0; i < count; i++)
    if (length[i] > slot) return invalid(env);

  size_t sent = 0;
  while (sent < count) {
    struct mmsghdr messages[BATCH_MAX];
    struct iovec parts[BATCH_MAX];
    size_t batch = count - sent < BATCH_MAX ? count - sent : BATCH_MAX;
    memset(messages, 0, sizeof messages);
    for (size_t i = 0; i < batch; i++) {
      size_t message = sent + i;
      parts[i] = (struct iovec){.iov_base = data.data + message * slot, .iov_len = length[message]};
      messages[i].msg_hdr.msg_iov = &parts[i];
      messages[i].msg_hdr.msg_iovlen = 1;
      if (addresses.data == NULL) continue;
      messages[i].msg_hdr.msg_name = addresses.data + message * address_slot;
      messages[i].msg_hdr.msg_namelen = (socklen_t)address_slot;
    }
    int done = sendmmsg(fd, messages, (unsigned int)batch, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (done < 0) return sent > 0 ? number(env, (double)sent) : outcome(env, -1);
    sent += (size_t)done;
    if ((size_t)done < batch) break;
  }
  return number(env, (double)sent);
}

static napi_value receive_message(napi_env env, napi_callback_info info) {
  struct call call = begin(env, info);
  int fd;
  struct bytes into, address;
  if (!int_argument(&call, 0, &fd) || !bytes_argument(&call, 1, &into) ||
      !optional_array(&call, 2, napi_uint8_array, &address))
    return invalid(env);
  socklen_t address_length = (socklen_t)address.length;
  return outcome(env, recvfrom(fd, into.data, into.length, MSG_DONTWAIT | MSG_TRUNC, (struct sockaddr *)address.data,
                               address.data != NULL ? &address_length : NULL));
}

/* The kernel's receive time in nanoseconds of the realtime clock, or 0. */
static double receive_time(struct msghdr *header) {
  for (struct cmsghdr *part = CMSG_FIRSTHDR(header); part != NULL; part = CMSG_NXTHDR(header, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_TIMESTAMPNS) continue;
    struct timespec time;
    memcpy(&time, CMSG_DATA(part), sizeof time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
  }
  return 0;
}

static napi_value receive_batch(napi_env env, napi_callback_info info) {
  struct call call = begin(env, info);
  int fd;
  size_t slot;
  struct bytes into, lengths, addresses, times;
  if (!int_argument(&call, 0, &fd) || !bytes_argument(&call, 1, &into) || !slot_argument(&call, 2, &slot) ||
      !array_argument(&call, 3, napi_uint32_array, &lengths) ||
      !optional_array(&call, 4, napi_uint8_array, &addresses) ||
      !optional_array(&call, 5, napi_float64_array, &times))
    return invalid(env);

  /* As many messages as every array given has room for. */
  size_t count = BATCH_MAX;
  if (into.length / slot < count) count = into.length / slot;
  if (lengths.length / sizeof(uint32_t) < count) count = lengths.length / sizeof(uint32_t);
  if (addresses.data != NULL && addresses.length / ADDRESS_SLOT < count) count = addresses.length / ADDRESS_SLOT;
  if (times.data != NULL && times.length / sizeof(double) < count) count = times.length / sizeof(double);
  if (count == 0) return invalid(env);

  struct mmsghdr messages[BATCH_MAX];
  struct iovec parts[BATCH_MAX];
  _Alignas(struct cmsghdr) char control[BATCH_MAX][64];
  memset(messages, 0, sizeof messages);
  for (size_t i = 0; i < count; i++) {
    parts[i] = (struct iovec){.iov_base = into.data + i * slot, .iov_len = slot};
    messages[i].msg_hdr.msg_iov = &parts[i];
    messages[i].msg_hdr.msg_iovlen = 1;
    if (addresses.data != NULL) {
      messages[i].msg_hdr.msg_name = addresses.data + i * ADDRESS_SLOT;
      messages[i].msg_hdr.msg_namelen = ADDRESS_SLOT;
    }
    if (times.data != NULL) {
      messages[i].msg_hdr.msg_control = control[i];
      messages[i].msg_hdr.msg_controllen = sizeof control[i];
    }
  }
  int received = recvmmsg(fd, messages, (unsigned int)count, MSG_DONTWAIT | MSG_TRUNC, NULL);
  if (received < 0) return outcome(env, -1);
  for (int i = 0; i < received; i++) {
    ((uint32_t *)lengths.data)[i] = messages[i].msg_len;
    if (times.data != NULL) ((double *)times.data)[i] = receive_time(&messages[i].msg_hdr);
  }
  return number(env, received);
}

/* ---- Time ---- */

static napi_value clock_nanoseconds(napi_env env, clockid_t clock) {
  struct timespec now;
  if (clock_gettime(clock, &now) < 0) return outcome(env, -1);
  return number(env, (double)now.tv_sec * 1e9 + (double)now.tv_nsec);
}

static napi_value monotonic(napi_env env, napi_callback_info info) {
  (void)info;
  return clock_nanoseconds(env, CLOCK_MONOTONIC);
}

static napi_value realtime(napi_env env, napi_callback_info info) {
  (void)info;
  return clock_nanoseconds(env, CLOCK_REALTIME);
}

static napi_value tick(napi_env env, napi_callback_info info) {
  (void)info;
  struct timespec resolution;
  if (clock_getres(CLOCK_MONOTONIC_COARSE, &resolution) < 0) return outcome(env, -1);
  return number(env, (double)resolution.tv_sec * 1e9 + (double)resolution.tv_nsec);
}

static napi_value timer_create_descriptor(napi_env env, napi_callback_info info) {
  (void)info;
  return outcome(env, timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
}

static bool time_argument(const struct call *call, size_t index, struct timespec *time) {
  double nanoseconds;
  if (!double_argument(call, index, &nanoseconds) || nanoseconds < 0 || nanoseconds > 9e18) return false;
  long long whole = (long long)nanoseconds;
  *time = (struct timespec){.tv_sec = whole / NANOSECONDS, .tv_nsec = (long)(whole % NANOSECONDS)};
  return true;
}

static napi_value timer_set(napi_env env, napi_callback_info info) {
  struct call call = begin(env, info);
  int fd;
  struct itimerspec setting;
  if (!int_argument(&call, 0, &fd) || !time_argument(&call, 1, &setting.it_value) ||
      !time_argument(&call, 2, &setting.it_interval))
    return invalid(env);
  return outcome(env, timerfd_settime(fd, TFD_TIMER_ABSTIME, &setting, NULL));
}

static napi_value timer_read(napi_env env, napi_callback_info info) {
  struct call call = begin(env, info);
  int fd;
  if (!int_argument(&call, 0, &fd)) return invalid(env);
  /* A descriptor that is no timer may be a blocking one, on which read(2) would stop the loop. */
  struct itimerspec current;
  if (timerfd_gettime(fd, &current) < 0) return outcome(env, -1);
  uint64_t expirations = 0;
  ssize_t got = read(fd, &expirations, sizeof expirations);
  return got < 0 ? outcome(env, -1) : number(env, (double)expirations);
}

/* ---- Interfaces, scheduling, namespaces, locks ---- */

static napi_value interface_index(napi_env env, napi_callback_info info) {
  struct call call = begin(env, info);
  char name[IF_NAMESIZE];
  size_t length;
  if (!text_argument(&call, 0, name, sizeof name, &length)) return invalid(env);
  unsigned int index = if_nametoindex(name);
  return index == 0 ? outcome(env, -1) : number(env, index);
}

static napi_value schedule(napi_env env, napi_callback_info info) {
  struct call call = begin(env, info);
  int thread, policy, priority;
  if (!int_argument(&call, 0, &thread) || !int_argument(&call, 1, &policy) || !int_argument(&call, 2, &priority))
    return invalid(env);
  struct sched_param parameters = {.sched_priority = priority};
  return outcome(env, sched_setscheduler(thread, policy, &parameters));
}

static napi_value lock(napi_env env, napi_callback_info info) {
  struct call call = begin(env, info);
  int fd;
  if (!int_argument(&call, 0, &fd)) return invalid(env);
  return outcome(env, flock(fd, LOCK_EX | LOCK_NB));
}

static napi_value enter_namespace(napi_env env, napi_callback_info info) {
  struct call call = begin(env, info);
  int fd, type;
  if (!int_argument(&call, 0, &fd) || !int_argument(&call, 1, &type)) return invalid(env);
  return outcome(env, setns(fd, type));
}

/* Addresses are below 2^48 on every machine with 64 bits: a double holds them exactly. */
static napi_value advise_memory(napi_env env, napi_callback_info info) {
  struct call call = begin(env, info);
  double start, length;
  int advice;
  if (!double_argument(&call, 0, &start) || !double_argument(&call, 1, &length) || !int_argument(&call, 2, &advice) ||
      start < 0 || length < 0 || start > 0x1p53 || length > 0x1p53)
    return invalid(env);
  return outcome(env, madvise((void *)(uintptr_t)start, (size_t)length, advice));
}

static napi_value notify(napi_env env, napi_callback_info info) {
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

/* ---- Watching descriptors ---- */

/*
 * One watcher. It is freed when both libuv has closed its handle and JavaScript has dropped its object, in whichever
 * order these happen.
 */
struct watcher {
  uv_poll_t poll;
  struct watcher *next;
  napi_env env;
  napi_async_context context;
  napi_ref callback;
  /* -1 once stopped. */
  int fd;
  int events;
  bool object_dropped;
  bool handle_closed;
};

static struct watcher *watchers;

static const napi_type_tag watcher_tag = {0x686f6c6466617374ULL, 0x706f6c6c68616e64ULL};

static void free_if_unused(struct watcher *watcher) {
  if (watcher->object_dropped && watcher->handle_closed) free(watcher);
}

static void on_closed(uv_handle_t *handle) {
  struct watcher *watcher = handle->data;
  watcher->handle_closed = true;
  free_if_unused(watcher);
}

static void stop(struct watcher *watcher) {
  if (watcher->fd < 0) return;
  watcher->fd = -1;
  for (struct watcher **link = &watchers; *link != NULL; link = &(*link)->next) {
    if (*link != watcher) continue;
    *link = watcher->next;
    break;
  }
  uv_poll_stop(&watcher->poll);
  uv_close((uv_handle_t *)&watcher->poll, on_closed);
  napi_delete_reference(watcher->env, watcher->callback);
  napi_async_destroy(watcher->env, watcher->context);
}

/* Before a descriptor is closed: libuv would otherwise go on watching a number that may soon be another file. */
static void forget_polled(int fd) {
  struct watcher *watcher = watchers;
  while (watcher != NULL) {
    struct watcher *next = watcher->next;
    if (watcher->fd == fd) stop(watcher);
    watcher = next;
  }
}

static void on_environment_end(void *data) {
  napi_env env = data;
  struct watcher *watcher = watchers;
  while (watcher != NULL) {
    struct watcher *next = watcher->next;
    if (watcher->env == env) stop(watcher);
    watcher = next;
  }
}

static void on_object_dropped(napi_env env, void *data, void *hint) {
  (void)env;
  (void)hint;
  struct watcher *watcher = data;
  watcher->object_dropped = true;
  /* A watcher whose object was dropped without pollStop goes on: the callback is what the caller wanted. */
  free_if_unused(watcher);
}

static void on_ready(uv_poll_t *poll, int status, int events) {
  struct watcher *watcher = poll->data;
  napi_env env = watcher->env;
  napi_handle_scope scope;
  if (napi_open_handle_scope(env, &scope) != napi_ok) return;

  if (status < 0) {
    /* libuv stopped the handle on POLLERR and tells EBADF; the reason is in the socket, and it works on. */
    int error = 0;
    socklen_t length = sizeof error;
    if (getsockopt(watcher->fd, SOL_SOCKET, SO_ERROR, &error, &length) == 0) {
      status = -error;
      if (uv_poll_start(&watcher->poll, watcher->events, on_ready) != 0) status = -EBADF;
      /* A condition without an error is one to read: the caller's receive finds out. */
      if (error == 0) events = watcher->events;
    }
  }
  napi_value callback, receiver, arguments[2], result;
  if (napi_get_reference_value(env, watcher->callback, &callback) == napi_ok && callback != NULL &&
      napi_get_global(env, &receiver) == napi_ok) {
    arguments[0] = number(env, status);
    arguments[1] = number(env, events);
    if (napi_make_callback(env, watcher->context, receiver, callback, 2, arguments, &result) ==
        napi_pending_exception) {
      napi_value exception;
      /* Outside of JavaScript nobody can catch it: end as any other uncaught exception does. */
      if (napi_get_and_clear_last_exception(env, &exception) == napi_ok) napi_fatal_exception(env, exception);
    }
  }
  napi_close_handle_scope(env, scope);
}

static napi_value poll_start(napi_env env, napi_callback_info info) {
  struct call call = begin(env, info);
  int fd, events;
  napi_valuetype kind;
  if (!int_argument(&call, 0, &fd) || !int_argument(&call, 1, &events) || call.count < 3 ||
      napi_typeof(env, call.argument[2], &kind) != napi_ok || kind != napi_function)
    return invalid(env);
  if (events == 0 || (events & ~(UV_READABLE | UV_WRITABLE)) != 0) return invalid(env);
  if (fcntl(fd, F_GETFD) < 0) return outcome(env, -1);
  uv_loop_t *loop;
  if (napi_get_uv_event_loop(env, &loop) != napi_ok) return invalid(env);

  struct watcher *watcher = calloc(1, sizeof *watcher);
  if (watcher == NULL) return number(env, -ENOMEM);
  int error = uv_poll_init(loop, &watcher->poll, fd);
  if (error < 0) {
    free(watcher);
    return number(env, error);
  }
  watcher->poll.data = watcher;
  watcher->env = env;
  watcher->fd = fd;
  watcher->events = events;
  napi_value handle, name;
  napi_create_reference(env, call.argument[2], 1, &watcher->callback);
  napi_create_string_utf8(env, "holdfast.poll", NAPI_AUTO_LENGTH, &name);
  napi_async_init(env, NULL, name, &watcher->context);
  napi_create_object(env, &handle);
  napi_type_tag_object(env, handle, &watcher_tag);
  napi_wrap(env, handle, watcher, on_object_dropped, NULL, NULL);
  watcher->next = watchers;
  watchers = watcher;
  error = uv_poll_start(&watcher->poll, events, on_ready);
  if (error < 0) {
    stop(watcher);
    return number(env, error);
  }
  return handle;
}

static napi_value poll_stop(napi_env env, napi_callback_info info) {
  struct call call = begin(env, info);
  napi_valuetype kind;
  bool ours = false;
  struct watcher *watcher;
  if (call.count < 1 || napi_typeof(env, call.argument[0], &kind) != napi_ok || kind != napi_object) return NULL;
  if (napi_check_object_type_tag(env, call.argument[0], &watcher_tag, &ours) != napi_ok || !ours) return NULL;
  if (napi_unwrap(env, call.argument[0], (void **)&watcher) == napi_ok) stop(watcher);
  return NULL;
}

/* ---- Exports ---- */

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
    {"timerCreate", timer_create_descriptor},
    {"timerSet", timer_set},
    {"timerRead", timer_read},
    {"monotonic", monotonic},
    {"realtime", realtime},
    {"tick", tick},
    {"interfaceIndex", interface_index},
    {"schedule", schedule},
    {"lock", lock},
    {"setns", enter_namespace},
    {"adviseMemory", advise_memory},
    {"notify", notify},
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
  napi_add_env_cleanup_hook(env, on_environment_end, env);
  return exports;
}
