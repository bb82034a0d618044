// SPDX-License-Identifier: Apache-2.0
#include "fs/row_cells.h"

#include <arrow/array.h>
#include <arrow/extension_type.h>
#include <arrow/record_batch.h>

#include <chrono>
#include <nlohmann/json.hpp>

#include "engine/rows/row_writer.h"
#include "engine/rows/text_column.h"
#include "engine/scan/scanner.h"
#include "fs/path_grammar.h"

namespace lancefs {
namespace {

using Type = arrow::Type;

bool IsJsonExtension(const std::string& name) { return name == "lance.json" || name == "arrow.json"; }

const char* SuffixOf(CellKind kind) {
  switch (kind) {
    case CellKind::kText:
    case CellKind::kScalar: return ".txt";
    case CellKind::kBinary:
    case CellKind::kBlob: return ".bin";
    case CellKind::kJson: return ".json";
  }
  return "";
}

// The value as canonical JSON: the one key and the frame of its line are cut off.
Result<std::string> CanonicalValue(const std::shared_ptr<arrow::Field>& field, const std::shared_ptr<arrow::Array>& array) {
  static constexpr std::string_view kBefore = "{\"v\":", kAfter = "}\n";
  std::string line;
  LANCEFS_RETURN_NOT_OK(RenderJsonl(*arrow::RecordBatch::Make(arrow::schema({field->WithName("v")}), 1, {array}), &line));
  return line.substr(kBefore.size(), line.size() - kBefore.size() - kAfter.size());
}

template <typename Array>
Bytes ViewOf(const arrow::Array& array) {
  return Bytes::FromString(std::string(static_cast<const Array&>(array).GetView(0)));
}

// The value's own bytes. Absent where the array is of no text or binary type.
std::optional<Bytes> OwnBytes(const arrow::Array& array) {
  switch (array.type_id()) {
    case Type::STRING:
    case Type::BINARY: return ViewOf<arrow::BinaryArray>(array);
    case Type::LARGE_STRING:
    case Type::LARGE_BINARY: return ViewOf<arrow::LargeBinaryArray>(array);
    case Type::STRING_VIEW:
    case Type::BINARY_VIEW: return ViewOf<arrow::BinaryViewArray>(array);
    case Type::FIXED_SIZE_BINARY: return ViewOf<arrow::FixedSizeBinaryArray>(array);
    case Type::EXTENSION: return OwnBytes(*static_cast<const arrow::ExtensionArray&>(array).storage());
    case Type::DICTIONARY: {
      const auto& dictionary = static_cast<const arrow::DictionaryArray&>(array);
      return OwnBytes(*dictionary.dictionary()->Slice(dictionary.GetValueIndex(0), 1));
    }
    default: return std::nullopt;
  }
}

Result<Bytes> CellBytes(const Field& column, const std::shared_ptr<arrow::Field>& field,
                        const std::shared_ptr<arrow::Array>& array) {
  const CellKind kind = CellKindOf(column);
  if (kind == CellKind::kText || kind == CellKind::kBinary) {
    if (std::optional<Bytes> bytes = OwnBytes(*array)) return *bytes;
  }
  LANCEFS_ASSIGN_OR_RETURN(std::string text, CanonicalValue(field, array));
  if (text.size() >= 2 && text.front() == '"') {
    if (kind == CellKind::kJson) {  // a JSON column's canonical form is a string that holds the text
      const auto parsed = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
      if (parsed.is_string() && IsJsonExtension(ExtensionNameOf(*field))) text = parsed.get<std::string>();
    } else {
      text = text.substr(1, text.size() - 2);
    }
  }
  return Bytes::FromString(text + "\n");
}

bool IsNull(const arrow::Array& array) {
  if (array.type_id() == Type::NA || array.IsNull(0)) return true;
  if (array.type_id() != Type::DICTIONARY) return false;
  const auto& dictionary = static_cast<const arrow::DictionaryArray&>(array);
  return dictionary.dictionary()->IsNull(dictionary.GetValueIndex(0));
}

}  // namespace

CellKind CellKindOf(const Field& field) {
  if (field.IsBlob()) return CellKind::kBlob;
  const std::shared_ptr<arrow::Field> arrow_field = field.ToArrow();
  const std::string extension = ExtensionNameOf(*arrow_field);
  if (IsJsonExtension(extension)) return CellKind::kJson;
  std::shared_ptr<arrow::DataType> type = arrow_field->type();
  if (type->id() == Type::EXTENSION) type = static_cast<const arrow::ExtensionType&>(*type).storage_type();
  if (type->id() == Type::DICTIONARY) type = static_cast<const arrow::DictionaryType&>(*type).value_type();
  if (arrow::is_string(type->id()) || type->id() == Type::STRING_VIEW) return CellKind::kText;
  if (type->id() == Type::FIXED_SIZE_BINARY) {
    return extension == "arrow.uuid" || extension == "lance.bfloat16" ? CellKind::kScalar : CellKind::kBinary;
  }
  if (arrow::is_base_binary_like(type->id()) || type->id() == Type::BINARY_VIEW) return CellKind::kBinary;
  return arrow::is_nested(type->id()) ? CellKind::kJson : CellKind::kScalar;
}

std::string CellName(const Field& field) { return EncodeName(field.name) + SuffixOf(CellKindOf(field)); }

std::optional<size_t> FindCell(const Schema& schema, const std::string& name) {
  // An encoded name is of one column; a literal spelling may begin with '%' too.
  auto names = [](const std::string& component, const Result<std::string>& decoded, const Field& field) {
    return component == field.name || (decoded.ok() && *decoded == field.name);
  };
  const size_t dot = name.rfind('.');
  const std::string stem = dot == std::string::npos ? "" : name.substr(0, dot);
  const std::string suffix = dot == std::string::npos ? "" : name.substr(dot);
  const Result<std::string> decoded = DecodeName(name), decoded_stem = DecodeName(stem);
  std::optional<size_t> bare;
  for (size_t i = 0; i < schema.fields.size(); ++i) {
    const Field& field = schema.fields[i];
    if (!suffix.empty() && names(stem, decoded_stem, field) && suffix == SuffixOf(CellKindOf(field))) return i;
    if (names(name, decoded, field)) bare = i;
  }
  return bare;
}

Result<std::shared_ptr<const CellRow>> ReadCellRow(const std::shared_ptr<const Dataset>& dataset, uint64_t offset,
                                                   const OpContext& ctx) {
  const std::vector<Field>& fields = dataset->schema().fields;
  std::vector<std::string> columns;
  for (const Field& field : fields) {
    if (CellKindOf(field) != CellKind::kBlob) columns.push_back(field.name);
  }
  std::shared_ptr<arrow::RecordBatch> batch;  // null where all columns are blobs
  if (!columns.empty()) {
    LANCEFS_ASSIGN_OR_RETURN(batch, Take(dataset, {offset}, columns, ctx));
    if (batch->num_rows() != 1) return Status::Corruption("row " + std::to_string(offset) + " cannot be found");
  }
  auto row = std::make_shared<CellRow>();
  row->bytes = sizeof(CellRow);
  int next = 0;
  for (const Field& field : fields) {
    RowCell cell;
    if (CellKindOf(field) == CellKind::kBlob) {
      LANCEFS_ASSIGN_OR_RETURN(auto places, LocateBlobs(dataset, field.name, {offset}, ctx));
      cell.place = std::move(places[0]);
    } else if (const int i = next++; !IsNull(*batch->column(i))) {
      LANCEFS_ASSIGN_OR_RETURN(cell.bytes, CellBytes(field, batch->schema()->field(i), batch->column(i)));
    }
    row->bytes += sizeof(RowCell) + (cell.bytes ? cell.bytes->size() : 0);
    row->cells.push_back(std::move(cell));
  }
  return std::shared_ptr<const CellRow>(std::move(row));
}

Result<RowCache::RowPtr> RowCache::Get(const std::string& key, const std::shared_ptr<const Dataset>& dataset, uint64_t offset,
                                       const OpContext& ctx, bool may_wait) {
  std::shared_ptr<Refreshed<RowPtr>> refreshed;
  {
    std::lock_guard lock(mutex_);
    auto it = rows_.find(key);
    if (it == rows_.end()) {
      recent_.push_front(key);
      Entry entry;
      entry.row = std::make_shared<Refreshed<RowPtr>>(
          [dataset, offset](const OpContext& load_ctx) { return ReadCellRow(dataset, offset, load_ctx); });
      entry.position = recent_.begin();
      it = rows_.emplace(key, std::move(entry)).first;
    } else {
      recent_.splice(recent_.begin(), recent_, it->second.position);
    }
    refreshed = it->second.row;
  }
  Result<RowPtr> row = refreshed->Get(std::chrono::hours(24 * 365), ctx, may_wait);
  if (row.ok()) Account(key, *row);
  return row;
}

void RowCache::Account(const std::string& key, const RowPtr& row) {
  std::lock_guard lock(mutex_);
  const auto it = rows_.find(key);
  if (it != rows_.end() && it->second.bytes == 0) {
    it->second.bytes = row->bytes;
    bytes_ += row->bytes;
  }
  while (!recent_.empty() && (bytes_ > max_bytes_ || rows_.size() > max_rows_)) {
    const auto oldest = rows_.find(recent_.back());
    bytes_ -= oldest->second.bytes;
    rows_.erase(oldest);
    recent_.pop_back();
  }
}

}  // namespace lancefs
