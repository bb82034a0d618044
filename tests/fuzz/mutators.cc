// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/mutators.h"

#include <google/protobuf/any.pb.h>
#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/bytes.h"
#include "engine/format/manifest.h"
#include "engine/format/proto/encodings20.pb.h"
#include "engine/format/proto/encodings21.pb.h"
#include "engine/format/proto/file.pb.h"

namespace lancefs {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

constexpr uint64_t kBorders[] = {0,
                                 1,
                                 2,
                                 7,
                                 8,
                                 0x7f,
                                 0x80,
                                 0xff,
                                 0x100,
                                 0x3ff,
                                 0x400,
                                 0x7fff,
                                 0xffff,
                                 0x10000,
                                 0xfffff,
                                 0x7fffffff,
                                 0x80000000,
                                 0xffffffff,
                                 0x100000000,
                                 1ULL << 40,
                                 (1ULL << 60) + 1,
                                 INT64_MAX,
                                 1ULL << 63,
                                 ~0ULL - 7,
                                 ~0ULL - 1023,
                                 ~0ULL};

uint64_t MutateNumber(uint64_t value, Random& random) {
  switch (random() % 6) {
    case 0: return kBorders[Below(random, std::size(kBorders))];
    case 1: return value + 1;
    case 2: return value - 1;
    case 3: return value * 2;
    case 4: return random() % 256;
    default: return value ^ (1ULL << (random() % 64));
  }
}

struct Slot {
  Message* message;
  const FieldDescriptor* field;
};

void CollectSlots(Message* message, int depth, std::vector<Slot>* slots) {
  constexpr size_t kMaxSlots = 4096;
  const Reflection& reflection = *message->GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(*message, &fields);
  for (const FieldDescriptor* field : fields) {
    if (slots->size() > kMaxSlots) return;
    slots->push_back({message, field});
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE || depth > 64) continue;
    if (!field->is_repeated()) {
      CollectSlots(reflection.MutableMessage(message, field), depth + 1, slots);
      continue;
    }
    for (int i = 0; i < reflection.FieldSize(*message, field); ++i)
      CollectSlots(reflection.MutableRepeatedMessage(message, field, i), depth + 1, slots);
  }
}

// Sets a scalar field, or element `index` of a repeated one (-1: the field is not repeated).
void MutateScalar(const Slot& slot, int index, const ByteMutator& mutate_bytes, Random& random) {
  Message* m = slot.message;
  const FieldDescriptor* f = slot.field;
  const Reflection& r = *m->GetReflection();
  const bool one = index < 0;
  switch (f->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32: {
      const auto v = static_cast<int32_t>(
          MutateNumber(static_cast<uint64_t>(one ? r.GetInt32(*m, f) : r.GetRepeatedInt32(*m, f, index)), random));
      return one ? r.SetInt32(m, f, v) : r.SetRepeatedInt32(m, f, index, v);
    }
    case FieldDescriptor::CPPTYPE_INT64: {
      const auto v = static_cast<int64_t>(
          MutateNumber(static_cast<uint64_t>(one ? r.GetInt64(*m, f) : r.GetRepeatedInt64(*m, f, index)), random));
      return one ? r.SetInt64(m, f, v) : r.SetRepeatedInt64(m, f, index, v);
    }
    case FieldDescriptor::CPPTYPE_UINT32: {
      const auto v = static_cast<uint32_t>(MutateNumber(one ? r.GetUInt32(*m, f) : r.GetRepeatedUInt32(*m, f, index), random));
      return one ? r.SetUInt32(m, f, v) : r.SetRepeatedUInt32(m, f, index, v);
    }
    case FieldDescriptor::CPPTYPE_UINT64: {
      const uint64_t v = MutateNumber(one ? r.GetUInt64(*m, f) : r.GetRepeatedUInt64(*m, f, index), random);
      return one ? r.SetUInt64(m, f, v) : r.SetRepeatedUInt64(m, f, index, v);
    }
    case FieldDescriptor::CPPTYPE_BOOL:
      return one ? r.SetBool(m, f, !r.GetBool(*m, f)) : r.SetRepeatedBool(m, f, index, !r.GetRepeatedBool(*m, f, index));
    case FieldDescriptor::CPPTYPE_ENUM: {
      const int v = static_cast<int>(random() % static_cast<uint64_t>(f->enum_type()->value_count() + 1));
      return one ? r.SetEnumValue(m, f, v) : r.SetRepeatedEnumValue(m, f, index, v);
    }
    case FieldDescriptor::CPPTYPE_STRING: {
      std::string v = one ? r.GetString(*m, f) : r.GetRepeatedString(*m, f, index);
      mutate_bytes(&v);
      return one ? r.SetString(m, f, v) : r.SetRepeatedString(m, f, index, v);
    }
    default: return;  // no floating-point fields
  }
}

void CopyFromElsewhere(Message* to, const std::vector<Slot>& slots, Random& random) {
  for (int tries = 0; tries < 8; ++tries) {
    const Slot& from = slots[Below(random, slots.size())];
    if (from.field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE || from.field->message_type() != to->GetDescriptor()) continue;
    const Reflection& reflection = *from.message->GetReflection();
    const int size = from.field->is_repeated() ? reflection.FieldSize(*from.message, from.field) : 1;
    if (size == 0) continue;
    const Message& source =
        from.field->is_repeated()
            ? reflection.GetRepeatedMessage(*from.message, from.field, static_cast<int>(Below(random, static_cast<size_t>(size))))
            : reflection.GetMessage(*from.message, from.field);
    std::string bytes = source.SerializeAsString();  // it may hold `to`, or be held by it
    if (bytes.size() < (1 << 16)) (void)to->ParsePartialFromString(bytes);
    return;
  }
}

// A message of which another member of the oneof, or one that was not set, is set.
void AddMember(Message* message, const ByteMutator& mutate_bytes, Random& random) {
  const auto* descriptor = message->GetDescriptor();
  if (descriptor->field_count() == 0) return;
  const FieldDescriptor* field =
      descriptor->field(static_cast<int>(Below(random, static_cast<size_t>(descriptor->field_count()))));
  const Reflection& reflection = *message->GetReflection();
  if (field->is_repeated()) {
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) (void)reflection.AddMessage(message, field);
  } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
    (void)reflection.MutableMessage(message, field);
  } else {
    MutateScalar({message, field}, -1, mutate_bytes, random);
  }
}

void MutateRepeated(const Slot& slot, Random& random) {
  const Reflection& reflection = *slot.message->GetReflection();
  const int size = reflection.FieldSize(*slot.message, slot.field);
  if (size == 0) return;
  const auto pick = static_cast<int>(Below(random, static_cast<size_t>(size)));
  if (slot.field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && random() % 3 == 0) {
    const std::string copy = reflection.GetRepeatedMessage(*slot.message, slot.field, pick).SerializeAsString();
    (void)reflection.AddMessage(slot.message, slot.field)->ParsePartialFromString(copy);
  } else if (random() % 2 == 0) {
    reflection.SwapElements(slot.message, slot.field, pick, size - 1);
  } else {
    reflection.SwapElements(slot.message, slot.field, pick, size - 1);
    reflection.RemoveLast(slot.message, slot.field);
  }
}

}  // namespace

void MutateBytes(std::string* bytes, std::string_view other, Random& random) {
  const size_t at = Below(random, bytes->size());
  switch (random() % 10) {
    case 0:
    case 1:
      if (!bytes->empty()) (*bytes)[at] = static_cast<char>((*bytes)[at] ^ (1 << (random() % 8)));
      return;
    case 2:
      if (!bytes->empty()) (*bytes)[at] = static_cast<char>(random());
      return;
    case 3: {
      const size_t width = size_t{1} << (random() % 4);
      if (at + width > bytes->size()) return;
      uint64_t value = 0;
      std::memcpy(&value, bytes->data() + at, width);
      value = MutateNumber(value, random);
      std::memcpy(bytes->data() + at, &value, width);
      return;
    }
    case 4: bytes->resize(at); return;
    case 5: bytes->erase(at, 1 + Below(random, 16)); return;
    case 6: bytes->insert(at, bytes->substr(Below(random, bytes->size()), 1 + Below(random, 32))); return;
    case 7: {
      if (other.empty()) return;
      const std::string_view part = other.substr(Below(random, other.size()), 1 + Below(random, 64));
      bytes->replace(at, std::min(part.size(), bytes->size() - at), part);
      return;
    }
    case 8: {
      const size_t count = std::min(bytes->size() - at, 1 + Below(random, 64));
      std::memset(bytes->data() + at, random() % 2 == 0 ? 0 : 0xFF, count);
      return;
    }
    default:
      if (bytes->size() > 4) {  // the end of a file often says where all else lies
        const size_t tail = bytes->size() - 1 - Below(random, std::min<size_t>(bytes->size(), 64));
        (*bytes)[tail] = static_cast<char>(random());
      }
  }
}

void MutateMessage(Message* message, const ByteMutator& mutate_bytes, Random& random) {
  std::vector<Slot> slots;
  CollectSlots(message, 0, &slots);
  if (slots.empty()) {
    AddMember(message, mutate_bytes, random);
    return;
  }
  const Slot& slot = slots[Below(random, slots.size())];
  const Reflection& reflection = *slot.message->GetReflection();
  if (slot.field->is_repeated()) {
    const int size = reflection.FieldSize(*slot.message, slot.field);
    if (slot.field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE && size > 0 && random() % 2 == 0) {
      MutateScalar(slot, static_cast<int>(Below(random, static_cast<size_t>(size))), mutate_bytes, random);
    } else {
      MutateRepeated(slot, random);
    }
    return;
  }
  if (slot.field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) {
    if (random() % 16 == 0) {
      reflection.ClearField(slot.message, slot.field);
    } else {
      MutateScalar(slot, -1, mutate_bytes, random);
    }
    return;
  }
  switch (random() % 4) {
    case 0: reflection.ClearField(slot.message, slot.field); return;
    case 1: AddMember(reflection.MutableMessage(slot.message, slot.field), mutate_bytes, random); return;
    default: CopyFromElsewhere(reflection.MutableMessage(slot.message, slot.field), slots, random);
  }
}

namespace {

constexpr size_t kFooterSize = 40;
constexpr size_t kTableEntrySize = 16;
constexpr uint64_t kPageAlignment = 64;

// The parts of a 2.x data file that describe it; the bytes before them stay where they are.
struct DataFileParts {
  std::string body;  // pages and whatever else stood before the metadata
  std::vector<pb::ColumnMetadata> columns;
  std::vector<std::string> globals;
  uint16_t major = 0;
  uint16_t minor = 0;
};

std::optional<DataFileParts> ParseDataFile(std::string_view file) {
  if (file.size() < kFooterSize || !file.ends_with("LANC")) return std::nullopt;
  const char* footer = file.data() + file.size() - kFooterSize;
  const auto metadata_start = LoadLittleEndian<uint64_t>(footer);
  const auto column_table = LoadLittleEndian<uint64_t>(footer + 8);
  const auto global_table = LoadLittleEndian<uint64_t>(footer + 16);
  const auto num_globals = LoadLittleEndian<uint32_t>(footer + 24);
  const auto num_columns = LoadLittleEndian<uint32_t>(footer + 28);
  if (metadata_start > file.size() || column_table > file.size() || global_table > file.size() ||
      num_columns > (file.size() - column_table) / kTableEntrySize ||
      num_globals > (file.size() - global_table) / kTableEntrySize)
    return std::nullopt;
  auto entry = [&](uint64_t table, uint32_t index) {
    const char* at = file.data() + table + index * kTableEntrySize;
    const auto position = LoadLittleEndian<uint64_t>(at);
    const auto length = LoadLittleEndian<uint64_t>(at + 8);
    return position > file.size() ? std::string_view() : file.substr(position, length);
  };
  DataFileParts parts;
  parts.body = std::string(file.substr(0, metadata_start));
  for (uint32_t i = 0; i < num_columns; ++i) {
    const std::string_view bytes = entry(column_table, i);
    if (!parts.columns.emplace_back().ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return std::nullopt;
  }
  for (uint32_t i = 0; i < num_globals; ++i) parts.globals.emplace_back(entry(global_table, i));
  parts.major = LoadLittleEndian<uint16_t>(footer + 32);
  parts.minor = LoadLittleEndian<uint16_t>(footer + 34);
  return parts;
}

std::string Build(const DataFileParts& parts) {
  std::string out = parts.body;
  std::string global_entries;
  std::string column_entries;
  auto add = [&out](std::string_view bytes, std::string* entries) {
    char entry[kTableEntrySize];
    StoreLittleEndian<uint64_t>(entry, out.size());
    StoreLittleEndian<uint64_t>(entry + 8, bytes.size());
    entries->append(entry, sizeof entry);
    out.append(bytes);
  };
  const uint64_t metadata_start = out.size();
  for (const std::string& global : parts.globals) add(global, &global_entries);
  for (const pb::ColumnMetadata& column : parts.columns) add(column.SerializeAsString(), &column_entries);
  char footer[kFooterSize];
  StoreLittleEndian<uint64_t>(footer, metadata_start);
  StoreLittleEndian<uint64_t>(footer + 8, out.size());
  StoreLittleEndian<uint64_t>(footer + 16, out.size() + column_entries.size());
  StoreLittleEndian<uint32_t>(footer + 24, static_cast<uint32_t>(parts.globals.size()));
  StoreLittleEndian<uint32_t>(footer + 28, static_cast<uint32_t>(parts.columns.size()));
  StoreLittleEndian<uint16_t>(footer + 32, parts.major);
  StoreLittleEndian<uint16_t>(footer + 34, parts.minor);
  std::memcpy(footer + 36, "LANC", 4);
  return out + column_entries + global_entries + std::string(footer, sizeof footer);
}

// One page buffer's bytes; if they grow, they move to the end of the body.
void MutateBuffer(DataFileParts* parts, pb::ColumnMetadata::Page* page, const ByteMutator& mutate_bytes, Random& random) {
  const int count = std::min(page->buffer_offsets_size(), page->buffer_sizes_size());
  if (count == 0) return;
  const auto pick = static_cast<int>(Below(random, static_cast<size_t>(count)));
  const uint64_t offset = page->buffer_offsets(pick);
  if (offset > parts->body.size()) return;
  std::string bytes = parts->body.substr(offset, page->buffer_sizes(pick));
  const size_t before = bytes.size();
  // Headers and tables of offsets stand in front.
  const size_t keep = random() % 2 == 0 && bytes.size() > 256 ? 64 : bytes.size();
  std::string front = bytes.substr(0, keep);
  mutate_bytes(&front);
  bytes.replace(0, keep, front);
  if (bytes.size() <= before) {
    parts->body.replace(offset, bytes.size(), bytes);
  } else {
    parts->body.resize((parts->body.size() + kPageAlignment - 1) / kPageAlignment * kPageAlignment, '\0');
    page->set_buffer_offsets(pick, parts->body.size());
    parts->body += bytes;
  }
  page->set_buffer_sizes(pick, bytes.size());
}

template <typename Layout>
void MutateLayout(google::protobuf::Any* any, const ByteMutator& mutate_bytes, Random& random) {
  Layout layout;
  if (!layout.ParseFromString(any->value())) return;
  MutateMessage(&layout, mutate_bytes, random);
  any->set_value(layout.SerializePartialAsString());
}

void MutateEncoding(const DataFileParts& parts, pb::ColumnMetadata::Page* page, const ByteMutator& mutate_bytes, Random& random) {
  google::protobuf::Any any;
  if (!any.ParseFromString(page->encoding().direct().encoding())) return;
  if (parts.major == 2 && parts.minor != 0) {
    MutateLayout<pb::v21::PageLayout>(&any, mutate_bytes, random);
  } else {
    MutateLayout<pb::v20::ArrayEncoding>(&any, mutate_bytes, random);
  }
  page->mutable_encoding()->mutable_direct()->set_encoding(any.SerializeAsString());
}

// Another type for a field, from what stands in files.
void MutateSchema(std::string* bytes, const ByteMutator& mutate_bytes, Random& random) {
  static constexpr const char* kTypes[] = {"int8",
                                           "uint16",
                                           "int32",
                                           "int64",
                                           "double",
                                           "bool",
                                           "string",
                                           "large_binary",
                                           "blob",
                                           "null",
                                           "struct",
                                           "list",
                                           "large_list.struct",
                                           "map",
                                           "decimal:128:38:2",
                                           "decimal:256:40:2",
                                           "fixed_size_binary:3",
                                           "fixed_size_list:float:4",
                                           "fixed_size_list:bool:3",
                                           "fixed_size_list:float:2147483647",
                                           "fixed_size_binary:2147483647",
                                           "fixed_size_list:fixed_size_list:double:65536:65536",
                                           "fixed_size_list:lance.bfloat16:8",
                                           "dict:string:int8:false",
                                           "dict:large_string:uint64:false",
                                           "timestamp:ns:+01:00",
                                           "time32:s",
                                           "date64:ms"};
  pb::FileDescriptor descriptor;
  if (!descriptor.ParseFromString(*bytes)) return mutate_bytes(bytes);
  const int fields = descriptor.schema().fields_size();
  if (fields == 0 || random() % 2 == 0) {
    MutateMessage(&descriptor, mutate_bytes, random);
  } else {
    pb::Field* field = descriptor.mutable_schema()->mutable_fields(static_cast<int>(Below(random, static_cast<size_t>(fields))));
    switch (random() % 4) {
      case 0: (*field->mutable_metadata())["lance-encoding:packed"] = "true"; break;
      case 1: (*field->mutable_metadata())["lance-encoding:blob"] = "true"; break;
      default: field->set_logical_type(kTypes[Below(random, std::size(kTypes))]);
    }
  }
  *bytes = descriptor.SerializePartialAsString();
}

}  // namespace

std::optional<std::string> MutateDataFile(std::string_view file, const ByteMutator& mutate_bytes, Random& random) {
  std::optional<DataFileParts> parts = ParseDataFile(file);
  if (!parts) return std::nullopt;
  if (parts->columns.empty() || random() % 12 == 0) {
    if (!parts->globals.empty()) MutateSchema(&parts->globals[0], mutate_bytes, random);
    return Build(*parts);
  }
  pb::ColumnMetadata& column = parts->columns[Below(random, parts->columns.size())];
  if (column.pages_size() == 0 || random() % 12 == 0) {
    MutateMessage(&column, mutate_bytes, random);
    return Build(*parts);
  }
  pb::ColumnMetadata::Page* page =
      column.mutable_pages(static_cast<int>(Below(random, static_cast<size_t>(column.pages_size()))));
  switch (random() % 8) {
    case 0: page->set_length(MutateNumber(page->length(), random)); break;
    case 1: {
      const pb::ColumnMetadata& other = parts->columns[Below(random, parts->columns.size())];
      if (other.pages_size() != 0) *page->mutable_encoding() = other.pages(0).encoding();
      break;
    }
    case 2:
    case 3:
    case 4: MutateEncoding(*parts, page, mutate_bytes, random); break;
    default: MutateBuffer(&*parts, page, mutate_bytes, random);
  }
  return Build(*parts);
}

std::optional<std::string> MutateManifestFile(std::string_view file, const ByteMutator& mutate_bytes, Random& random) {
  Result<ManifestFile> parsed = ParseManifestFile(Bytes::Copy({reinterpret_cast<const uint8_t*>(file.data()), file.size()}));
  if (!parsed.ok()) return std::nullopt;
  pb::Manifest manifest = *parsed->manifest;
  const auto fragments = static_cast<size_t>(manifest.fragments_size());
  if (random() % 8 == 0 && !parsed->index_section.empty()) {
    mutate_bytes(&parsed->index_section);
  } else if (random() % 6 == 0 && parsed->transaction) {
    MutateMessage(&*parsed->transaction, mutate_bytes, random);
  } else if (fragments != 0 && random() % 4 == 0) {
    pb::DataFragment* fragment = manifest.mutable_fragments(static_cast<int>(Below(random, fragments)));
    pb::RowIdSequence ids;
    if (fragment->has_inline_row_ids() && ids.ParseFromString(fragment->inline_row_ids())) {
      MutateMessage(&ids, mutate_bytes, random);
      fragment->set_inline_row_ids(ids.SerializeAsString());
    } else {
      MutateMessage(fragment, mutate_bytes, random);
    }
  } else {
    MutateMessage(&manifest, mutate_bytes, random);
  }
  return SerializeManifestFile(manifest, parsed->index_section, parsed->transaction ? &*parsed->transaction : nullptr);
}

}  // namespace lancefs
