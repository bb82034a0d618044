// SPDX-License-Identifier: Apache-2.0
//
// Whole-buffer compression of 2.0 pages.
#include <mutex>

#include "engine/format/compression.h"
#include "engine/format/v20/page_source.h"

namespace lancefs::v20 {
namespace {

// The last decompressed buffer of a column: neighbouring batches of a scan need the same one.
struct LastPlain {
  std::mutex mutex;
  uint64_t offset = UINT64_MAX;  // guarded by mutex
  Bytes plain;                   // guarded by mutex
};
constexpr size_t kLastPlainSlot = UINT32_MAX;  // no page has that number

std::shared_ptr<LastPlain> SlotOf(const PageRef& page) {
  std::shared_ptr<const void> state = page.file->CachedPageState(page.column, kLastPlainSlot);
  if (state == nullptr) {
    page.file->CachePageState(page.column, kLastPlainSlot, std::make_shared<LastPlain>());
    state = page.file->CachedPageState(page.column, kLastPlainSlot);
  }
  return std::const_pointer_cast<LastPlain>(std::static_pointer_cast<const LastPlain>(state));
}

}  // namespace

Result<Bytes> Decompress(const std::string& scheme, const Bytes& bytes) {
  if (scheme != "zstd" && scheme != "lz4")
    return Status::NotSupported("the compression scheme '" + scheme + "' is not supported");
  Bytes plain;
  const Compression compression = scheme == "zstd" ? Compression::kZstd : Compression::kLz4;
  LANCEFS_RETURN_NOT_OK(lancefs::Decompress(compression, bytes.span(), [&plain](size_t size) {
    uint8_t* data = nullptr;
    plain = Bytes::Allocate(size, &data);
    return data;
  }));
  return plain;
}

Result<Bytes> DecompressBuffer(const PageRef& page, const std::string& scheme, const ByteRange& place, const Bytes& bytes) {
  const std::shared_ptr<LastPlain> last = SlotOf(page);
  std::lock_guard lock(last->mutex);
  if (last->offset == place.offset && place.length != 0) return last->plain;
  Result<Bytes> plain = Decompress(scheme, bytes);
  if (!plain.ok()) {
    return plain.status().Is(StatusCode::kNotSupported) ? page.Unsupported(plain.status().message())
                                                        : page.Corrupt(plain.status().message());
  }
  last->offset = place.offset;
  last->plain = *plain;
  return plain;
}

}  // namespace lancefs::v20
