// SPDX-License-Identifier: Apache-2.0
//
// byte_stream_split (docs/lance/file.md 4.8): first byte of all values, second byte of all values, ...
#include "engine/format/structural/encodings/encodings.h"
#include "engine/format/structural/encodings/rows_codec.h"

namespace lancefs::structural {
namespace {

class ByteStreamSplitValues final : public RowsCodec {
 public:
  explicit ByteStreamSplitValues(uint64_t bits) : RowsCodec(bits) {}

 protected:
  Status DecodeRows(Buffers buffers, uint64_t count, uint8_t* dest, Scratch* /*scratch*/, const uint8_t** rows) const override {
    *rows = dest;
    const size_t width = bits_ / 8;
    const uint64_t wanted = count * width;
    if (buffers[0].size() < wanted) return WrongSize("a buffer of byte planes", buffers[0].size(), wanted);
    for (size_t plane = 0; plane < width; ++plane) {
      const uint8_t* from = buffers[0].data() + plane * count;
      for (uint64_t i = 0; i < count; ++i) dest[i * width + plane] = from[i];
    }
    return Status::OK();
  }
};

}  // namespace

ValueResult MakeByteStreamSplitValues(const pb::v21::ByteStreamSplit& encoding) {
  if (!encoding.values().has_flat())
    return Status::NotSupported("byte_stream_split over an encoding other than flat is not supported");
  const uint64_t bits = encoding.values().flat().bits_per_value();
  LANCEFS_RETURN_NOT_OK(CheckWordBits("byte_stream_split values", bits));
  return std::unique_ptr<ValueCodec>(std::make_unique<ByteStreamSplitValues>(bits));
}

}  // namespace lancefs::structural
