/* Messages on sockets: sent and received one by one, or many in one system call. */
#define _GNU_SOURCE
#include "arguments.h"
#include "calls.h"

#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define BATCH_MAX 64
/* The room each sender's address has in receiveBatch: sizeof(struct sockaddr_storage). */
#define ADDRESS_SLOT 128

napi_value send_message(napi_env env, napi_callback_info info) {
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

napi_value send_batch(napi_env env, napi_callback_info info) {
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

napi_value receive_message(napi_env env, napi_callback_info info) {
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

napi_value receive_batch(napi_env env, napi_callback_info info) {
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
