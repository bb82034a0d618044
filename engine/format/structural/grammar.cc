// SPDX-License-Identifier: Apache-2.0
#include "engine/format/structural/grammar.h"

#include <string>

namespace lancefs::structural {
namespace {

using pb::v21::CompressiveEncoding;

Status NotIn(FileVersion version, const std::string& what) {
  return Status::NotSupported(what + " is no encoding of " + std::string(FileVersionName(version)) + " files");
}

bool IsPlainFlat(const CompressiveEncoding& encoding) { return encoding.has_flat() && !encoding.flat().has_data(); }

// What 2.3 brought is refused in older files; a reader that let it pass would hide that the file is wrong.
Status CheckStable(const CompressiveEncoding& encoding, FileVersion version, int depth) {
  if (depth >= kMaxEncodingDepth) return Status::Corruption("encodings are nested too deeply");
  const auto inner = [&](const CompressiveEncoding& child) { return CheckStable(child, version, depth + 1); };
  switch (encoding.compression_case()) {
    case CompressiveEncoding::kVariable:
      if (!encoding.variable().offsets().has_flat())
        return NotIn(version, std::string("variable with ") + EncodingName(encoding.variable().offsets()) + " offsets");
      return Status::OK();
    case CompressiveEncoding::kRle: {
      const bool plain = IsPlainFlat(encoding.rle().values()) && IsPlainFlat(encoding.rle().run_lengths()) &&
                         encoding.rle().run_lengths().flat().bits_per_value() == 8;
      return plain ? Status::OK() : NotIn(version, "rle over anything but flat values and 8-bit lengths");
    }
    case CompressiveEncoding::kFsst: return inner(encoding.fsst().values());
    case CompressiveEncoding::kGeneral: return inner(encoding.general().values());
    case CompressiveEncoding::kFixedSizeList: return inner(encoding.fixed_size_list().values());
    case CompressiveEncoding::kPackedStruct: return inner(encoding.packed_struct().values());
    case CompressiveEncoding::kVariablePackedStruct:
      if (version == FileVersion::kV2_1) return NotIn(version, EncodingName(encoding));
      for (const auto& field : encoding.variable_packed_struct().fields()) LANCEFS_RETURN_NOT_OK(inner(field.value()));
      return Status::OK();
    case CompressiveEncoding::kRange:
    case CompressiveEncoding::kDelta: return NotIn(version, EncodingName(encoding));
    default: return Status::OK();
  }
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
    case CompressiveEncoding::kRange: return "range";
    case CompressiveEncoding::kDelta: return "delta";
    case CompressiveEncoding::COMPRESSION_NOT_SET: break;
  }
  return "unknown";
}

Status CheckGrammar(const pb::v21::PageLayout& layout, FileVersion version) {
  if (version == FileVersion::kV2_3) return Status::OK();
  const auto check = [&](const CompressiveEncoding& encoding) { return CheckStable(encoding, version, 0); };
  switch (layout.layout_case()) {
    case pb::v21::PageLayout::kMiniBlockLayout: {
      const pb::v21::MiniBlockLayout& mini = layout.mini_block_layout();
      LANCEFS_RETURN_NOT_OK(check(mini.rep_compression()));
      LANCEFS_RETURN_NOT_OK(check(mini.def_compression()));
      LANCEFS_RETURN_NOT_OK(check(mini.value_compression()));
      return check(mini.dictionary());
    }
    case pb::v21::PageLayout::kFullZipLayout: return check(layout.full_zip_layout().value_compression());
    case pb::v21::PageLayout::kConstantLayout: {
      const pb::v21::ConstantLayout& constant = layout.constant_layout();
      if (version == FileVersion::kV2_1) {
        if (constant.has_inline_value()) return NotIn(version, "a constant page with its value in the page's metadata");
        if (constant.has_rep_compression() || constant.has_def_compression())
          return NotIn(version, "a constant page with compressed levels");
      }
      LANCEFS_RETURN_NOT_OK(check(constant.rep_compression()));
      return check(constant.def_compression());
    }
    default: return Status::OK();
  }
}

}  // namespace lancefs::structural
