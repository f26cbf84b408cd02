/* Serial lines: a tty made raw at a speed, and plain reads and writes. */
#define _GNU_SOURCE
#include "arguments.h"
#include "calls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* The termios that knows BOTHER, any speed; that of termios.h would clash with it. */
#include <asm/termbits.h>

#define PATH_SIZE 4096

/* 8 data bits, no parity, one stop bit, no flow control, nothing interpreted; modem lines are ignored. */
static int make_raw(int fd, int baud) {
  struct termios2 mode;
  if (ioctl(fd, TCGETS2, &mode) < 0) return -1;
  mode.c_iflag = IGNBRK | IGNPAR;
  mode.c_oflag = 0;
  mode.c_lflag = 0;
  mode.c_cflag = CS8 | CREAD | CLOCAL | BOTHER | (BOTHER << IBSHIFT);
  mode.c_ispeed = (speed_t)baud;
  mode.c_ospeed = (speed_t)baud;
  for (size_t i = 0; i < sizeof mode.c_cc; i++) mode.c_cc[i] = 0;
  mode.c_cc[VMIN] = 1;
  return ioctl(fd, TCSETS2, &mode);
}

napi_value open_serial(napi_env env, napi_callback_info info) {
  struct call call = begin(env, info);
  char path[PATH_SIZE];
  size_t length;
  int baud;
  if (!text_argument(&call, 0, path, sizeof path, &length) || length == 0 || !int_argument(&call, 1, &baud) ||
      baud <= 0)
    return invalid(env);
  /* Without O_NONBLOCK the open would wait for a modem's carrier. */
  int fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return outcome(env, -1);
  if (make_raw(fd, baud) < 0) {
    int error = errno;
    close(fd);
    errno = error;
    return outcome(env, -1);
  }
  /* What came before is of no use; a getty or a modem manager that opens it later would take bytes away. */
  ioctl(fd, TCFLSH, TCIOFLUSH);
  ioctl(fd, TIOCEXCL);
  return number(env, fd);
}

napi_value discard_serial(napi_env env, napi_callback_info info) {
  struct call call = begin(env, info);
  int fd;
  if (!int_argument(&call, 0, &fd)) return invalid(env);
  ioctl(fd, TIOCNXCL);
  return outcome(env, ioctl(fd, TCFLSH, TCIOFLUSH));
}

napi_value read_descriptor(napi_env env, napi_callback_info info) {
  struct call call = begin(env, info);
  int fd;
  struct bytes into;
  if (!int_argument(&call, 0, &fd) || !bytes_argument(&call, 1, &into)) return invalid(env);
  return outcome(env, read(fd, into.data, into.length));
}

napi_value write_descriptor(napi_env env, napi_callback_info info) {
  struct call call = begin(env, info);
  int fd;
  struct bytes data;
  if (!int_argument(&call, 0, &fd) || !bytes_argument(&call, 1, &data)) return invalid(env);
  return outcome(env, write(fd, data.data, data.length));
}

napi_value open_pseudo_terminal(napi_env env, napi_callback_info info) {
  struct call call = begin(env, info);
  struct bytes path;
  if (!bytes_argument(&call, 0, &path) || path.length == 0) return invalid(env);
  int fd = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return outcome(env, -1);
  int error = grantpt(fd) < 0 || unlockpt(fd) < 0 ? errno : ptsname_r(fd, (char *)path.data, path.length);
  if (error == 0) return number(env, fd);
  close(fd);
  errno = error;
  return outcome(env, -1);
}
