// SPDX-License-Identifier: Apache-2.0
#include "engine/format/structural/block_codec.h"

#include <lz4.h>
#include <zstd.h>

#include <algorithm>
#include <string>

#include "engine/format/structural/bitpacking.h"

namespace lancefs::structural {
namespace {

using pb::v21::CompressiveEncoding;

constexpr uint32_t kZstdMagic = 0xFD2FB528;
constexpr uint64_t kMaxDecompressed = uint64_t{1} << 33;

bool IsWordBits(uint64_t bits) { return bits == 8 || bits == 16 || bits == 32 || bits == 64; }

Status WrongSize(const char* what, size_t have, uint64_t want) {
  return Status::Corruption(std::string(what) + " has " + std::to_string(have) + " bytes instead of " + std::to_string(want));
}

Status DecompressBareZstd(std::span<const uint8_t> in, std::vector<uint8_t>* out) {
  std::unique_ptr<ZSTD_DStream, size_t (*)(ZSTD_DStream*)> stream(ZSTD_createDStream(), ZSTD_freeDStream);
  if (stream == nullptr) return Status::ResourceExhausted("no memory for a zstd stream");
  ZSTD_inBuffer input{in.data(), in.size(), 0};
  size_t produced = 0;
  out->resize(std::max<size_t>(in.size() * 4, 4096));
  while (true) {
    ZSTD_outBuffer output{out->data(), out->size(), produced};
    const size_t left = ZSTD_decompressStream(stream.get(), &output, &input);
    if (ZSTD_isError(left)) return Status::Corruption(std::string("zstd: ") + ZSTD_getErrorName(left));
    const bool stuck = output.pos == produced && input.pos == input.size;
    produced = output.pos;
    if (left == 0) break;
    if (produced == out->size()) {
      if (produced > kMaxDecompressed) return Status::Corruption("a zstd frame is too large");
      out->resize(produced * 2);
    } else if (stuck) {
      return Status::Corruption("a zstd frame is cut off");
    }
  }
  out->resize(produced);
  return Status::OK();
}

Status DecompressZstd(std::span<const uint8_t> in, std::vector<uint8_t>* out) {
  out->clear();
  if (in.empty()) return Status::OK();
  const bool magic = in.size() >= 5 && LoadLittleEndian<uint32_t>(in.data()) == kZstdMagic && (in[4] & 0x10) == 0;
  if (magic || in.size() < 8) return DecompressBareZstd(in, out);
  const auto length = LoadLittleEndian<uint64_t>(in.data());
  const size_t frame = in.size() - 8;
  // A block of at least 4 bytes gives at most 128 KiB.
  if (length > kMaxDecompressed || length / 32768 > frame + 4)
    return Status::Corruption("a zstd buffer claims " + std::to_string(length) + " bytes");
  out->resize(length);
  if (length == 0 && frame == 0) return Status::OK();
  const size_t produced = ZSTD_decompress(out->data(), out->size(), in.data() + 8, frame);
  if (ZSTD_isError(produced)) return Status::Corruption(std::string("zstd: ") + ZSTD_getErrorName(produced));
  if (produced != length) return WrongSize("a zstd buffer", produced, length);
  return Status::OK();
}

Status DecompressLz4(std::span<const uint8_t> in, std::vector<uint8_t>* out) {
  out->clear();
  if (in.empty()) return Status::OK();
  if (in.size() < 4) return Status::Corruption("an lz4 buffer is cut off");
  const auto length = LoadLittleEndian<uint32_t>(in.data());
  const size_t block = in.size() - 4;
  if (length > INT32_MAX || block > INT32_MAX || length / 255 > block + 16) {
    return Status::Corruption("an lz4 buffer claims " + std::to_string(length) + " bytes");
  }
  out->resize(length);
  const int produced = LZ4_decompress_safe(reinterpret_cast<const char*>(in.data() + 4), reinterpret_cast<char*>(out->data()),
                                           static_cast<int>(block), static_cast<int>(length));
  if (produced < 0) return Status::Corruption("a broken lz4 buffer");
  if (static_cast<uint32_t>(produced) != length) return WrongSize("an lz4 buffer", static_cast<size_t>(produced), length);
  return Status::OK();
}

template <typename T>
Status DecodeInline(std::span<const uint8_t> in, uint64_t count, uint8_t* out) {
  if (count == 0) return Status::OK();
  if (count > kBlockValues) return Status::Corruption("an inline bitpacked block of " + std::to_string(count) + " values");
  if (in.size() < sizeof(T)) return Status::Corruption("a bitpacked block is cut off");
  const auto width = LoadLittleEndian<T>(in.data());
  if (width > sizeof(T) * 8) return Status::Corruption("a bitpacked block of width " + std::to_string(width));
  const size_t wanted = (1 + PackedWords<T>(static_cast<unsigned>(width))) * sizeof(T);
  if (in.size() < wanted) return WrongSize("a bitpacked block", in.size(), wanted);
  alignas(64) T values[kBlockValues];
  UnpackBlock<T>(in.data() + sizeof(T), static_cast<unsigned>(width), values);
  std::memcpy(out, values, count * sizeof(T));
  return Status::OK();
}

template <typename T>
Status DecodeOutOfLine(std::span<const uint8_t> in, uint64_t count, unsigned width, uint8_t* out) {
  const size_t per_block = PackedWords<T>(width) * sizeof(T);
  const uint64_t full = count / kBlockValues;
  const size_t tail = count % kBlockValues;
  const uint64_t packed_size = (full + (tail != 0 ? 1 : 0)) * per_block;
  const uint64_t raw_size = full * per_block + tail * sizeof(T);
  const bool raw_tail = tail != 0 && in.size() == raw_size;
  if (!raw_tail && in.size() != packed_size) return WrongSize("a bitpacked buffer", in.size(), packed_size);
  alignas(64) T values[kBlockValues];
  for (uint64_t block = 0; block < full; ++block) {
    UnpackBlock<T>(in.data() + block * per_block, width, values);
    std::memcpy(out + block * sizeof(values), values, sizeof(values));
  }
  uint8_t* tail_out = out + full * sizeof(values);
  if (raw_tail) {
    std::memcpy(tail_out, in.data() + full * per_block, tail * sizeof(T));
  } else if (tail != 0) {
    UnpackBlock<T>(in.data() + full * per_block, width, values);
    std::memcpy(tail_out, values, tail * sizeof(T));
  }
  return Status::OK();
}

template <typename T>
void FillRun(uint8_t* out, const uint8_t* value, size_t count) {
  const auto v = LoadLittleEndian<T>(value);
  for (size_t i = 0; i < count; ++i) StoreLittleEndian<T>(out + i * sizeof(T), v);
}

}  // namespace

const char* EncodingName(const CompressiveEncoding& encoding) {
  switch (encoding.compression_case()) {
    case CompressiveEncoding::kFlat: return "flat";
    case CompressiveEncoding::kVariable: return "variable";
    case CompressiveEncoding::kConstant: return "constant";
    case CompressiveEncoding::kOutOfLineBitpacking: return "out_of_line_bitpacking";
    case CompressiveEncoding::kInlineBitpacking: return "inline_bitpacking";
    case CompressiveEncoding::kFsst: return "fsst";
    case CompressiveEncoding::kDictionary: return "dictionary";
    case CompressiveEncoding::kRle: return "rle";
    case CompressiveEncoding::kByteStreamSplit: return "byte_stream_split";
    case CompressiveEncoding::kGeneral: return "general";
    case CompressiveEncoding::kFixedSizeList: return "fixed_size_list";
    case CompressiveEncoding::kPackedStruct: return "packed_struct";
    case CompressiveEncoding::kVariablePackedStruct: return "variable_packed_struct";
    case CompressiveEncoding::COMPRESSION_NOT_SET: break;
  }
  return "unknown";
}

Result<Compression> CompressionOf(const pb::v21::General& general) {
  switch (general.compression().scheme()) {
    case pb::v21::COMPRESSION_LZ4: return Compression::kLz4;
    case pb::v21::COMPRESSION_ZSTD: return Compression::kZstd;
    default:
      return Status::NotSupported("compression scheme " + std::to_string(general.compression().scheme()) + " is not supported");
  }
}

Status Decompress(Compression scheme, std::span<const uint8_t> in, std::vector<uint8_t>* out) {
  return scheme == Compression::kLz4 ? DecompressLz4(in, out) : DecompressZstd(in, out);
}

Result<std::unique_ptr<BlockCodec>> BlockCodec::Make(const CompressiveEncoding& encoding, int depth) {
  if (depth >= kMaxEncodingDepth) return Status::Corruption("encodings are nested too deeply");
  auto codec = std::make_unique<BlockCodec>();
  switch (encoding.compression_case()) {
    case CompressiveEncoding::kFlat: {
      codec->kind_ = Kind::kFlat;
      codec->bits_ = encoding.flat().bits_per_value();
      if (codec->bits_ == 0 || codec->bits_ > (1U << 30) || (codec->bits_ % 8 != 0 && codec->bits_ != 1)) {
        return Status::Corruption("flat values of " + std::to_string(codec->bits_) + " bits");
      }
      return codec;
    }
    case CompressiveEncoding::kVariable: {
      codec->kind_ = Kind::kVariable;
      if (!encoding.variable().offsets().has_flat()) {
        return Status::NotSupported(std::string("variable values with ") + EncodingName(encoding.variable().offsets()) +
                                    " offsets are not supported");
      }
      codec->bits_ = encoding.variable().offsets().flat().bits_per_value();
      if (codec->bits_ != 32 && codec->bits_ != 64)
        return Status::Corruption("offsets of " + std::to_string(codec->bits_) + " bits");
      return codec;
    }
    case CompressiveEncoding::kConstant: {
      codec->kind_ = Kind::kConstant;
      const std::string& value = encoding.constant().value();
      if (value.empty()) return Status::NotSupported("a constant block without a value is not supported");
      codec->constant_.assign(value.begin(), value.end());
      codec->bits_ = value.size() * 8;
      return codec;
    }
    case CompressiveEncoding::kInlineBitpacking: {
      codec->kind_ = Kind::kInline;
      codec->bits_ = encoding.inline_bitpacking().uncompressed_bits_per_value();
      if (!IsWordBits(codec->bits_)) return Status::Corruption("bitpacked values of " + std::to_string(codec->bits_) + " bits");
      return codec;
    }
    case CompressiveEncoding::kOutOfLineBitpacking: {
      codec->kind_ = Kind::kOutOfLine;
      codec->bits_ = encoding.out_of_line_bitpacking().uncompressed_bits_per_value();
      if (!encoding.out_of_line_bitpacking().values().has_flat())
        return Status::NotSupported("bitpacking over an encoding other than flat is not supported");
      const uint64_t packed = encoding.out_of_line_bitpacking().values().flat().bits_per_value();
      if (!IsWordBits(codec->bits_) || packed > codec->bits_) {
        return Status::Corruption("bitpacked values of " + std::to_string(packed) + " in " + std::to_string(codec->bits_) +
                                  " bits");
      }
      codec->packed_bits_ = static_cast<unsigned>(packed);
      return codec;
    }
    case CompressiveEncoding::kRle: {
      codec->kind_ = Kind::kRle;
      if (!encoding.rle().values().has_flat() || !encoding.rle().run_lengths().has_flat() ||
          encoding.rle().run_lengths().flat().bits_per_value() != 8) {
        return Status::NotSupported("run-length encoding over anything but flat values and 8-bit lengths is not supported");
      }
      codec->bits_ = encoding.rle().values().flat().bits_per_value();
      if (!IsWordBits(codec->bits_)) return Status::Corruption("run values of " + std::to_string(codec->bits_) + " bits");
      return codec;
    }
    case CompressiveEncoding::kGeneral: {
      codec->kind_ = Kind::kGeneral;
      LANCEFS_ASSIGN_OR_RETURN(codec->scheme_, CompressionOf(encoding.general()));
      LANCEFS_ASSIGN_OR_RETURN(codec->child_, Make(encoding.general().values(), depth + 1));
      codec->bits_ = codec->child_->bits_;
      return codec;
    }
    default: break;
  }
  return Status::NotSupported(std::string("a block of encoding '") + EncodingName(encoding) + "' is not supported");
}

bool BlockCodec::Plausible(size_t size, uint64_t count) const {
  switch (kind_) {
    case Kind::kFlat: return size >= (bits_ == 1 ? count / 8 : count * (bits_ / 8)) && count < (uint64_t{1} << 40);
    case Kind::kVariable: return count < size;
    case Kind::kOutOfLine: return packed_bits_ == 0 ? count < (1U << 28) : count / kBlockValues <= size;
    case Kind::kInline: return count <= kBlockValues;
    case Kind::kRle: return count <= static_cast<uint64_t>(size) * 255;
    case Kind::kConstant: return count < (1U << 28);
    case Kind::kGeneral: return true;
  }
  return false;
}

Status BlockCodec::Decode(std::span<const uint8_t> in, uint64_t count, Block* out) const {
  if (!Plausible(in.size(), count))
    return Status::Corruption("a block of " + std::to_string(in.size()) + " bytes claims " + std::to_string(count) + " values");
  if (kind_ == Kind::kGeneral) {
    std::vector<uint8_t> plain;
    LANCEFS_RETURN_NOT_OK(Decompress(scheme_, in, &plain));
    return child_->Decode(plain, count, out);
  }
  if (kind_ == Kind::kVariable) return DecodeVariable(in, count, out);
  out->variable = false;
  out->bits = bits_;
  out->count = count;
  out->data.resize(bits_ == 1 ? (count + 7) / 8 : count * (bits_ / 8));
  return DecodeFixed(in, count, out->data.data());
}

Status BlockCodec::DecodeFixed(std::span<const uint8_t> in, uint64_t count, uint8_t* out) const {
  switch (kind_) {
    case Kind::kFlat: {
      const uint64_t wanted = bits_ == 1 ? (count + 7) / 8 : count * (bits_ / 8);
      if (in.size() < wanted) return WrongSize("a flat buffer", in.size(), wanted);
      if (wanted != 0) std::memcpy(out, in.data(), wanted);
      return Status::OK();
    }
    case Kind::kConstant:
      for (uint64_t i = 0; i < count; ++i) std::memcpy(out + i * constant_.size(), constant_.data(), constant_.size());
      return Status::OK();
    case Kind::kInline:
      switch (bits_) {
        case 8: return DecodeInline<uint8_t>(in, count, out);
        case 16: return DecodeInline<uint16_t>(in, count, out);
        case 32: return DecodeInline<uint32_t>(in, count, out);
        default: return DecodeInline<uint64_t>(in, count, out);
      }
    case Kind::kOutOfLine:
      switch (bits_) {
        case 8: return DecodeOutOfLine<uint8_t>(in, count, packed_bits_, out);
        case 16: return DecodeOutOfLine<uint16_t>(in, count, packed_bits_, out);
        case 32: return DecodeOutOfLine<uint32_t>(in, count, packed_bits_, out);
        default: return DecodeOutOfLine<uint64_t>(in, count, packed_bits_, out);
      }
    case Kind::kRle: return DecodeRle(in, count, out);
    case Kind::kVariable:
    case Kind::kGeneral: break;
  }
  return Status::Internal("not a fixed-width block");
}

Status BlockCodec::DecodeRle(std::span<const uint8_t> in, uint64_t count, uint8_t* out) const {
  if (in.size() < 8) return count == 0 ? Status::OK() : Status::Corruption("a run-length block is cut off");
  const auto value_bytes = LoadLittleEndian<uint64_t>(in.data());
  const size_t width = bits_ / 8;
  if (value_bytes > in.size() - 8 || value_bytes % width != 0)
    return Status::Corruption("a run-length block has a broken header");
  const uint8_t* values = in.data() + 8;
  const std::span<const uint8_t> lengths = in.subspan(8 + value_bytes);
  if (lengths.size() != value_bytes / width)
    return Status::Corruption("a run-length block has " + std::to_string(lengths.size()) + " lengths for " +
                              std::to_string(value_bytes / width) + " values");
  uint64_t done = 0;
  for (size_t run = 0; run < lengths.size(); ++run) {
    const size_t length = lengths[run];
    if (length == 0 || length > count - done) return Status::Corruption("run lengths do not add up to " + std::to_string(count));
    uint8_t* to = out + done * width;
    const uint8_t* value = values + run * width;
    switch (width) {
      case 1: std::memset(to, *value, length); break;
      case 2: FillRun<uint16_t>(to, value, length); break;
      case 4: FillRun<uint32_t>(to, value, length); break;
      default: FillRun<uint64_t>(to, value, length); break;
    }
    done += length;
  }
  if (done != count)
    return Status::Corruption("run lengths add up to " + std::to_string(done) + " instead of " + std::to_string(count));
  return Status::OK();
}

Status BlockCodec::DecodeVariable(std::span<const uint8_t> in, uint64_t count, Block* out) const {
  out->variable = true;
  out->count = count;
  out->offsets.assign(1, 0);
  out->data.clear();
  if (in.empty() && count == 0) return Status::OK();
  if (in.size() < 8) return Status::Corruption("a block of variable values is cut off");
  uint64_t offset_bits = 0;
  uint64_t bytes_start = 0;
  size_t header = 0;
  const bool stable = in[1] == 0 && in[2] == 0 && in[3] == 0;
  offset_bits = in[0];
  if (offset_bits != 32 && offset_bits != 64)
    return Status::Corruption("a block of variable values has " + std::to_string(offset_bits) + "-bit offsets");
  const size_t width = offset_bits / 8;
  if (stable) {
    header = 2 * width;
    if (in.size() < header) return Status::Corruption("a block of variable values is cut off");
    bytes_start = width == 4 ? LoadLittleEndian<uint32_t>(in.data() + 4) : LoadLittleEndian<uint64_t>(in.data() + 8);
  } else {
    // Before the format was stable: u8 bits, count, start of the bytes.
    header = 1 + 2 * width;
    if (in.size() < header) return Status::Corruption("a block of variable values is cut off");
    bytes_start = width == 4 ? LoadLittleEndian<uint32_t>(in.data() + 5) : LoadLittleEndian<uint64_t>(in.data() + 9);
  }
  if (bytes_start > in.size() || bytes_start < header || (bytes_start - header) / width < count + 1) {
    return Status::Corruption("a block of variable values has a broken header");
  }
  out->wide_offsets = width == 8;
  out->offsets.resize(count + 1);
  const uint8_t* offsets = in.data() + header;
  const uint64_t bytes = in.size() - bytes_start;
  uint64_t previous = 0;
  for (uint64_t i = 0; i <= count; ++i) {
    const uint64_t offset =
        width == 4 ? LoadLittleEndian<uint32_t>(offsets + i * 4) : LoadLittleEndian<uint64_t>(offsets + i * 8);
    if (offset < previous || offset > bytes) return Status::Corruption("a block of variable values has broken offsets");
    out->offsets[i] = previous = offset;
  }
  out->data.assign(in.begin() + static_cast<ptrdiff_t>(bytes_start), in.end());
  return Status::OK();
}

Status BlockCodec::AppendLevels(std::span<const uint8_t> in, uint64_t stored_count, bool modulo,
                                std::vector<uint16_t>* out) const {
  if (kind_ == Kind::kGeneral) {
    std::vector<uint8_t> plain;
    LANCEFS_RETURN_NOT_OK(Decompress(scheme_, in, &plain));
    return child_->AppendLevels(plain, stored_count, modulo, out);
  }
  if (bits_ != 16 || kind_ == Kind::kVariable) return Status::Corruption("levels are not stored as 16-bit values");
  uint64_t count = stored_count;
  if (kind_ == Kind::kRle && modulo && in.size() >= 8) {
    const auto value_bytes = LoadLittleEndian<uint64_t>(in.data());
    if (value_bytes > in.size() - 8) return Status::Corruption("a run-length block has a broken header");
    count = 0;
    for (const uint8_t length : in.subspan(8 + value_bytes)) count += length;
    if (count % 65536 != stored_count) {
      return Status::Corruption("run lengths of levels add up to " + std::to_string(count) + ", which does not fit " +
                                std::to_string(stored_count));
    }
  }
  if (!Plausible(in.size(), count))
    return Status::Corruption("a block of " + std::to_string(in.size()) + " bytes claims " + std::to_string(count) + " levels");
  const size_t start = out->size();
  out->resize(start + count);
  return DecodeFixed(in, count, reinterpret_cast<uint8_t*>(out->data() + start));
}

}  // namespace lancefs::structural
