// SPDX-License-Identifier: Apache-2.0
#include "fs/result_size.h"

#include <algorithm>
#include <map>
#include <vector>

#include "base/for_each_in_turn.h"
#include "engine/format/decoded_size.h"
#include "engine/rows/row_estimate.h"
#include "engine/scan/fragment_reader.h"

namespace lancefs {
namespace {

constexpr uint64_t kMostLocalFiles = 4096;
constexpr size_t kAtOnce = 16;
constexpr uint64_t kHarmless = uint64_t{64} << 20;  // too much in an estimate that is worth no request
constexpr uint64_t kMostLocalReads = 65536, kMostReads = 32;
constexpr uint64_t kMostReadBytes = uint64_t{8} << 20;

uint64_t WholePages(uint64_t bytes) { return bytes >= kMostBytes ? kMostBytes : (bytes + 4095) / 4096 * 4096; }

bool IsAsked(const ScanOptions& scan, uint64_t fragment) {
  return !scan.fragments || std::find(scan.fragments->begin(), scan.fragments->end(), fragment) != scan.fragments->end();
}

// The stored field that each output column shows as it is; null for computed ones.
std::vector<const Field*> ShownFields(const Dataset& dataset, const ResultShape& shape) {
  std::vector<const Field*> fields(static_cast<size_t>(shape.schema.num_fields()), nullptr);
  const std::vector<Field>& top = dataset.schema().fields;
  if (!shape.scan.select) {
    for (size_t i = 0; i < std::min(fields.size(), top.size()); ++i) fields[i] = &top[i];
    return fields;
  }
  for (size_t i = 0; i < std::min(fields.size(), shape.scan.select->size()); ++i) {
    const std::vector<Field>* level = &top;
    for (const std::string& name : (*shape.scan.select)[i].path) {
      const auto found = level == nullptr
                             ? top.end()
                             : std::find_if(level->begin(), level->end(), [&](const Field& f) { return f.name == name; });
      fields[i] = level == nullptr || found == level->end() ? nullptr : &*found;
      level = fields[i] == nullptr ? nullptr : &fields[i]->children;
    }
  }
  return fields;
}

// Blobs of the newer kind, which may stand in objects that no size in the manifest counts.
bool HasDistantBlobs(const Field& field) {
  return (field.IsBlob() && field.type->id() == arrow::Type::STRUCT) ||
         std::any_of(field.children.begin(), field.children.end(), HasDistantBlobs);
}
bool ShowsBlobs(const arrow::Field& field) {
  if (field.metadata() != nullptr && field.metadata()->Contains("lance-encoding:blob")) return true;
  return std::any_of(field.type()->fields().begin(), field.type()->fields().end(),
                     [](const auto& child) { return ShowsBlobs(*child); });
}
// More than anybody has.
uint64_t DistantBytes(const Dataset& dataset, const arrow::Schema& shown) {
  constexpr uint64_t kDistantBytes = uint64_t{1} << 46;
  const std::vector<Field>& fields = dataset.schema().fields;
  const bool distant = std::any_of(fields.begin(), fields.end(), HasDistantBlobs) &&
                       std::any_of(shown.fields().begin(), shown.fields().end(), [](const auto& f) { return ShowsBlobs(*f); });
  return distant ? kDistantBytes : 0;
}

// Columns of which nothing is known but how much data there is.
uint64_t GenerousBytes(const Dataset& dataset, const arrow::FieldVector& fields, RowFormat format, uint64_t rows) {
  // Stored strings and lists are often compressed to a fraction of what Arrow holds; short ones even to nothing.
  constexpr uint64_t kCompression = 16, kShortValue = 64;
  arrow::FieldVector variable;
  std::copy_if(fields.begin(), fields.end(), std::back_inserter(variable),
               [](const auto& f) { return HasVariableData(*f->type()); });
  if (rows == 0 || variable.empty()) return 0;
  const uint64_t growth = TextPerDataByte(format, arrow::Schema(variable));
  const uint64_t data = BoundedProduct(dataset.data_bytes(), kCompression);
  return BoundedProduct(BoundedSum(data, BoundedProduct(rows, kShortValue * variable.size())), growth);
}

// What data files say of fields, by field id.
class Measure {
 public:
  Measure(std::shared_ptr<const Dataset> dataset, const ScanOptions& scan, std::vector<const Field*> fields)
      : dataset_(std::move(dataset)), fields_(std::move(fields)) {
    for (size_t i = 0; i < dataset_->fragments().size(); ++i) {
      const pb::DataFragment& fragment = dataset_->manifest().fragments(static_cast<int>(i));
      if (!IsAsked(scan, fragment.id())) continue;
      for (const pb::DataFile& file : fragment.files()) {
        const FieldColumns columns = ColumnsIn(file);
        bool holds = false;
        for (const Field* field : fields_) field->ForEach([&](const Field& each) { holds |= columns.contains(each.id); });
        if (holds) files_.push_back(&file);
      }
    }
  }

  size_t num_files() const { return files_.size(); }

  Status Run(const OpContext& ctx) {
    std::vector<FileSizes> sizes(files_.size());
    LANCEFS_RETURN_NOT_OK(ForEachFile(ctx, [&](size_t i) { return MeasureFile(*files_[i], &sizes[i], ctx); }));
    const bool local = dataset_->store()->traits().is_local;
    uint64_t unread = 0, bytes = 0, reads = 0;
    for (FileSizes& file : sizes) {
      for (auto& [id, items] : file.items) {
        if (!local && items.reads > 1) items.measure = nullptr;
        if (items.measure == nullptr) continue;
        unread = BoundedSum(unread, items.otherwise.text);
        for (const ByteRange& range : items.ranges) bytes += range.length;
        reads += items.reads;
      }
    }
    if (unread > kHarmless && reads <= (local ? kMostLocalReads : kMostReads) && bytes <= kMostReadBytes)
      LANCEFS_RETURN_NOT_OK(ForEachFile(ctx, [&](size_t i) { return ReadItems(&sizes[i], ctx); }));
    for (const FileSizes& file : sizes) {
      for (const auto& [id, size] : file.sizes) totals_[id].Add(size);
      for (const auto& [id, items] : file.items) totals_[id].Add(items.otherwise);
    }
    return Status::OK();
  }

  KnownValues Known(const Field& field) const {
    KnownValues known;
    const auto it = totals_.find(field.id);
    if (it != totals_.end()) known = {it->second.values, it->second.variable.bytes, it->second.variable.text, {}};
    if (!field.IsBlob()) {
      for (const Field& child : field.children) {
        known.children.push_back(Known(child));
        // The values of packed structs stand together.
        if (field.IsPackedStruct()) Inherit(known, &known.children.back());
      }
    }
    return known;
  }

 private:
  struct FileSizes {
    std::shared_ptr<LanceFile> file;
    std::map<int32_t, DecodedSize> sizes;
    std::vector<std::pair<int32_t, StoredItems>> items;
  };

  static void Inherit(const KnownValues& parent, KnownValues* child) {
    child->bytes = parent.bytes;
    child->text_bytes = parent.text_bytes;
    for (KnownValues& below : child->children) Inherit(parent, &below);
  }

  Status ForEachFile(const OpContext& ctx, const std::function<Status(size_t)>& body) const {
    return ForEachInTurn(files_.size(), kAtOnce, [&](size_t i) {
      LANCEFS_RETURN_NOT_OK(ctx.Check());
      return body(i);
    });
  }

  Status MeasureFile(const pb::DataFile& message, FileSizes* out, const OpContext& ctx) const {
    LANCEFS_ASSIGN_OR_RETURN(out->file, dataset_->OpenDataFile(message, ctx));
    const FieldColumns columns = ColumnsIn(message);
    std::vector<const Field*> owners;
    std::vector<uint32_t> indices;
    for (const Field* field : fields_) {
      field->ForEach([&](const Field& each) {
        const auto column = columns.find(each.id);
        if (column == columns.end()) return;
        owners.push_back(&each);
        indices.push_back(column->second);
      });
    }
    LANCEFS_ASSIGN_OR_RETURN(const auto infos, out->file->Columns(indices, ctx));
    for (size_t i = 0; i < owners.size(); ++i) LANCEFS_RETURN_NOT_OK(MeasureField(*owners[i], *infos[i], out));
    for (const Field* field : fields_) CountSlots(*field, out);
    return Status::OK();
  }

  static Status MeasureField(const Field& field, const ColumnInfo& info, FileSizes* out) {
    DecodedSize& size = out->sizes[field.id];
    const bool variable = field.children.empty() ? HasVariableData(*field.type) : field.IsPackedStruct();
    if (out->file->version() == FileVersion::kV0_1) {
      // The pages do not tell, but nothing is compressed.
      for (const LegacyPage& page : info.legacy_pages) size.values = BoundedSum(size.values, page.length);
      size.levels = size.values;
      if (variable) size.Add(LegacySize(field, out->file->size(), size.values));
      return Status::OK();
    }
    LANCEFS_ASSIGN_OR_RETURN(ColumnSize column, MeasureColumn(out->file->version(), info, variable && !field.IsBlob()));
    size.Add(column.known);
    if (field.IsBlob()) size.Add(PlainSize(out->file->size()));
    for (StoredItems& items : column.items) out->items.emplace_back(field.id, std::move(items));
    return Status::OK();
  }

  static VariableSize LegacySize(const Field& field, uint64_t file_size, uint64_t values) {
    if (field.type->id() != arrow::Type::DICTIONARY) return PlainSize(file_size);
    const auto strings = std::dynamic_pointer_cast<arrow::StringArray>(field.dictionary);
    if (strings == nullptr) return UnknownSize(file_size);
    VariableSize longest;
    for (int64_t i = 0; i < strings->length(); ++i)
      longest.bytes = std::max<uint64_t>(longest.bytes, static_cast<uint64_t>(strings->value_length(i)));
    longest.text = longest.bytes * kMostText;
    return Times(longest, values);
  }

  // Structs and lists without columns of their own have as many slots as what is below them.
  static DecodedSize CountSlots(const Field& field, FileSizes* out) {
    DecodedSize below;
    const bool list = !field.children.empty() && arrow::is_var_length_list_like(field.type->id());
    for (const Field& child : field.children) {
      const DecodedSize slots = CountSlots(child, out);
      below.values = std::max(below.values, slots.values);
      below.levels = std::max(below.levels, slots.levels);
    }
    const auto own = out->sizes.find(field.id);
    if (own != out->sizes.end()) {
      own->second.levels = std::max(own->second.levels, below.levels);
      return own->second;
    }
    if (list) below.values = below.levels;  // with those that are empty
    if (!field.children.empty()) out->sizes[field.id] = below;
    return below;
  }

  static Status ReadItems(FileSizes* sizes, const OpContext& ctx) {
    std::vector<StoredItems*> open;
    for (auto& [id, items] : sizes->items) {
      if (items.measure != nullptr) open.push_back(&items);
    }
    while (!open.empty()) {
      std::vector<ByteRange> ranges;
      for (const StoredItems* items : open) ranges.insert(ranges.end(), items->ranges.begin(), items->ranges.end());
      LANCEFS_ASSIGN_OR_RETURN(const std::vector<Bytes> answers, sizes->file->ReadRangesAsync(std::move(ranges), ctx).Get(ctx));
      auto answer = answers.begin();
      std::vector<StoredItems*> more;
      for (StoredItems* items : open) {
        const auto end = answer + static_cast<ptrdiff_t>(items->ranges.size());
        LANCEFS_ASSIGN_OR_RETURN(const bool goes_on, TakeAnswers({answer, end}, items));
        if (goes_on) more.push_back(items);
        answer = end;
      }
      open = std::move(more);
    }
    return Status::OK();
  }

  // False: all is known.
  static Result<bool> TakeAnswers(const StoredItems::Answers& answers, StoredItems* items) {
    if (items->next != nullptr) {
      LANCEFS_ASSIGN_OR_RETURN(items->ranges, items->next(answers));
      items->next = nullptr;
      return true;
    }
    const Result<VariableSize> size = items->measure(answers);
    if (size.ok()) items->otherwise = *size;
    if (!size.ok() && !size.status().Is(StatusCode::kNotSupported)) return size.status();
    return false;
  }

  const std::shared_ptr<const Dataset> dataset_;
  const std::vector<const Field*> fields_;
  std::vector<const pb::DataFile*> files_;
  std::map<int32_t, DecodedSize> totals_;
};

}  // namespace

uint64_t EstimateResultBytes(const Dataset& dataset, const ResultShape& shape) {
  if (shape.rows == 0) return WholePages(EstimateHeaderBytes(shape.schema));
  const std::vector<KnownValues> nothing(static_cast<size_t>(shape.schema.num_fields()));
  uint64_t bytes = BoundedSum(EstimateHeaderBytes(shape.schema),
                              EstimateRowsBytes(shape.format, shape.schema, shape.rows, dataset.fragments().size(), nothing));
  bytes = BoundedSum(bytes, GenerousBytes(dataset, shape.schema.fields(), shape.format, shape.rows));
  return WholePages(BoundedSum(bytes, DistantBytes(dataset, shape.schema)));
}

Result<std::optional<uint64_t>> MeasureResultBytes(const std::shared_ptr<const Dataset>& dataset, const ResultShape& shape,
                                                   uint64_t most_files, const OpContext& ctx) {
  const std::vector<const Field*> shown = ShownFields(*dataset, shape);
  std::vector<const Field*> asked;
  for (const Field* field : shown) {
    if (field != nullptr && HasVariableData(*field->type) && std::find(asked.begin(), asked.end(), field) == asked.end())
      asked.push_back(field);
  }
  Measure measure(dataset, shape.scan, asked);
  if (measure.num_files() > (dataset->store()->traits().is_local ? kMostLocalFiles : most_files))
    return std::optional<uint64_t>();
  LANCEFS_RETURN_NOT_OK(measure.Run(ctx));
  std::vector<KnownValues> known(shown.size());
  arrow::FieldVector unknown;
  for (size_t i = 0; i < shown.size(); ++i) {
    const std::shared_ptr<arrow::Field>& field = shape.schema.field(static_cast<int>(i));
    if (shown[i] != nullptr && !RepeatsDictionaries(shape.format, *field->type())) {
      known[i] = measure.Known(*shown[i]);
    } else {
      unknown.push_back(field);
    }
  }
  uint64_t bytes = BoundedSum(EstimateHeaderBytes(shape.schema), GenerousBytes(*dataset, unknown, shape.format, shape.rows));
  bytes = BoundedSum(bytes, EstimateRowsBytes(shape.format, shape.schema, shape.rows, dataset->fragments().size(), known));
  return std::optional<uint64_t>(WholePages(BoundedSum(bytes, DistantBytes(*dataset, shape.schema))));
}

}  // namespace lancefs
