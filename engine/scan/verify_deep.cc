// SPDX-License-Identifier: Apache-2.0
#include "engine/scan/verify_deep.h"

#include <algorithm>

#include "base/executor.h"
#include "engine/format/blob_descriptor.h"
#include "engine/format/lance_file.h"
#include "engine/format/proto/file.pb.h"

namespace lancefs {
namespace {

constexpr uint64_t kRowsAtOnce = 1 << 20;

bool Stops(const Status& status) { return status.Is(StatusCode::kCancelled) || status.Is(StatusCode::kDeadlineExceeded); }

bool Contains(const Field& field, int32_t id) {
  return field.id == id ||
         std::any_of(field.children.begin(), field.children.end(), [&](const Field& child) { return Contains(child, id); });
}

// The field with nothing in it but what leads to the leaf `id`. Maps keep keys and values, which stand for each other.
Result<Field> OnlyLeaf(const Field& field, int32_t id) {
  if (field.IsPhysicalLeaf() || field.logical_type == "map") return field;
  Field kept = field;
  kept.children.clear();
  for (const Field& child : field.children) {
    if (!Contains(child, id)) continue;
    LANCEFS_ASSIGN_OR_RETURN(Field below, OnlyLeaf(child, id));
    kept.children.push_back(std::move(below));
  }
  LANCEFS_ASSIGN_OR_RETURN(kept.type, TypeFromLogical(kept.logical_type, kept.children));
  return kept;
}

std::string LeafPath(const Field& field, int32_t id) {
  for (const Field& child : field.children) {
    if (Contains(child, id)) return field.name + "." + LeafPath(child, id);
  }
  return field.name;
}

bool UnderMap(const Field& field, int32_t id) {
  if (field.logical_type == "map") return true;
  return std::any_of(field.children.begin(), field.children.end(),
                     [&](const Field& child) { return Contains(child, id) && UnderMap(child, id); });
}

// The columns of a 2.x file as the file itself tells them: those that left the table are still in it.
Result<Schema> OwnSchema(const std::shared_ptr<LanceFile>& file, const OpContext& ctx) {
  LANCEFS_ASSIGN_OR_RETURN(const Bytes bytes, file->GlobalBuffer(0, ctx));
  pb::FileDescriptor descriptor;
  if (bytes.size() > INT32_MAX || !descriptor.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    return Status::Corruption("the file descriptor is no valid message");
  // Parts of blob descriptors have no ids and no parent; the blob alone stands for its column.
  google::protobuf::RepeatedPtrField<pb::Field> fields;
  for (const pb::Field& field : descriptor.schema().fields()) {
    if (field.id() != -1) *fields.Add() = field;
  }
  return SchemaFromProto(fields, {});
}

// Blob fields with a path of structs down to them.
void FindBlobs(const Field& field, const std::string& prefix, std::vector<std::string>* paths) {
  if (field.IsBlob()) {
    paths->push_back(prefix + field.name);
  } else if (field.logical_type == "struct" && !field.IsPhysicalLeaf()) {
    for (const Field& child : field.children) FindBlobs(child, prefix + field.name + ".", paths);
  }
}

}  // namespace

struct DeepVerifier::PageToRead {
  uint64_t number;
  uint64_t first_row;
  uint64_t rows;
};

// Reads `field` page by page; what fails is told with its place, and the next page is read all the same.
Status DeepVerifier::ReadPages(const std::shared_ptr<LanceFile>& file, const Field& field, const FieldColumns& columns,
                               const std::vector<PageToRead>& pages, const std::string& where, const OpContext& ctx) {
  const std::vector<uint32_t> indices = ColumnsOf(field, columns, file->version());
  LANCEFS_ASSIGN_OR_RETURN(const auto answers, file->Columns(indices, ctx));
  ColumnInfos infos;
  for (size_t i = 0; i < indices.size(); ++i) infos[indices[i]] = answers[i];
  auto read = [&](const RowRange& rows) -> Status {
    std::vector<std::unique_ptr<ColumnRead>> reads(1);
    LANCEFS_ASSIGN_OR_RETURN(reads[0], MakeColumnRead(file, field, columns, infos, {rows}));
    LANCEFS_ASSIGN_OR_RETURN(const auto arrays, RunColumnReads(file, std::move(reads), ctx));
    if (static_cast<uint64_t>(arrays[0]->length()) != rows.length())
      return Status::Corruption(std::to_string(arrays[0]->length()) + " rows were decoded");
    const arrow::Status valid = arrays[0]->ValidateFull();
    if (!valid.ok()) return Status::Corruption("invalid values: " + valid.message());
    return Status::OK();
  };
  for (const PageToRead& page : pages) {
    for (uint64_t start = page.first_row; start < page.first_row + page.rows; start += kRowsAtOnce) {
      const RowRange rows{start, std::min(start + kRowsAtOnce, page.first_row + page.rows)};
      const Status status = read(rows);
      if (Stops(status)) return status;
      if (status.ok()) continue;
      problem_(where + ", page " + std::to_string(page.number) + " (rows " + std::to_string(rows.start) + " to " +
               std::to_string(rows.end - 1) + " of the file): " + status.ToString());
      break;
    }
    ++report_->pages;
  }
  return Status::OK();
}

// One column of a 2.1+ file, alone: the other leaves of its field would hide whose page it is.
Status DeepVerifier::CheckColumn(const std::shared_ptr<LanceFile>& file, const Field& field, const Field& leaf,
                                 const FieldColumns& columns, uint64_t rows, const OpContext& ctx) {
  const uint32_t column = columns.at(leaf.id);
  LANCEFS_ASSIGN_OR_RETURN(const auto infos, file->Columns({column}, ctx));
  const std::string where =
      "data file " + file->path() + ", column " + std::to_string(column) + " ('" + LeafPath(field, leaf.id) + "')";
  if (infos[0]->num_rows != rows) {
    problem_(where + ": its pages have " + std::to_string(infos[0]->num_rows) + " rows, the file has " + std::to_string(rows));
    return Status::OK();
  }
  std::vector<PageToRead> pages;
  for (size_t i = 0; i < infos[0]->pages.size(); ++i)
    pages.push_back({i, infos[0]->pages[i].first_row, infos[0]->pages[i].length});
  LANCEFS_ASSIGN_OR_RETURN(const Field alone, OnlyLeaf(field, leaf.id));
  const FieldColumns own = UnderMap(field, leaf.id) ? columns : FieldColumns{{leaf.id, column}};
  return ReadPages(file, WithBlobDescriptors(alone), own, pages, where, ctx);
}

// A top-level field of a 2.0 or 0.1 file, whose columns count their values each in its own way: by the pages of its first.
Status DeepVerifier::CheckWholeField(const std::shared_ptr<LanceFile>& file, const Field& field, const FieldColumns& columns,
                                     uint64_t rows, const OpContext& ctx) {
  const std::string where = "data file " + file->path() + ", column '" + field.name + "'";
  std::vector<PageToRead> pages;
  if (file->version() == FileVersion::kV0_1) {
    const std::vector<uint32_t>& batches = file->batch_offsets();
    for (size_t i = 0; i + 1 < batches.size(); ++i) pages.push_back({i, batches[i], uint64_t{batches[i + 1]} - batches[i]});
  } else {
    const std::vector<uint32_t> indices = ColumnsOf(field, columns, file->version());
    if (indices.empty()) return Status::OK();
    LANCEFS_ASSIGN_OR_RETURN(const auto infos, file->Columns({indices[0]}, ctx));
    uint64_t covered = 0;
    for (size_t i = 0; i < infos[0]->pages.size(); ++i) {
      const PageInfo& page = infos[0]->pages[i];
      pages.push_back({i, page.first_row, page.length});
      covered += page.length;
    }
    if (covered != rows) {
      problem_(where + ": its pages have " + std::to_string(covered) + " rows, the file has " + std::to_string(rows));
      return Status::OK();
    }
  }
  return ReadPages(file, field, columns, pages, where, ctx);
}

Status DeepVerifier::CheckPages(const pb::DataFile& message, const OpContext& ctx) {
  LANCEFS_ASSIGN_OR_RETURN(const auto file, dataset_->OpenDataFile(message, ctx));
  LANCEFS_ASSIGN_OR_RETURN(const uint64_t rows, file->CountRows(ctx));
  if (file->version() == FileVersion::kV0_1) {
    const FieldColumns columns = ColumnsIn(message);
    for (const Field& field : dataset_->schema().fields) {
      if (!columns.contains(field.id)) continue;
      LANCEFS_RETURN_NOT_OK(CheckWholeField(file, WithBlobDescriptors(field), columns, rows, ctx));
    }
    return Status::OK();
  }
  LANCEFS_ASSIGN_OR_RETURN(const Schema schema, OwnSchema(file, ctx));
  const std::vector<const Field*> physical = PhysicalFields(schema, file->version());
  FieldColumns columns;
  for (size_t i = 0; i < physical.size() && i < file->num_columns(); ++i) columns[physical[i]->id] = static_cast<uint32_t>(i);
  if (physical.size() != file->num_columns()) {
    problem_("data file " + file->path() + ": " + std::to_string(file->num_columns()) + " columns for a schema of " +
             std::to_string(physical.size()));
  }
  for (const Field& field : schema.fields) {
    if (file->version() == FileVersion::kV2_0) {
      LANCEFS_RETURN_NOT_OK(CheckWholeField(file, WithBlobDescriptors(field), columns, rows, ctx));
      continue;
    }
    for (const Field* leaf : physical) {
      if (!columns.contains(leaf->id) || !Contains(field, leaf->id)) continue;
      LANCEFS_RETURN_NOT_OK(CheckColumn(file, field, *leaf, columns, rows, ctx));
    }
  }
  return Status::OK();
}

Status DeepVerifier::CheckBlobs(size_t fragment, const OpContext& ctx) {
  std::vector<std::string> paths;
  for (const Field& field : dataset_->schema().fields) FindBlobs(field, "", &paths);
  const uint64_t first = dataset_->FirstRow(fragment);
  const uint64_t rows = dataset_->fragments()[fragment].rows();
  constexpr uint64_t kBlobsAtOnce = 65536;
  for (const std::string& path : paths) {
    for (uint64_t start = 0; start < rows; start += kBlobsAtOnce) {
      std::vector<uint64_t> offsets;
      for (uint64_t row = start; row < std::min(rows, start + kBlobsAtOnce); ++row) offsets.push_back(first + row);
      const auto places = LocateBlobs(dataset_, path, offsets, ctx);
      if (!places.ok()) {
        if (Stops(places.status())) return places.status();
        problem_("blob column '" + path + "': " + places.status().ToString());
        break;
      }
      for (size_t i = 0; i < places->size(); ++i) {
        const std::optional<BlobPlace>& place = (*places)[i];
        if (!place) continue;
        ++report_->blobs;
        Result<std::optional<uint64_t>> size = SizeOf(*place->store, place->path, ctx);
        if (!size.ok() && Stops(size.status())) return size.status();
        const std::string where = "blob of column '" + path + "', row " + std::to_string(offsets[i]) + ": ";
        if (!size.ok()) {
          problem_(where + size.status().ToString());
        } else if (!*size) {
          problem_(where + "its object " + place->path + " is not there");
        } else if (place->offset > **size || place->size > **size - place->offset) {
          problem_(where + "bytes " + std::to_string(place->offset) + "+" + std::to_string(place->size) +
                   " lie beyond the end of " + place->path + " (" + std::to_string(**size) + " bytes)");
        }
      }
    }
  }
  return Status::OK();
}

Result<std::optional<uint64_t>> DeepVerifier::SizeOf(ObjectStore& store, const std::string& path, const OpContext& ctx) {
  const std::string key = store.name() + "/" + path;
  const auto known = sizes_.find(key);
  if (known != sizes_.end()) return known->second;
  LANCEFS_ASSIGN_OR_RETURN(const std::optional<ObjectMeta> meta, store.Head(path, ctx));
  return sizes_[key] = meta ? std::optional<uint64_t>(meta->size) : std::nullopt;
}

Status DeepVerifier::CheckFragment(size_t index, const OpContext& ctx) {
  auto note = [&](const Status& status, const std::string& what) {
    if (!status.ok()) problem_(what + ": " + status.ToString());
    return Stops(status) ? status : Status::OK();
  };
  const auto opened = FragmentReader::Open(dataset_, index, {}, ctx);
  if (!opened.ok()) return note(opened.status(), "opening");
  const std::shared_ptr<FragmentReader>& reader = *opened;
  if (dataset_->stable_row_ids()) {
    for (uint64_t start = 0; start < reader->physical_rows(); start += kRowsAtOnce) {
      const RowSelection live = reader->LiveRows(start, std::min(start + kRowsAtOnce, reader->physical_rows()));
      for (const SystemColumn column : {SystemColumn::kRowId, SystemColumn::kCreatedAt, SystemColumn::kLastUpdatedAt}) {
        const auto values = reader->ReadSystem(column, live, ctx);
        LANCEFS_RETURN_NOT_OK(note(values.status(), SystemColumnName(column)));
        if (!values.ok() || column != SystemColumn::kRowId) continue;
        const auto& ids = static_cast<const arrow::UInt64Array&>(**values);
        for (int64_t i = 0; i < ids.length(); ++i) {
          if (!row_ids_.empty() && row_ids_.back().second == ids.Value(i)) {
            ++row_ids_.back().second;
          } else {
            row_ids_.emplace_back(ids.Value(i), ids.Value(i) + 1);
          }
        }
      }
    }
  }
  return CheckBlobs(index, ctx);
}

void DeepVerifier::CheckWhole() {
  std::map<uint64_t, int> ids;
  for (const FragmentInfo& fragment : dataset_->fragments()) ++ids[fragment.id];
  for (const auto& [id, times] : ids) {
    if (times > 1) problem_(std::to_string(times) + " fragments have the id " + std::to_string(id));
  }
  const pb::Manifest& manifest = dataset_->manifest();
  if (manifest.has_max_fragment_id() && !ids.empty() && ids.rbegin()->first > manifest.max_fragment_id()) {
    problem_("the highest fragment id is said to be " + std::to_string(manifest.max_fragment_id()) + ", but there is " +
             std::to_string(ids.rbegin()->first));
  }
  std::sort(row_ids_.begin(), row_ids_.end());
  uint64_t end = 0;
  for (const auto& [first, last] : row_ids_) {
    if (first < end) {
      problem_("the row id " + std::to_string(first) + " is that of two rows");
      break;
    }
    end = last;
  }
  if (end > manifest.next_row_id()) {
    problem_("the next row id is said to be " + std::to_string(manifest.next_row_id()) + ", but " + std::to_string(end - 1) +
             " is taken");
  }
}

Status DeepVerifier::CheckIndex(const pb::IndexMetadata& index, const OpContext& ctx) {
  // What such entries say stands in the manifest itself, unless they name files.
  const bool system = index.name().starts_with("__lance_");
  if (index.files().empty() && system) return Status::OK();
  const std::optional<uint32_t> base = index.has_base_id() ? std::optional<uint32_t>(index.base_id()) : std::nullopt;
  LANCEFS_ASSIGN_OR_RETURN(const ResolvedBase directory, dataset_->Directory(base, "_indices"));
  std::string uuid;
  for (size_t i = 0; i < index.uuid().uuid().size(); ++i) {
    static constexpr char kHex[] = "0123456789abcdef";
    const auto byte = static_cast<uint8_t>(index.uuid().uuid()[i]);
    if (i == 4 || i == 6 || i == 8 || i == 10) uuid += '-';
    uuid += kHex[byte >> 4];
    uuid += kHex[byte & 15];
  }
  const std::string place = directory.path.empty() ? uuid : directory.path + "/" + uuid;
  const std::string where = "index '" + index.name() + "': ";
  for (const pb::IndexFile& file : index.files()) {
    ++report_->files;
    LANCEFS_ASSIGN_OR_RETURN(const auto size, SizeOf(*directory.store, place + "/" + file.path(), ctx));
    if (!size) {
      problem_(where + "its file " + place + "/" + file.path() + " is not there");
    } else if (file.size_bytes() != 0 && *size != file.size_bytes()) {
      problem_(where + "its file " + place + "/" + file.path() + " has " + std::to_string(*size) + " bytes, the manifest says " +
               std::to_string(file.size_bytes()));
    }
  }
  if (!index.files().empty()) return Status::OK();
  ListRequest request;
  request.prefix = place + "/";
  LANCEFS_ASSIGN_OR_RETURN(const ListResult listing, directory.store->List(request, ctx));
  if (listing.objects.empty() && listing.directories.empty()) problem_(where + "its folder " + place + " is empty");
  return Status::OK();
}

Status DeepVerifier::CheckIndices(const OpContext& ctx) {
  pb::IndexSection section;
  if (!section.ParseFromString(dataset_->index_section())) {
    problem_("the index section is no valid message");
    return Status::OK();
  }
  for (const pb::IndexMetadata& index : section.indices()) {
    const Status status = CheckIndex(index, ctx);
    if (Stops(status)) return status;
    if (!status.ok()) problem_("index '" + index.name() + "': " + status.ToString());
  }
  return Status::OK();
}

}  // namespace lancefs
