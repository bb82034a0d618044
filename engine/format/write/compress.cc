// SPDX-License-Identifier: Apache-2.0
#include "engine/format/write/compress.h"

#include <lz4.h>
#include <zstd.h>

#include <memory>

namespace lancefs {
namespace {

// A context costs more to make than a small value to compress.
ZSTD_CCtx* ThreadContext() {
  thread_local const std::unique_ptr<ZSTD_CCtx, size_t (*)(ZSTD_CCtx*)> context(ZSTD_createCCtx(), &ZSTD_freeCCtx);
  return context.get();
}

}  // namespace

void AppendZstd(std::span<const uint8_t> bytes, int level, std::string* out) {
  const uint64_t length = bytes.size();
  out->append(reinterpret_cast<const char*>(&length), sizeof(length));
  const size_t start = out->size();
  out->resize(start + ZSTD_compressBound(bytes.size()));
  const size_t size =
      ZSTD_compressCCtx(ThreadContext(), out->data() + start, out->size() - start, bytes.data(), bytes.size(), level);
  out->resize(start + size);  // cannot fail: the room is the bound, the level is clamped
}

void AppendLz4(std::span<const uint8_t> bytes, std::string* out) {
  const auto length = static_cast<uint32_t>(bytes.size());
  out->append(reinterpret_cast<const char*>(&length), sizeof(length));
  const size_t start = out->size();
  out->resize(start + static_cast<size_t>(LZ4_compressBound(static_cast<int>(length))));
  const int size = LZ4_compress_default(reinterpret_cast<const char*>(bytes.data()), out->data() + start,
                                        static_cast<int>(length), static_cast<int>(out->size() - start));
  out->resize(start + static_cast<size_t>(size));
}

}  // namespace lancefs
