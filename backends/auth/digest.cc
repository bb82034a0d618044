// SPDX-License-Identifier: Apache-2.0
#include "backends/auth/digest.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include <memory>

namespace lancefs {
namespace {

const unsigned char* Data(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

}  // namespace

Sha256Digest Sha256(const std::vector<Bytes>& parts) {
  Sha256Digest digest;
  if (parts.size() == 1) {
    SHA256(parts[0].data(), parts[0].size(), digest.data());
    return digest;
  }
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr);
  for (const Bytes& part : parts) EVP_DigestUpdate(context.get(), part.data(), part.size());
  EVP_DigestFinal_ex(context.get(), digest.data(), nullptr);
  return digest;
}

Sha256Digest Sha256(std::string_view text) {
  Sha256Digest digest;
  SHA256(Data(text), text.size(), digest.data());
  return digest;
}

Sha256Digest HmacSha256(std::string_view key, std::string_view text) {
  Sha256Digest digest;
  unsigned int size = digest.size();
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), Data(text), text.size(), digest.data(), &size);
  return digest;
}

std::array<uint8_t, 20> Sha1(std::string_view text) {
  std::array<uint8_t, 20> digest{};
  unsigned int size = digest.size();
  EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha1(), nullptr);
  return digest;
}

std::array<uint8_t, 16> Md5(std::string_view text) {
  std::array<uint8_t, 16> digest{};
  unsigned int size = digest.size();
  EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_md5(), nullptr);
  return digest;
}

std::string HexEncode(std::span<const uint8_t> bytes) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const uint8_t byte : bytes) {
    text += kHex[byte >> 4];
    text += kHex[byte & 15];
  }
  return text;
}

std::string Base64Encode(std::span<const uint8_t> bytes) {
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), bytes.data(), static_cast<int>(bytes.size()));
  text.resize(static_cast<size_t>(size));
  return text;
}

Result<std::string> Base64Decode(std::string_view text) {
  if (text.size() % 4 != 0) return Status::InvalidArgument("base64 text has a length that is no multiple of 4");
  std::string bytes(text.size() / 4 * 3, '\0');
  const int size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()), Data(text), static_cast<int>(text.size()));
  if (size < 0) return Status::InvalidArgument("not base64 text");
  size_t padding = 0;
  if (text.ends_with("==")) {
    padding = 2;
  } else if (text.ends_with('=')) {
    padding = 1;
  }
  if (text.find('=') < text.size() - padding) return Status::InvalidArgument("not base64 text");
  bytes.resize(static_cast<size_t>(size) - padding);
  return bytes;
}

}  // namespace lancefs
