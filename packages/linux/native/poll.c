/* Watching descriptors by libuv, on the loop of the environment that asked. */
#define _GNU_SOURCE
#include "arguments.h"
#include "calls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <uv.h>

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

void forget_polled(int fd) {
  struct watcher *watcher = watchers;
  while (watcher != NULL) {
    struct watcher *next = watcher->next;
    if (watcher->fd == fd) stop(watcher);
    watcher = next;
  }
}

void forget_environment(void *data) {
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

napi_value poll_start(napi_env env, napi_callback_info info) {
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

napi_value poll_stop(napi_env env, napi_callback_info info) {
  struct call call = begin(env, info);
  napi_valuetype kind;
  bool ours = false;
  struct watcher *watcher;
  if (call.count < 1 || napi_typeof(env, call.argument[0], &kind) != napi_ok || kind != napi_object) return NULL;
  if (napi_check_object_type_tag(env, call.argument[0], &watcher_tag, &ours) != napi_ok || !ours) return NULL;
  if (napi_unwrap(env, call.argument[0], (void **)&watcher) == napi_ok) stop(watcher);
  return NULL;
}
