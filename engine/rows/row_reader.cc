// SPDX-License-Identifier: Apache-2.0
#include "engine/rows/row_reader.h"

#include <cstring>

#include "base/ascii.h"
#include "engine/rows/text_reader.h"

namespace lancefs {
namespace {

bool IsText(RowFormat format) {
  return format == RowFormat::kJsonl || format == RowFormat::kJson || format == RowFormat::kCsv || format == RowFormat::kTsv;
}

// Cuts the suffix behind the last dot off, in lower case; a leading dot starts no suffix.
std::string TakeSuffix(std::string* name) {
  const size_t dot = name->rfind('.');
  if (dot == std::string::npos || dot == 0) return "";
  const std::string suffix = AsciiLower(name->substr(dot + 1));
  name->resize(dot);
  return suffix;
}

Result<std::string> ReadHead(const std::string& path, Compression compression) {
  LANCEFS_ASSIGN_OR_RETURN(auto source, rows::OpenByteSource(path, compression));
  std::string head(64, '\0');
  size_t size = 0;
  while (size < head.size()) {
    LANCEFS_ASSIGN_OR_RETURN(const size_t got, source->Read(head.data() + size, head.size() - size));
    if (got == 0) break;
    size += got;
  }
  head.resize(size);
  return head;
}

// By magic bytes; `compression` is what was taken off already.
Result<RowFileFormat> DetectByContent(const std::string& path, Compression compression) {
  LANCEFS_ASSIGN_OR_RETURN(const std::string bytes, ReadHead(path, compression));
  std::string_view head = bytes;
  if (compression == Compression::kNone) {
    if (head.starts_with("PAR1")) return RowFileFormat{RowFormat::kParquet, compression};
    if (head.starts_with("ARROW1")) return RowFileFormat{RowFormat::kArrowFile, compression};
    if (head.starts_with("\xff\xff\xff\xff")) return RowFileFormat{RowFormat::kArrowStream, compression};
    if (head.starts_with("\x1f\x8b")) return DetectByContent(path, Compression::kGzip);
    if (head.starts_with("\x28\xb5\x2f\xfd")) return DetectByContent(path, Compression::kZstd);
  }
  if (head.starts_with("\xef\xbb\xbf")) head.remove_prefix(3);
  if (head.starts_with("{")) return RowFileFormat{RowFormat::kJsonl, compression};
  if (head.starts_with("[")) return RowFileFormat{RowFormat::kJson, compression};
  return Status::InvalidArgument(
      "the name has no suffix and the content is not Parquet, Arrow or JSON; name the file .csv, .jsonl, .parquet, ...");
}

}  // namespace

Result<RowFileFormat> DetectRowFormat(const std::string& name, const std::string& path) {
  std::string rest = name.substr(name.rfind('/') == std::string::npos ? 0 : name.rfind('/') + 1);
  std::string suffix = TakeSuffix(&rest);
  Compression compression = Compression::kNone;
  if (suffix == "gz" || suffix == "gzip") compression = Compression::kGzip;
  if (suffix == "zst" || suffix == "zstd") compression = Compression::kZstd;
  if (compression != Compression::kNone) suffix = TakeSuffix(&rest);
  if (suffix.empty()) return DetectByContent(path, compression);
  const std::optional<RowFormat> format = RowFormatFromSuffix(suffix);
  if (!format) {
    return Status::InvalidArgument("unknown suffix '." + suffix +
                                   "': rows are read from .jsonl .ndjson .json .csv .tsv .arrow .feather .ipc .arrows .parquet");
  }
  if (compression != Compression::kNone && !IsText(*format)) {
    return Status::InvalidArgument("." + suffix + " files compress inside; a compressed one cannot be read: " + name);
  }
  return RowFileFormat{*format, compression};
}

Result<std::unique_ptr<RowReader>> RowReader::Open(const std::string& path, RowFormat format, Compression compression,
                                                   const RowReaderOptions& options) {
  if (compression != Compression::kNone && !IsText(format)) {
    return Status::InvalidArgument("only text can be read through gzip or zstd");
  }
  switch (format) {
    case RowFormat::kJsonl: return rows::OpenJson(path, /*array=*/false, compression, options);
    case RowFormat::kJson: return rows::OpenJson(path, /*array=*/true, compression, options);
    case RowFormat::kCsv: return rows::OpenCsv(path, ',', compression, options);
    case RowFormat::kTsv: return rows::OpenCsv(path, '\t', compression, options);
    case RowFormat::kArrowFile: return rows::OpenArrowFile(path, options);
    case RowFormat::kArrowStream: return rows::OpenArrowStream(path, options);
    case RowFormat::kParquet: return rows::OpenParquet(path, options);
  }
  return Status::Internal("unknown row format");
}

}  // namespace lancefs
