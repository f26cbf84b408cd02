/*
 * ChaCha20-Poly1305 (RFC 8439) by the OpenSSL that Node's binary carries and exports, with one context a key that is kept:
 * node:crypto makes a new one for each datagram, which costs ten times what the cipher does.
 */
#include "arguments.h"
#include "calls.h"

#include <errno.h>
#include <stdlib.h>

#include <openssl/evp.h>

#define KEY_BYTES 32
#define NONCE_BYTES 12
#define TAG_BYTES 16
/* What OpenSSL takes in one call is an int. */
#define LENGTH_MAX (1 << 24)

static const napi_type_tag key_tag = {0x686f6c6466617374ULL, 0x616561642d6b6579ULL};

static void on_key_dropped(napi_env env, void *data, void *hint) {
  (void)env;
  (void)hint;
  EVP_CIPHER_CTX_free(data);
}

napi_value aead_key(napi_env env, napi_callback_info info) {
  struct call call = begin(env, info);
  struct bytes secret;
  if (!bytes_argument(&call, 0, &secret) || secret.length != KEY_BYTES) return invalid(env);
  EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
  if (context == NULL) return number(env, -ENOMEM);
  napi_value key;
  if (EVP_CipherInit_ex(context, EVP_chacha20_poly1305(), NULL, secret.data, NULL, 1) != 1 ||
      napi_create_object(env, &key) != napi_ok || napi_type_tag_object(env, key, &key_tag) != napi_ok ||
      napi_wrap(env, key, context, on_key_dropped, NULL, NULL) != napi_ok) {
    EVP_CIPHER_CTX_free(context);
    return number(env, -ENOMEM);
  }
  return key;
}

/* What both directions are given: a key, a nonce, a datagram whose first `associated` bytes are only authenticated. */
struct work {
  EVP_CIPHER_CTX *context;
  struct bytes nonce, data;
  int associated;
  /* Between the associated bytes and the tag. */
  int text;
};

static bool work_arguments(const struct call *call, struct work *work) {
  napi_valuetype kind;
  bool ours = false;
  void *context;
  if (call->count < 4 || napi_typeof(call->env, call->argument[0], &kind) != napi_ok || kind != napi_object ||
      napi_check_object_type_tag(call->env, call->argument[0], &key_tag, &ours) != napi_ok || !ours ||
      napi_unwrap(call->env, call->argument[0], &context) != napi_ok)
    return false;
  work->context = context;
  if (!bytes_argument(call, 1, &work->nonce) || work->nonce.length != NONCE_BYTES ||
      !bytes_argument(call, 2, &work->data) || work->data.length < TAG_BYTES || work->data.length > LENGTH_MAX ||
      !int_argument(call, 3, &work->associated) || work->associated < 0)
    return false;
  work->text = (int)work->data.length - TAG_BYTES - work->associated;
  return work->text >= 0;
}

/* The nonce replaces the one before; the key stays. */
static bool begin_work(const struct work *work, int sealing) {
  int length;
  return EVP_CipherInit_ex(work->context, NULL, NULL, NULL, work->nonce.data, sealing) == 1 &&
         EVP_CipherUpdate(work->context, NULL, &length, work->data.data, work->associated) == 1;
}

napi_value aead_seal(napi_env env, napi_callback_info info) {
  struct call call = begin(env, info);
  struct work work;
  if (!work_arguments(&call, &work)) return invalid(env);
  uint8_t *text = work.data.data + work.associated;
  uint8_t nothing[TAG_BYTES];
  int length;
  if (!begin_work(&work, 1) || EVP_CipherUpdate(work.context, text, &length, text, work.text) != 1 ||
      EVP_CipherFinal_ex(work.context, nothing, &length) != 1 ||
      EVP_CIPHER_CTX_ctrl(work.context, EVP_CTRL_AEAD_GET_TAG, TAG_BYTES, text + work.text) != 1)
    return number(env, -EIO);
  return number(env, (double)work.data.length);
}

napi_value aead_open(napi_env env, napi_callback_info info) {
  struct call call = begin(env, info);
  struct work work;
  struct bytes into;
  if (!work_arguments(&call, &work) || !bytes_argument(&call, 4, &into) || into.length < (size_t)work.text)
    return invalid(env);
  uint8_t *text = work.data.data + work.associated;
  uint8_t nothing[TAG_BYTES];
  int length;
  if (!begin_work(&work, 0) || EVP_CipherUpdate(work.context, into.data, &length, text, work.text) != 1 ||
      EVP_CIPHER_CTX_ctrl(work.context, EVP_CTRL_AEAD_SET_TAG, TAG_BYTES, text + work.text) != 1)
    return number(env, -EIO);
  if (EVP_CipherFinal_ex(work.context, nothing, &length) != 1) return number(env, -EBADMSG);
  return number(env, work.text);
}
