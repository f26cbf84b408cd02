/*
 * The control beside the busy loops: sleeps PERIOD_MS by timerfd, over and over, and prints each gap between two wake-ups
 * that is longer than THRESHOLD_MS, then, on SIGTERM, the longest. What it could not keep, no daemon could.
 *   sleeper PERIOD_MS THRESHOLD_MS
 * Lines: "gap END_MS LENGTH_MS" (CLOCK_MONOTONIC), "worst LENGTH_MS".
 */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t ended;

static void end(int signal) {
  (void)signal;
  ended = 1;
}

static double now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}

int main(int count, char **words) {
  if (count != 3) {
    fprintf(stderr, "usage: sleeper PERIOD_MS THRESHOLD_MS\n");
    return 2;
  }
  long period_ms = strtol(words[1], NULL, 10);
  double threshold_ms = strtod(words[2], NULL);
  struct sigaction action = {.sa_handler = end};
  sigaction(SIGTERM, &action, NULL);
  struct timespec period = {.tv_sec = period_ms / 1000, .tv_nsec = period_ms % 1000 * 1000000};
  struct itimerspec timer = {.it_interval = period, .it_value = period};
  int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
  if (fd < 0 || timerfd_settime(fd, 0, &timer, NULL) < 0) {
    perror("timerfd");
    return 1;
  }
  setvbuf(stdout, NULL, _IOLBF, 0);
  double last_ms = now_ms(), worst_ms = 0;
  while (!ended) {
    uint64_t expirations;
    if (read(fd, &expirations, sizeof expirations) < 0) continue;
    double wake_ms = now_ms(), gap_ms = wake_ms - last_ms;
    last_ms = wake_ms;
    if (gap_ms > worst_ms) worst_ms = gap_ms;
    if (gap_ms > threshold_ms) printf("gap %.3f %.3f\n", wake_ms, gap_ms);
  }
  printf("worst %.3f\n", worst_ms);
  return 0;
}
