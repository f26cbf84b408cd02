/* Clocks, and timers as descriptors (timerfd_create(2)). Times are nanoseconds in doubles. */
#define _GNU_SOURCE
#include "arguments.h"
#include "calls.h"

#include <math.h>
#include <sys/timerfd.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#define NANOSECONDS 1000000000LL

static napi_value clock_nanoseconds(napi_env env, clockid_t clock) {
  struct timespec now;
  if (clock_gettime(clock, &now) < 0) return outcome(env, -1);
  return number(env, (double)now.tv_sec * 1e9 + (double)now.tv_nsec);
}

napi_value monotonic(napi_env env, napi_callback_info info) {
  (void)info;
  return clock_nanoseconds(env, CLOCK_MONOTONIC);
}

napi_value boottime(napi_env env, napi_callback_info info) {
  (void)info;
  return clock_nanoseconds(env, CLOCK_BOOTTIME);
}

napi_value realtime(napi_env env, napi_callback_info info) {
  (void)info;
  return clock_nanoseconds(env, CLOCK_REALTIME);
}

napi_value tick(napi_env env, napi_callback_info info) {
  (void)info;
  struct timespec resolution;
  if (clock_getres(CLOCK_MONOTONIC_COARSE, &resolution) < 0) return outcome(env, -1);
  return number(env, (double)resolution.tv_sec * 1e9 + (double)resolution.tv_nsec);
}

/* adjtimex(2): the kernel's bound of the wall clock's error in microseconds; infinite when nobody keeps it right. */
napi_value clock_error(napi_env env, napi_callback_info info) {
  (void)info;
  struct timex state = {.modes = 0};
  if (adjtimex(&state) < 0) return outcome(env, -1);
  return number(env, (state.status & STA_UNSYNC) != 0 ? INFINITY : (double)state.maxerror);
}

napi_value timer_create_descriptor(napi_env env, napi_callback_info info) {
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

napi_value timer_set(napi_env env, napi_callback_info info) {
  struct call call = begin(env, info);
  int fd;
  struct itimerspec setting;
  if (!int_argument(&call, 0, &fd) || !time_argument(&call, 1, &setting.it_value) ||
      !time_argument(&call, 2, &setting.it_interval))
    return invalid(env);
  return outcome(env, timerfd_settime(fd, TFD_TIMER_ABSTIME, &setting, NULL));
}

napi_value timer_read(napi_env env, napi_callback_info info) {
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
