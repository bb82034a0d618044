// SPDX-License-Identifier: Apache-2.0
//
// Whole-buffer compression of 2.0 pages. Framing: docs/lance/file.md 4.10.
#include <lz4.h>
#include <zstd.h>

#include <mutex>

#include "engine/format/v20/page_source.h"

namespace lancefs::v20 {
namespace {

// What one frame may claim to hold: zstd reaches about 1 : 32,768 at best, LZ4 1 : 255.
constexpr uint64_t kMaxZstdRatio = 65536;
constexpr uint64_t kMaxLz4Ratio = 256;
constexpr uint64_t kMaxPlain = uint64_t{1} << 36;

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

// Old writers stored frames without our length in front.
bool IsBareZstd(const Bytes& bytes) {
  if (bytes.size() < 4 || LoadLittleEndian<uint32_t>(bytes.data()) != ZSTD_MAGICNUMBER) return false;
  return bytes.size() < 8 || (bytes.data()[4] & 0x10) == 0;
}

Result<Bytes> StreamZstd(const Bytes& bytes) {
  const std::unique_ptr<ZSTD_DCtx, size_t (*)(ZSTD_DCtx*)> context(ZSTD_createDCtx(), &ZSTD_freeDCtx);
  if (context == nullptr) return Status::ResourceExhausted("no memory for zstd");
  std::string plain;
  ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
  size_t left = 1;
  while (left != 0) {
    const size_t old = plain.size();
    plain.resize(old + std::max<size_t>(ZSTD_DStreamOutSize(), old));
    ZSTD_outBuffer out{plain.data(), plain.size(), old};
    left = ZSTD_decompressStream(context.get(), &out, &in);
    if (ZSTD_isError(left)) return Status::Corruption(std::string("bad zstd frame: ") + ZSTD_getErrorName(left));
    const bool stuck = in.pos == in.size && out.pos < out.size;
    plain.resize(out.pos);
    if (left != 0 && stuck) return Status::Corruption("a zstd frame is cut short");
    if (plain.size() > kMaxPlain) return Status::Corruption("a zstd frame holds too much");
  }
  return Bytes::FromString(std::move(plain));
}

Result<Bytes> Zstd(const Bytes& bytes) {
  if (IsBareZstd(bytes)) return StreamZstd(bytes);
  if (bytes.size() < 8) return Status::Corruption("a zstd buffer of " + std::to_string(bytes.size()) + " bytes");
  const auto length = LoadLittleEndian<uint64_t>(bytes.data());
  if (length > kMaxPlain || length / kMaxZstdRatio > bytes.size()) {
    return Status::Corruption("a zstd buffer of " + std::to_string(bytes.size()) + " bytes claims " + std::to_string(length));
  }
  uint8_t* data = nullptr;
  Bytes plain = Bytes::Allocate(length, &data);
  const size_t got = ZSTD_decompress(data, length, bytes.data() + 8, bytes.size() - 8);
  if (ZSTD_isError(got)) return Status::Corruption(std::string("bad zstd frame: ") + ZSTD_getErrorName(got));
  if (got != length)
    return Status::Corruption("a zstd frame holds " + std::to_string(got) + " bytes, not " + std::to_string(length));
  return plain;
}

Result<Bytes> Lz4(const Bytes& bytes) {
  if (bytes.size() < 4) return Status::Corruption("an lz4 buffer of " + std::to_string(bytes.size()) + " bytes");
  const auto length = LoadLittleEndian<uint32_t>(bytes.data());
  if (length > INT32_MAX || bytes.size() - 4 > INT32_MAX || length / kMaxLz4Ratio > bytes.size()) {
    return Status::Corruption("an lz4 buffer of " + std::to_string(bytes.size()) + " bytes claims " + std::to_string(length));
  }
  uint8_t* data = nullptr;
  Bytes plain = Bytes::Allocate(length, &data);
  const int got = LZ4_decompress_safe(reinterpret_cast<const char*>(bytes.data() + 4), reinterpret_cast<char*>(data),
                                      static_cast<int>(bytes.size() - 4), static_cast<int>(length));
  if (got < 0 || static_cast<uint32_t>(got) != length) return Status::Corruption("bad lz4 block");
  return plain;
}

}  // namespace

Result<Bytes> Decompress(const std::string& scheme, const Bytes& bytes) {
  if (bytes.empty()) return Bytes();
  if (scheme == "zstd") return Zstd(bytes);
  if (scheme == "lz4") return Lz4(bytes);
  return Status::NotSupported("the compression scheme '" + scheme + "' is not supported");
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
