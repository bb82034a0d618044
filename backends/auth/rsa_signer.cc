// SPDX-License-Identifier: Apache-2.0
#include "backends/auth/rsa_signer.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <algorithm>
#include <climits>

#include "backends/auth/digest.h"

namespace lancefs {
namespace {

// Without it OpenSSL would ask for the password of an encrypted key on the terminal.
int NoPassword(char*, int, int, void*) { return -1; }

EVP_PKEY* KeyOf(void* key) { return static_cast<EVP_PKEY*>(key); }

}  // namespace

Result<std::shared_ptr<const RsaSigner>> RsaSigner::FromPem(std::string_view pem) {
  const Status bad = Status::InvalidArgument("the private key is not an unencrypted RSA key in PEM form");
  if (pem.size() > 1 << 20) return bad;
  const std::unique_ptr<BIO, int (*)(BIO*)> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), BIO_free);
  if (bio == nullptr) return Status::ResourceExhausted("no memory to read a private key");
  EVP_PKEY* key = PEM_read_bio_PrivateKey(bio.get(), nullptr, NoPassword, nullptr);
  ERR_clear_error();
  if (key == nullptr) return bad;
  if (EVP_PKEY_base_id(key) != EVP_PKEY_RSA) {
    EVP_PKEY_free(key);
    return bad;
  }
  return std::shared_ptr<const RsaSigner>(new RsaSigner(key));
}

RsaSigner::~RsaSigner() { EVP_PKEY_free(KeyOf(key_)); }

Result<std::string> RsaSigner::Sign(std::string_view text) const {
  const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
  size_t size = static_cast<size_t>(EVP_PKEY_size(KeyOf(key_)));
  std::string signature(size, '\0');
  const bool done =
      context != nullptr && EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, KeyOf(key_)) == 1 &&
      EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size, bytes, text.size()) == 1;
  ERR_clear_error();
  if (!done) return Status::InvalidArgument("the private key cannot sign (is it too short?)");
  signature.resize(size);
  return signature;
}

Result<std::string> RsaSigner::SignToken(std::string_view header, std::string_view claims) const {
  std::string token = Base64UrlEncode(header) + "." + Base64UrlEncode(claims);
  LANCEFS_ASSIGN_OR_RETURN(const std::string signature, Sign(token));
  return token + "." + Base64UrlEncode(signature);
}

std::string Base64UrlEncode(std::string_view text) {
  std::string out = Base64Encode({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
  while (out.ends_with('=')) out.pop_back();
  std::replace(out.begin(), out.end(), '+', '-');
  std::replace(out.begin(), out.end(), '/', '_');
  return out;
}

}  // namespace lancefs
