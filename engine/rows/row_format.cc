// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <utility>

#include "engine/rows/row_writer.h"

namespace lancefs {
namespace {

// The first entry of a format is the suffix that we give to files of it.
constexpr std::array<std::pair<std::string_view, RowFormat>, 10> kSuffixes{{
    {"jsonl", RowFormat::kJsonl},
    {"ndjson", RowFormat::kJsonl},
    {"json", RowFormat::kJson},
    {"csv", RowFormat::kCsv},
    {"tsv", RowFormat::kTsv},
    {"arrow", RowFormat::kArrowFile},
    {"feather", RowFormat::kArrowFile},
    {"ipc", RowFormat::kArrowFile},
    {"arrows", RowFormat::kArrowStream},
    {"parquet", RowFormat::kParquet},
}};

}  // namespace

std::optional<RowFormat> RowFormatFromSuffix(std::string_view suffix) {
  for (const auto& [name, format] : kSuffixes) {
    if (name == suffix) return format;
  }
  return std::nullopt;
}

std::string_view RowFormatSuffix(RowFormat format) {
  for (const auto& [name, entry] : kSuffixes) {
    if (entry == format) return name;
  }
  return "";
}

bool RowFormatStreams(RowFormat format) { return format != RowFormat::kArrowFile && format != RowFormat::kParquet; }

}  // namespace lancefs
