// SPDX-License-Identifier: Apache-2.0
#include "engine/scan/blob.h"

#include <arrow/array/concatenate.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "base/executor.h"
#include "base/uri.h"
#include "engine/arrow_status.h"
#include "engine/format/blob_descriptor.h"
#include "engine/scan/held_object.h"

namespace lancefs {
namespace {

// The size of a blob up to here is believed; beyond, the object is asked before memory is taken.
constexpr uint64_t kTrustedBytes = 16 * 1024 * 1024;
constexpr uint64_t kMaxArrayBytes = uint64_t{1} << 40;
// Blobs are copied into their array in rounds of this size, two of which are in flight.
constexpr uint64_t kRoundBytes = 16 * 1024 * 1024;
constexpr size_t kSizesAtOnce = 16;  // HEAD requests in flight

std::string Join(const std::string& directory, const std::string& name) {
  return directory.empty() ? name : directory + "/" + name;
}

// The sidecar `id` of a data file: in a directory named like it, under the id's bits in reverse (so that names scatter).
std::string SidecarPath(const std::string& directory, const std::string& file, uint32_t id) {
  std::string stem = file.substr(file.rfind('/') + 1);
  if (stem.ends_with(".lance")) stem.resize(stem.size() - 6);
  std::string name(32, '0');
  for (size_t bit = 0; bit < 32; ++bit) name[bit] = ((id >> bit) & 1) != 0 ? '1' : '0';
  return Join(Join(directory, stem), name + ".blob");
}

// A path below a base: nothing that could lead out of it.
Status CheckRelative(std::string_view path) {
  bool good = !path.empty() && path.find('\\') == std::string_view::npos && path.find('\0') == std::string_view::npos;
  for (size_t start = 0; good && start <= path.size();) {
    const size_t end = std::min(path.find('/', start), path.size());
    const std::string_view part = path.substr(start, end - start);
    good = !part.empty() && part != "." && part != "..";
    start = end + 1;
  }
  if (!good) return Status::Corruption("a blob's path '" + std::string(path) + "' is no plain relative path");
  return Status::OK();
}

Status WithColumn(const Status& status, const Field& blob) { return status.WithContext("blob column '" + blob.name + "'"); }

const std::shared_ptr<arrow::Array> ListValues(const arrow::Array& array) {
  switch (array.type_id()) {
    case arrow::Type::LARGE_LIST: return static_cast<const arrow::LargeListArray&>(array).values();
    case arrow::Type::FIXED_SIZE_LIST: return static_cast<const arrow::FixedSizeListArray&>(array).values();
    default: return static_cast<const arrow::ListArray&>(array).values();  // maps too
  }
}

std::pair<int64_t, int64_t> ListRange(const arrow::Array& array, int64_t row) {
  switch (array.type_id()) {
    case arrow::Type::LARGE_LIST: {
      const auto& list = static_cast<const arrow::LargeListArray&>(array);
      return {list.value_offset(row), list.value_offset(row + 1)};
    }
    case arrow::Type::FIXED_SIZE_LIST: {
      const auto& list = static_cast<const arrow::FixedSizeListArray&>(array);
      return {list.value_offset(row), list.value_offset(row + 1)};
    }
    default: {
      const auto& list = static_cast<const arrow::ListArray&>(array);
      return {list.value_offset(row), list.value_offset(row + 1)};
    }
  }
}

uint64_t SaturatedSum(uint64_t a, uint64_t b) { return a > UINT64_MAX - b ? UINT64_MAX : a + b; }

}  // namespace

// Typed access to an array of BlobDescriptorType().
struct BlobFetcher::Descriptors {
  const arrow::StructArray& rows;
  std::shared_ptr<arrow::Array> fields[5];
  const arrow::UInt8Array& kinds;
  const arrow::UInt64Array& positions;
  const arrow::UInt64Array& sizes;
  const arrow::UInt32Array& ids;
  const arrow::StringArray& uris;

  explicit Descriptors(const arrow::Array& array)
      : rows(static_cast<const arrow::StructArray&>(array)),
        fields{rows.field(0), rows.field(1), rows.field(2), rows.field(3), rows.field(4)},
        kinds(static_cast<const arrow::UInt8Array&>(*fields[0])),
        positions(static_cast<const arrow::UInt64Array&>(*fields[1])),
        sizes(static_cast<const arrow::UInt64Array&>(*fields[2])),
        ids(static_cast<const arrow::UInt32Array&>(*fields[3])),
        uris(static_cast<const arrow::StringArray&>(*fields[4])) {}
};

// The bytes that came with the descriptors.
BlobFetcher::Object BlobFetcher::HeldBytes(const arrow::StringArray& uris) {
  const std::shared_ptr<arrow::Buffer> data = uris.value_data();
  const uint64_t size = data == nullptr ? 0 : static_cast<uint64_t>(data->size());
  return {HoldObject(size == 0 ? Bytes() : Bytes(data, data->data(), size)), "blob", size};
}

// The object that a row's bytes are in.
Result<std::shared_ptr<BlobFetcher::Object>> BlobFetcher::ObjectOf(const pb::DataFile& file, const Descriptors& all,
                                                                   int64_t row) {
  const auto kind = static_cast<BlobKind>(all.kinds.Value(row));
  const uint32_t id = all.ids.Value(row);
  const std::optional<uint32_t> file_base = file.has_base_id() ? std::optional<uint32_t>(file.base_id()) : std::nullopt;
  std::string key = std::to_string(all.kinds.Value(row));
  if (kind != BlobKind::kInline) key += ":" + std::to_string(id);
  if (kind != BlobKind::kPacked && kind != BlobKind::kDedicated) key += ":" + all.uris.GetString(row);
  key += "@" + file.path();
  {
    std::lock_guard lock(mutex_);
    const auto known = objects_.find(key);
    if (known != objects_.end()) return known->second;
  }
  auto object = std::make_shared<Object>();
  const std::string uri = all.uris.GetString(row);
  switch (kind) {
    case BlobKind::kInline: {
      LANCEFS_ASSIGN_OR_RETURN(const ResolvedBase directory, dataset_->Directory(file_base, "data"));
      *object = {directory.store, Join(directory.path, file.path()), reader_->SizeOf(file)};
      break;
    }
    case BlobKind::kPacked:
    case BlobKind::kDedicated: {
      LANCEFS_ASSIGN_OR_RETURN(const ResolvedBase directory, dataset_->Directory(file_base, "data"));
      *object = {directory.store, SidecarPath(directory.path, file.path(), id), std::nullopt};
      break;
    }
    case BlobKind::kExternal: {
      if (id != 0) {
        LANCEFS_RETURN_NOT_OK(CheckRelative(uri));
        LANCEFS_ASSIGN_OR_RETURN(const ResolvedBase base, dataset_->BasePath(id));
        *object = {base.store, Join(base.path, uri), std::nullopt};
        break;
      }
      LANCEFS_ASSIGN_OR_RETURN(const Uri parsed, ParseUri(uri));
      const bool local = parsed.scheme == "file";
      // One store serves all objects of a bucket, or of the machine.
      LANCEFS_ASSIGN_OR_RETURN(const ResolvedBase root,
                               dataset_->Resolve(local ? "/" : parsed.scheme + "://" + parsed.authority));
      *object = {root.store, Join(root.path, local ? parsed.path.substr(1) : parsed.path), std::nullopt};
      break;
    }
    case BlobKind::kManaged:
    case BlobKind::kManagedWithBase: {
      LANCEFS_RETURN_NOT_OK(CheckRelative(uri));
      const std::optional<uint32_t> base_id = kind == BlobKind::kManagedWithBase ? id : file_base;
      ResolvedBase base{dataset_->store(), dataset_->path()};
      if (base_id) {
        LANCEFS_ASSIGN_OR_RETURN(base, dataset_->BasePath(*base_id));
      }
      *object = {base.store, Join(base.path, uri), std::nullopt};
      break;
    }
    default: return Status::Corruption("unknown kind of blob " + std::to_string(all.kinds.Value(row)));
  }
  std::lock_guard lock(mutex_);
  return objects_.try_emplace(key, std::move(object)).first->second;
}

// Asks for the sizes that are not known yet.
Status BlobFetcher::FindSizes(std::vector<std::shared_ptr<Object>> objects, const OpContext& ctx) {
  std::sort(objects.begin(), objects.end());
  objects.erase(std::unique(objects.begin(), objects.end()), objects.end());
  std::erase_if(objects, [&](const auto& object) {
    std::lock_guard lock(mutex_);
    return object->size.has_value();
  });
  for (size_t start = 0; start < objects.size(); start += kSizesAtOnce) {
    const size_t end = std::min(start + kSizesAtOnce, objects.size());
    std::vector<Future<uint64_t>> asked;
    for (size_t i = start; i < end; ++i) {
      asked.push_back(Async<uint64_t>(BlockingPool(), [object = objects[i], ctx]() -> Result<uint64_t> {
        LANCEFS_ASSIGN_OR_RETURN(const std::optional<ObjectMeta> meta, object->store->Head(object->path, ctx));
        if (!meta) return Status::NotFound("the blob's object " + object->path + " in " + object->store->name() + " is missing");
        return meta->size;
      }));
    }
    for (size_t i = start; i < end; ++i) {
      LANCEFS_ASSIGN_OR_RETURN(const uint64_t size, asked[i - start].Get(ctx));
      std::lock_guard lock(mutex_);
      objects[i]->size = size;
    }
  }
  return Status::OK();
}

Result<std::vector<BlobFetcher::Span>> BlobFetcher::Locate(const Field& blob, const arrow::Array& descriptors,
                                                           const OpContext& ctx) {
  const Descriptors all(descriptors);
  std::vector<Span> spans(static_cast<size_t>(descriptors.length()));
  if (descriptors.null_count() == descriptors.length()) return spans;
  const pb::DataFile* file = reader_->FileOf(blob);
  if (file == nullptr) return Status::Internal("the data file of blob column '" + blob.name + "' was not opened");
  std::vector<std::shared_ptr<Object>> unknown;
  const bool plain = all.kinds.length() == 0 || std::all_of(all.kinds.raw_values(), all.kinds.raw_values() + all.kinds.length(),
                                                            [](uint8_t kind) { return kind == 0; });
  std::shared_ptr<Object> inline_object;
  std::shared_ptr<Object> here;
  const Result<FileVersion> version = FileVersionFromDataFile(file->file_major_version(), file->file_minor_version());
  const bool may_be_here = version.ok() && *version == FileVersion::kV2_0;
  for (int64_t row = 0; row < descriptors.length(); ++row) {
    if (all.rows.IsNull(row)) continue;
    Span& span = spans[static_cast<size_t>(row)];
    if (static_cast<BlobKind>(all.kinds.Value(row)) == BlobKind::kHere && may_be_here) {
      if (here == nullptr) here = std::make_shared<Object>(HeldBytes(all.uris));
      span = {here, static_cast<uint64_t>(all.uris.value_offset(row)), static_cast<uint64_t>(all.uris.value_length(row))};
      continue;
    }
    span.offset = all.positions.Value(row);
    span.length = all.sizes.Value(row);
    if (plain && inline_object != nullptr) {
      span.object = inline_object;
    } else {
      Result<std::shared_ptr<Object>> object = ObjectOf(*file, all, row);
      if (!object.ok()) return WithColumn(object.status(), blob);
      span.object = inline_object = std::move(*object);
    }
    const auto kind = static_cast<BlobKind>(all.kinds.Value(row));
    if (kind == BlobKind::kDedicated) span.offset = 0;
    if (kind == BlobKind::kExternal && span.length == 0) unknown.push_back(span.object);
    if (span.offset > UINT64_MAX - span.length ||
        (kind == BlobKind::kInline && span.length > 0 && span.offset + span.length > span.object->size.value_or(UINT64_MAX))) {
      return WithColumn(Status::Corruption("a blob at " + std::to_string(span.offset) + "+" + std::to_string(span.length) +
                                           " lies beyond the end of " + span.object->path),
                        blob);
    }
  }
  if (unknown.empty()) return spans;
  const Status status = FindSizes(std::move(unknown), ctx);
  if (!status.ok()) return WithColumn(status, blob);
  for (int64_t row = 0; row < descriptors.length(); ++row) {
    Span& span = spans[static_cast<size_t>(row)];
    if (span.object == nullptr || span.length != 0 || all.kinds.Value(row) != static_cast<uint8_t>(BlobKind::kExternal)) continue;
    std::lock_guard lock(mutex_);
    const uint64_t size = *span.object->size;
    span.length = size - std::min(size, span.offset);
  }
  return spans;
}

Result<std::vector<std::optional<BlobPlace>>> BlobFetcher::Places(const Field& blob, const arrow::Array& descriptors,
                                                                  const OpContext& ctx) {
  LANCEFS_ASSIGN_OR_RETURN(const std::vector<Span> spans, Locate(blob, descriptors, ctx));
  std::vector<std::optional<BlobPlace>> places(spans.size());
  for (size_t i = 0; i < spans.size(); ++i) {
    if (spans[i].object == nullptr) continue;
    places[i] = BlobPlace{spans[i].object->store, spans[i].object->path, spans[i].offset, spans[i].length};
  }
  return places;
}

Status BlobFetcher::AddRowBytes(const Field& field, const arrow::Array& array, std::vector<uint64_t>* row_bytes,
                                const OpContext& ctx) {
  if (!HasBlobs(field) || array.length() == 0) return Status::OK();
  if (field.IsBlob()) {
    LANCEFS_ASSIGN_OR_RETURN(const std::vector<Span> spans, Locate(field, array, ctx));
    for (size_t i = 0; i < spans.size(); ++i) (*row_bytes)[i] = SaturatedSum((*row_bytes)[i], spans[i].length);
    return Status::OK();
  }
  if (array.type_id() == arrow::Type::STRUCT) {
    const auto& structs = static_cast<const arrow::StructArray&>(array);
    for (size_t i = 0; i < field.children.size(); ++i) {
      LANCEFS_RETURN_NOT_OK(AddRowBytes(field.children[i], *structs.field(static_cast<int>(i)), row_bytes, ctx));
    }
    return Status::OK();
  }
  const std::shared_ptr<arrow::Array> values = ListValues(array);
  std::vector<uint64_t> item_bytes(static_cast<size_t>(values->length()));
  LANCEFS_RETURN_NOT_OK(AddRowBytes(field.children[0], *values, &item_bytes, ctx));
  for (int64_t row = 0; row < array.length(); ++row) {
    if (array.IsNull(row)) continue;
    const auto [start, end] = ListRange(array, row);
    uint64_t& bytes = (*row_bytes)[static_cast<size_t>(row)];
    for (int64_t i = start; i < end; ++i) bytes = SaturatedSum(bytes, item_bytes[static_cast<size_t>(i)]);
  }
  return Status::OK();
}

// Large blobs must lie inside their objects before memory is taken for them.
Status BlobFetcher::CheckSizes(const std::vector<Span>& spans, const OpContext& ctx) {
  std::vector<std::shared_ptr<Object>> large;
  for (const Span& span : spans) {
    if (span.length > kTrustedBytes) large.push_back(span.object);
  }
  if (large.empty()) return Status::OK();
  LANCEFS_RETURN_NOT_OK(FindSizes(std::move(large), ctx));
  for (const Span& span : spans) {
    if (span.length <= kTrustedBytes) continue;
    std::lock_guard lock(mutex_);
    if (span.offset + span.length > *span.object->size) {
      return Status::Corruption("a blob at " + std::to_string(span.offset) + "+" + std::to_string(span.length) +
                                " lies beyond the end of " + span.object->path);
    }
  }
  return Status::OK();
}

// Reads all spans to `out`, one behind the other: in order of where they lie, in rounds, so that the bytes on their way
// stay few however large the spans are.
Status BlobFetcher::Read(const std::vector<Span>& spans, uint8_t* out, const OpContext& ctx) {
  struct Part {
    const Object* object;
    ByteRange range;
    uint8_t* to;
  };
  std::vector<Part> parts;
  for (const Span& span : spans) {
    for (uint64_t done = 0; done < span.length;) {
      const uint64_t most = std::max<uint64_t>(1, span.object->store->traits().max_request);
      const uint64_t length = std::min(span.length - done, most);
      parts.push_back({span.object.get(), {span.offset + done, length}, out + done});
      done += length;
    }
    out += span.length;
  }
  std::stable_sort(parts.begin(), parts.end(), [](const Part& a, const Part& b) {
    return a.object != b.object ? a.object < b.object : a.range.offset < b.range.offset;
  });
  struct Request {
    size_t first;
    Future<std::vector<Bytes>> answer;
  };
  using Round = std::vector<Request>;
  size_t next = 0;
  auto start = [&] {
    Round round;
    uint64_t bytes = 0;
    while (next < parts.size() && bytes < kRoundBytes) {
      const Object* object = parts[next].object;
      const size_t first = next;
      std::vector<ByteRange> ranges;
      for (; next < parts.size() && parts[next].object == object && bytes < kRoundBytes; ++next) {
        ranges.push_back(parts[next].range);
        bytes += parts[next].range.length;
      }
      round.push_back({first, object->store->ReadRangesAsync(object->path, std::move(ranges), ctx)});
    }
    return round;
  };
  Round current = start();
  while (!current.empty()) {
    Round following = start();
    for (Request& request : current) {
      LANCEFS_ASSIGN_OR_RETURN(const std::vector<Bytes> answers, request.answer.Get(ctx));
      for (size_t i = 0; i < answers.size(); ++i) {
        const Part& part = parts[request.first + i];
        if (answers[i].size() != part.range.length) return Status::Internal("an answer of the wrong size to a blob read");
        std::memcpy(part.to, answers[i].data(), answers[i].size());
      }
      request.answer = Future<std::vector<Bytes>>();
    }
    current = std::move(following);
  }
  return Status::OK();
}

Result<std::shared_ptr<arrow::Array>> BlobFetcher::FetchLeaf(const Field& blob, const arrow::Array& descriptors,
                                                             const OpContext& ctx) {
  LANCEFS_ASSIGN_OR_RETURN(const std::vector<Span> spans, Locate(blob, descriptors, ctx));
  Status status = CheckSizes(spans, ctx);
  if (!status.ok()) return WithColumn(status, blob);
  const auto rows = static_cast<int64_t>(spans.size());
  LANCEFS_ARROW_ASSIGN(std::shared_ptr<arrow::Buffer> offsets, arrow::AllocateBuffer((rows + 1) * 8));
  auto* ends = reinterpret_cast<int64_t*>(offsets->mutable_data());
  std::shared_ptr<arrow::Buffer> validity;
  int64_t nulls = 0;
  uint64_t total = 0;
  ends[0] = 0;
  for (int64_t row = 0; row < rows; ++row) {
    const Span& span = spans[static_cast<size_t>(row)];
    total = SaturatedSum(total, span.length);
    if (total > kMaxArrayBytes) return WithColumn(Status::TooLarge("the blobs are too large for one array"), blob);
    ends[row + 1] = static_cast<int64_t>(total);
    nulls += span.object == nullptr ? 1 : 0;
  }
  if (nulls > 0) {
    LANCEFS_ARROW_ASSIGN(validity, arrow::AllocateEmptyBitmap(rows));
    for (int64_t row = 0; row < rows; ++row) {
      if (spans[static_cast<size_t>(row)].object != nullptr) arrow::bit_util::SetBit(validity->mutable_data(), row);
    }
  }
  LANCEFS_ARROW_ASSIGN(std::shared_ptr<arrow::Buffer> bytes, arrow::AllocateBuffer(static_cast<int64_t>(total)));
  status = Read(spans, bytes->mutable_data(), ctx);
  if (!status.ok()) return WithColumn(status, blob);
  return arrow::MakeArray(arrow::ArrayData::Make(arrow::large_binary(), rows, {validity, offsets, bytes}, nulls));
}

namespace {

// `array` with `leaf` applied to its blobs.
template <typename Leaf>
Result<std::shared_ptr<arrow::Array>> MapBlobs(const Field& field, const std::shared_ptr<arrow::Array>& array, const Leaf& leaf) {
  if (!HasBlobs(field)) return array;
  if (field.IsBlob()) return leaf(field, *array);
  // Children of a slice are not in step with it.
  LANCEFS_ARROW_ASSIGN(const std::shared_ptr<arrow::Array> compact, arrow::Concatenate({array}));
  std::shared_ptr<arrow::ArrayData> data = compact->data()->Copy();
  data->type = WithBlobBytes(field).type;
  for (size_t i = 0; i < field.children.size(); ++i) {
    LANCEFS_ASSIGN_OR_RETURN(const auto child, MapBlobs(field.children[i], arrow::MakeArray(data->child_data[i]), leaf));
    data->child_data[i] = child->data();
  }
  return arrow::MakeArray(std::move(data));
}

}  // namespace

Result<std::shared_ptr<arrow::Array>> BlobFetcher::Fetch(const Field& field, const std::shared_ptr<arrow::Array>& array,
                                                         const OpContext& ctx) {
  return MapBlobs(field, array, [&](const Field& blob, const arrow::Array& leaf) { return FetchLeaf(blob, leaf, ctx); });
}

Result<std::shared_ptr<arrow::Array>> BlobFetcher::Presence(const Field& field, const std::shared_ptr<arrow::Array>& array) {
  return MapBlobs(field, array, [](const Field&, const arrow::Array& leaf) -> Result<std::shared_ptr<arrow::Array>> {
    const int64_t rows = leaf.length();
    LANCEFS_ARROW_ASSIGN(std::shared_ptr<arrow::Buffer> offsets, arrow::AllocateBuffer((rows + 1) * 8));
    std::memset(offsets->mutable_data(), 0, static_cast<size_t>(offsets->size()));
    LANCEFS_ARROW_ASSIGN(std::shared_ptr<arrow::Buffer> validity, arrow::AllocateEmptyBitmap(rows));
    for (int64_t i = 0; i < rows; ++i) arrow::bit_util::SetBitTo(validity->mutable_data(), i, leaf.IsValid(i));
    static const auto* none = new std::shared_ptr<arrow::Buffer>(arrow::Buffer::FromString(""));
    return arrow::MakeArray(arrow::ArrayData::Make(arrow::large_binary(), rows, {validity, offsets, *none}));
  });
}

namespace {

// The blob field at the end of `path` and, in `array`, its descriptors.
Result<const Field*> Descend(const Schema& schema, const std::string& column, std::vector<std::string>* path) {
  const Field* field = schema.Find(column);  // names may hold dots below the top level only
  if (field != nullptr) {
    *path = {column};
  } else {
    for (size_t start = 0; start <= column.size();) {
      const size_t end = std::min(column.find('.', start), column.size());
      path->push_back(column.substr(start, end - start));
      start = end + 1;
    }
    field = schema.Find((*path)[0]);
    for (size_t i = 1; field != nullptr && i < path->size(); ++i) {
      const Field* next = nullptr;
      for (const Field& child : field->children) {
        if (field->logical_type == "struct" && child.name == (*path)[i]) next = &child;
      }
      field = next;
    }
  }
  if (field == nullptr) return Status::InvalidArgument("there is no column '" + column + "'");
  if (!field->IsBlob()) return Status::InvalidArgument("column '" + column + "' is no blob column");
  return field;
}

struct Wanted {
  size_t fragment = 0;
  std::vector<uint64_t> live;  // live-row numbers in it, ascending and unique
};

Result<std::vector<Wanted>> ByFragment(const Dataset& dataset, const std::vector<uint64_t>& sorted) {
  std::vector<Wanted> out;
  uint64_t first = 0;
  size_t position = 0;
  for (size_t i = 0; i < dataset.fragments().size() && position < sorted.size(); ++i) {
    const uint64_t rows = dataset.fragments()[i].rows();
    Wanted wanted{i, {}};
    for (; position < sorted.size() && sorted[position] - first < rows; ++position)
      wanted.live.push_back(sorted[position] - first);
    first += rows;
    if (!wanted.live.empty()) out.push_back(std::move(wanted));
  }
  if (position < sorted.size()) {
    return Status::InvalidArgument("row offset " + std::to_string(sorted[position]) + " is out of range: there are " +
                                   std::to_string(first) + " rows");
  }
  return out;
}

using Places = std::vector<std::optional<BlobPlace>>;

Result<Places> LocateInFragment(std::shared_ptr<const Dataset> dataset, const Field& root, const Field& blob,
                                const std::vector<std::string>& path, const Wanted& wanted, const OpContext& ctx) {
  LANCEFS_ASSIGN_OR_RETURN(const std::shared_ptr<FragmentReader> reader,
                           FragmentReader::Open(dataset, wanted.fragment, {root}, ctx));
  LANCEFS_ASSIGN_OR_RETURN(const RowSelection rows, reader->PhysicalRows(wanted.live));
  LANCEFS_ASSIGN_OR_RETURN(auto arrays, reader->Read({root}, rows, ctx));
  std::shared_ptr<arrow::Array> array = arrays[0];
  for (size_t i = 1; i < path.size(); ++i) {
    const auto& structs = static_cast<const arrow::StructArray&>(*array);
    const int index = structs.struct_type()->GetFieldIndex(path[i]);
    if (index < 0) return Status::Internal("column '" + path[i] + "' was not read");
    LANCEFS_ARROW_ASSIGN(array, structs.GetFlattenedField(index));
  }
  return BlobFetcher(std::move(dataset), reader).Places(blob, *array, ctx);
}

}  // namespace

Result<std::vector<std::optional<BlobPlace>>> LocateBlobs(std::shared_ptr<const Dataset> dataset, const std::string& column,
                                                          const std::vector<uint64_t>& offsets, const OpContext& ctx) {
  std::vector<std::string> path;
  LANCEFS_ASSIGN_OR_RETURN(const Field* blob, Descend(dataset->schema(), column, &path));
  const Field root = WithBlobDescriptors(PruneField(*dataset->schema().Find(path[0]), {path}));
  std::vector<uint64_t> sorted = offsets;
  std::sort(sorted.begin(), sorted.end());
  sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
  LANCEFS_ASSIGN_OR_RETURN(const std::vector<Wanted> wanted, ByFragment(*dataset, sorted));
  std::vector<Future<Places>> asked;
  for (const Wanted& part : wanted) {
    asked.push_back(Async<Places>(BlockingPool(), [dataset, root, blob, path, part, ctx] {
      return LocateInFragment(dataset, root, *blob, path, part, ctx);
    }));
  }
  Places found;  // of `sorted`
  for (const Future<Places>& future : asked) {
    LANCEFS_ASSIGN_OR_RETURN(Places part, future.Get(ctx));
    found.insert(found.end(), std::make_move_iterator(part.begin()), std::make_move_iterator(part.end()));
  }
  Places out;
  out.reserve(offsets.size());
  for (const uint64_t offset : offsets) {
    out.push_back(found[static_cast<size_t>(std::lower_bound(sorted.begin(), sorted.end(), offset) - sorted.begin())]);
  }
  return out;
}

}  // namespace lancefs
