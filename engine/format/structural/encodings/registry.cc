// SPDX-License-Identifier: Apache-2.0
//
// From an encoding's message to its decoder: the one place that knows all encodings and their positions.
#include "engine/format/structural/encodings/encodings.h"

namespace lancefs::structural {

using pb::v21::CompressiveEncoding;

BlockResult BlockCodec::Make(const CompressiveEncoding& encoding, int depth) {
  if (depth >= kMaxEncodingDepth) return Status::Corruption("encodings are nested too deeply");
  switch (encoding.compression_case()) {
    case CompressiveEncoding::kFlat: return MakeFlatBlock(encoding.flat());
    case CompressiveEncoding::kVariable: return MakeVariableBlock();
    case CompressiveEncoding::kConstant: return MakeConstantBlock(encoding.constant());
    case CompressiveEncoding::kOutOfLineBitpacking: return MakeOutOfLineBitpackingBlock(encoding.out_of_line_bitpacking());
    case CompressiveEncoding::kInlineBitpacking: return MakeInlineBitpackingBlock(encoding.inline_bitpacking());
    case CompressiveEncoding::kRle: return MakeRleBlock(encoding.rle(), depth);
    case CompressiveEncoding::kGeneral: return MakeGeneralBlock(encoding.general(), depth);
    case CompressiveEncoding::kFixedSizeList: return MakeFixedSizeListBlock(encoding.fixed_size_list(), depth);
    case CompressiveEncoding::kRange: return MakeRangeBlock(encoding.range());
    case CompressiveEncoding::kDelta: return MakeDeltaBlock(encoding.delta(), depth);
    case CompressiveEncoding::kDictionary: return MakeDictionaryBlock(encoding.dictionary(), depth);
    default: break;
  }
  return Status::NotSupported(std::string("a block of encoding '") + EncodingName(encoding) + "' is not supported");
}

ValueResult ValueCodec::Make(const CompressiveEncoding& encoding, int depth) {
  if (depth >= kMaxEncodingDepth) return Status::Corruption("encodings are nested too deeply");
  switch (encoding.compression_case()) {
    case CompressiveEncoding::kFlat: return MakeFlatValues(encoding.flat());
    case CompressiveEncoding::kVariable: return MakeVariableValues(encoding.variable(), depth);
    case CompressiveEncoding::kConstant: return MakeConstantValues(encoding.constant());
    case CompressiveEncoding::kInlineBitpacking: return MakeInlineBitpackingValues(encoding.inline_bitpacking());
    case CompressiveEncoding::kFsst: return MakeFsstValues(encoding.fsst(), depth);
    case CompressiveEncoding::kRle: return MakeRleValues(encoding.rle(), depth);
    case CompressiveEncoding::kByteStreamSplit: return MakeByteStreamSplitValues(encoding.byte_stream_split());
    case CompressiveEncoding::kGeneral: return MakeGeneralValues(encoding.general(), depth);
    case CompressiveEncoding::kFixedSizeList: return MakeFixedSizeListValues(encoding.fixed_size_list(), depth);
    case CompressiveEncoding::kPackedStruct: return MakePackedStructValues(encoding.packed_struct(), depth);
    case CompressiveEncoding::kVariablePackedStruct:
      return MakeVariablePackedStructValues(encoding.variable_packed_struct(), depth);
    default: break;
  }
  return Status::NotSupported(std::string("values of encoding '") + EncodingName(encoding) + "' are not supported");
}

Result<std::vector<uint64_t>> DecodeWords(const BlockCodec& codec, std::span<const uint8_t> in, uint64_t count) {
  Block block;
  LANCEFS_RETURN_NOT_OK(codec.Decode(in, count, &block));
  if (block.variable || (block.bits != 32 && block.bits != 64))
    return Status::Corruption("a sequence of " + std::to_string(block.bits) + "-bit values");
  std::vector<uint64_t> words(count);
  if (block.bits == 64) {
    if (count != 0) std::memcpy(words.data(), block.data.data(), count * 8);
    return words;
  }
  for (uint64_t i = 0; i < count; ++i) words[i] = LoadLittleEndian<uint32_t>(block.data.data() + i * 4);
  return words;
}

}  // namespace lancefs::structural
