// SPDX-License-Identifier: Apache-2.0
#include "engine/format/manifest.h"

#include <google/protobuf/stubs/logging.h>

#include <algorithm>
#include <charconv>

#include "engine/format/manifest_tail.h"

namespace lancefs {
namespace {

constexpr size_t kFooterSize = 16;  // i64 manifest position, i16 major, i16 minor, "LANC"
constexpr uint16_t kFooterMinor = 2;
constexpr size_t kMaxInlineTransaction = 20 * 1024 * 1024;
constexpr std::string_view kSuffix = ".manifest";

// Bits that must be equal in both words (docs/lance/table.md 3).
constexpr uint64_t kPairedFlags = (1ULL << 8) | (1ULL << 10) | (1ULL << 14) | (1ULL << 16);

// Broken bytes are reported through Status; protobuf's own lines on stderr would only repeat it.
const bool g_protobuf_is_quiet = [] {
  google::protobuf::SetLogHandler(nullptr);
  return true;
}();

Status Bad(const std::string& what) { return Status::Corruption("manifest: " + what); }

bool ParseNumber(std::string_view digits, uint64_t* value) {
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), *value);
  return error == std::errc() && end == digits.data() + digits.size() && !digits.empty();
}

// The message behind a u32 length at `offset` of the file, of which `bytes` stand from `begin` on. `end`: where it must be over.
Result<std::string_view> Section(const Bytes& bytes, uint64_t begin, uint64_t offset, uint64_t end, const char* name) {
  if (offset < begin || offset > end || end - offset < 4) return Bad(std::string(name) + " lies outside the file");
  const auto length = LoadLittleEndian<uint32_t>(bytes.data() + (offset - begin));
  if (length > end - offset - 4 || length > INT32_MAX) return Bad(std::string(name) + " is longer than the file");
  return bytes.view().substr(offset - begin + 4, length);
}

// Both words are looked at, whichever of them is about to matter: half a flag is neither state.
Status CheckAgreement(const pb::Manifest& manifest) {
  const uint64_t unpaired = (manifest.reader_feature_flags() ^ manifest.writer_feature_flags()) & kPairedFlags;
  if (unpaired != 0) return Bad("the feature " + FlagNames(unpaired) + " is set in one of the two flag words only");
  const std::string field_ids = "the feature " + FlagNames(kFlagNonReusableFieldIds);
  if ((manifest.reader_feature_flags() & kFlagNonReusableFieldIds) != 0) return Bad(field_ids + " is set in the reader word");
  const bool tracked = (manifest.writer_feature_flags() & kFlagNonReusableFieldIds) != 0;
  if (tracked != manifest.has_max_allocated_field_id()) {
    return Bad(field_ids + (tracked ? " is set without a highest field id" : " is not set, but there is a highest field id"));
  }
  return Status::OK();
}

void AppendSection(const std::string& message, std::string* out) {
  char length[4];
  StoreLittleEndian(length, static_cast<uint32_t>(message.size()));
  out->append(length, 4);
  out->append(message);
}

Result<FileVersion> VersionOf(const pb::DataFile& file) {
  return FileVersionFromDataFile(file.file_major_version(), file.file_minor_version());
}

// All files have the table's version, or the flag says that they differ. 0.1 never mixes with others, but for two mistakes
// of old writers, which are read by each file's own version: 2.x files in a table that calls itself 0.1, also next to 0.1 files.
Status CheckVersions(const pb::Manifest& manifest) {
  LANCEFS_ASSIGN_OR_RETURN(const FileVersion default_version, DataVersion(manifest));
  const bool mixed = (manifest.reader_feature_flags() & kFlagMixedFileVersions) != 0;
  const bool legacy = default_version == FileVersion::kV0_1;
  if (mixed && legacy) return Bad("a table of version 0.1 cannot have files of several versions");
  const pb::DataFile* first = nullptr;   // of 2.x
  const pb::DataFile* oldest = nullptr;  // of 0.1
  for (const pb::DataFragment& fragment : manifest.fragments()) {
    for (const pb::DataFile& file : fragment.files()) {
      LANCEFS_ASSIGN_OR_RETURN(const FileVersion version, VersionOf(file));
      if (version == FileVersion::kV0_1) {
        oldest = &file;
        continue;
      }
      if (first == nullptr) first = &file;
      LANCEFS_ASSIGN_OR_RETURN(const FileVersion wanted, legacy ? VersionOf(*first) : Result<FileVersion>(default_version));
      if (!mixed && version != wanted) {
        return Bad("data file " + file.path() + " has version " + std::string(FileVersionName(version)) +
                   " in a table of version " + std::string(FileVersionName(wanted)));
      }
    }
  }
  if (oldest != nullptr && !legacy)
    return Bad("data file " + oldest->path() + " has version 0.1 in a table of version " +
               std::string(FileVersionName(default_version)));
  return Status::OK();
}

// The columns that a 2.x file claims for its fields.
Status CheckColumns(const pb::DataFile& file, FileVersion version, const std::map<int32_t, bool>& leaf_by_id) {
  if (version == FileVersion::kV0_1) return Status::OK();
  if (file.column_indices_size() != 0 && file.column_indices_size() != file.fields_size()) {
    return Bad("data file " + file.path() + " has " + std::to_string(file.fields_size()) + " fields but " +
               std::to_string(file.column_indices_size()) + " column indices");
  }
  if (version == FileVersion::kV2_0) return Status::OK();
  for (int i = 0; i < file.column_indices_size(); ++i) {
    const auto leaf = leaf_by_id.find(file.fields(i));
    if (leaf == leaf_by_id.end()) continue;
    if (leaf->second != (file.column_indices(i) >= 0)) {
      return Bad("data file " + file.path() + ": field " + std::to_string(file.fields(i)) +
                 (leaf->second ? " has no column" : " has a column but is not stored"));
    }
  }
  return Status::OK();
}

}  // namespace

std::string_view FlagName(int bit) {
  static constexpr std::string_view kNames[] = {
      "deletion files",
      "stable row ids",
      "old v2 format",
      "table config",
      "base paths",
      "inline transactions only",
      "data overlay files",
      "covering index columns",
      "mixed data file versions",
      "stable row ids with a fragment reuse index",
      "tagged fragment reuse index",
      "spilled row lineage",
      "fragment tree",
      "independent covering fields",
      "managed blobs",
      "non-reusable field ids",
      "zone write seeds",
      "object metadata",
  };
  return bit >= 0 && bit < static_cast<int>(std::size(kNames)) ? kNames[bit] : "unknown";
}

std::string FlagNames(uint64_t flags) {
  std::string names;
  for (int bit = 0; bit < 64; ++bit) {
    if (((flags >> bit) & 1) == 0) continue;
    names += (names.empty() ? "bit " : ", bit ") + std::to_string(bit) + " (" + std::string(FlagName(bit)) + ")";
  }
  return names;
}

std::string ManifestName(uint64_t version, ManifestNaming naming) {
  if (IsDetachedVersion(version)) return "d" + std::to_string(version) + std::string(kSuffix);
  if (naming == ManifestNaming::kV1) return std::to_string(version) + std::string(kSuffix);
  std::string digits = std::to_string(UINT64_MAX - version);
  return std::string(20 - digits.size(), '0') + digits + std::string(kSuffix);
}

std::optional<ParsedManifestName> ParseManifestName(std::string_view name) {
  if (!name.ends_with(kSuffix)) return std::nullopt;
  const std::string_view digits = name.substr(0, name.size() - kSuffix.size());
  uint64_t value = 0;
  if (!ParseNumber(digits, &value)) return std::nullopt;  // detached ones start with 'd'
  if (digits.size() == 20) return ParsedManifestName{UINT64_MAX - value, ManifestNaming::kV2};
  return ParsedManifestName{value, ManifestNaming::kV1};
}

Status CheckReaderFlags(const pb::Manifest& manifest) {
  LANCEFS_RETURN_NOT_OK(CheckAgreement(manifest));
  const uint64_t unknown = manifest.reader_feature_flags() & ~kReadableFlags;
  if (unknown == 0) return Status::OK();
  return Status::NotSupported("reading the table needs features that lancefs does not know: " + FlagNames(unknown));
}

Status CheckWriterFlags(const pb::Manifest& manifest) {
  LANCEFS_RETURN_NOT_OK(CheckAgreement(manifest));
  const uint64_t unknown = manifest.writer_feature_flags() & ~kWritableFlags;
  if (unknown == 0) return Status::OK();
  return Status::NotSupported("changing the table needs features that lancefs does not know: " + FlagNames(unknown));
}

Result<uint64_t> ManifestPosition(const Bytes& tail, uint64_t file_size) {
  if (tail.size() < kFooterSize) return Bad("the file has only " + std::to_string(tail.size()) + " bytes");
  const uint8_t* footer = tail.data() + tail.size() - kFooterSize;
  if (std::memcmp(footer + 12, "LANC", 4) != 0) return Bad("the magic LANC is missing at the end");
  const auto position = LoadLittleEndian<uint64_t>(footer);
  if (position > file_size - kFooterSize) return Bad("the message lies outside the file");
  return position;
}

Result<ManifestTail> ParseManifestTail(const Bytes& tail, uint64_t offset) {
  LANCEFS_ASSIGN_OR_RETURN(const uint64_t position, ManifestPosition(tail, offset + tail.size()));
  const uint64_t end = offset + tail.size() - kFooterSize;
  LANCEFS_ASSIGN_OR_RETURN(const std::string_view message, Section(tail, offset, position, end, "the message"));
  auto manifest = std::make_shared<pb::Manifest>();
  if (!manifest->ParseFromArray(message.data(), static_cast<int>(message.size()))) return Bad("the message cannot be parsed");
  ManifestTail parsed;
  const bool has_transaction = manifest->has_transaction_section() || manifest->has_transaction_section_deprecated();
  const uint64_t transaction_section =
      manifest->has_transaction_section() ? manifest->transaction_section() : manifest->transaction_section_deprecated();
  if (manifest->has_index_section() && manifest->index_section() < offset) {
    // It is over where another part begins; the message stands behind it.
    const uint64_t start = manifest->index_section();
    const uint64_t next = has_transaction && transaction_section > start ? std::min(position, transaction_section) : position;
    parsed.index_section = {start, next - start};
  } else if (manifest->has_index_section()) {
    LANCEFS_ASSIGN_OR_RETURN(const std::string_view section,
                             Section(tail, offset, manifest->index_section(), end, "the index section"));
    parsed.file.index_section = std::string(section);
  }
  if (has_transaction) {
    const Result<std::string_view> section = Section(tail, offset, transaction_section, end, "the transaction section");
    pb::Transaction transaction;
    // A broken copy does not keep readers out; the .txn file may still have it.
    if (section.ok() && transaction.ParseFromArray(section->data(), static_cast<int>(section->size())))
      parsed.file.transaction = std::move(transaction);
  }
  const Result<FileVersion> version = DataVersion(*manifest);
  const bool legacy = version.ok() && *version == FileVersion::kV0_1;
  parsed.needs_all = legacy && offset > 0;
  if (legacy && offset == 0) parsed.file.dictionaries = v1::ReadDictionaries(tail, manifest->fields());
  parsed.file.manifest = std::move(manifest);
  return parsed;
}

Result<ManifestFile> ParseManifestFile(const Bytes& file) {
  LANCEFS_ASSIGN_OR_RETURN(ManifestTail parsed, ParseManifestTail(file, 0));
  return std::move(parsed.file);
}

Result<std::string> CutIndexSection(const Bytes& section) {
  LANCEFS_ASSIGN_OR_RETURN(const std::string_view cut, Section(section, 0, 0, section.size(), "the index section"));
  return std::string(cut);
}

std::string SerializeManifestFile(const pb::Manifest& manifest, const std::string& index_section,
                                  const pb::Transaction* transaction) {
  std::string out;
  pb::Manifest written = manifest;
  written.clear_index_section();
  written.clear_transaction_section();
  written.clear_transaction_section_deprecated();
  if (!index_section.empty()) {
    written.set_index_section(out.size());
    AppendSection(index_section, &out);
  }
  if (transaction != nullptr) {
    const std::string bytes = transaction->SerializeAsString();
    if (bytes.size() <= kMaxInlineTransaction) {
      written.set_transaction_section(out.size());
      AppendSection(bytes, &out);
    }
  }
  const uint64_t position = out.size();
  AppendSection(written.SerializeAsString(), &out);
  char footer[kFooterSize] = {};
  StoreLittleEndian(footer, position);
  StoreLittleEndian(footer + 10, kFooterMinor);
  std::memcpy(footer + 12, "LANC", 4);
  out.append(footer, kFooterSize);
  return out;
}

Result<Schema> SchemaFromManifest(const pb::Manifest& manifest) {
  std::map<std::string, std::string> metadata;
  for (const auto& [key, value] : manifest.schema_metadata()) metadata[key] = value;
  return SchemaFromProto(manifest.fields(), metadata);
}

Result<FileVersion> DataVersion(const pb::Manifest& manifest) {
  if (manifest.has_data_format() && !manifest.data_format().version().empty())
    return FileVersionFromName(manifest.data_format().version());
  for (const pb::DataFragment& fragment : manifest.fragments()) {
    for (const pb::DataFile& file : fragment.files())
      return FileVersionFromDataFile(file.file_major_version(), file.file_minor_version());
  }
  return (manifest.writer_feature_flags() & kFlagOldV2Format) != 0 ? FileVersion::kV2_2 : FileVersion::kV0_1;
}

Status CheckStorageContract(const pb::Manifest& manifest, const Schema& schema) {
  LANCEFS_RETURN_NOT_OK(CheckVersions(manifest));
  std::map<int32_t, bool> leaf_by_id;
  for (const Field& field : schema.fields) {
    std::function<void(const Field&, bool)> visit = [&](const Field& f, bool inside_leaf) {
      leaf_by_id[f.id] = !inside_leaf && f.IsPhysicalLeaf();
      for (const Field& child : f.children) visit(child, inside_leaf || f.IsPhysicalLeaf());
    };
    visit(field, false);
  }
  for (const pb::DataFragment& fragment : manifest.fragments()) {
    if (fragment.overlays_size() != 0)
      return Status::NotSupported("fragment " + std::to_string(fragment.id()) + " has data overlay files");
    if (fragment.id() > UINT32_MAX) return Bad("fragment id " + std::to_string(fragment.id()) + " does not fit 32 bits");
    for (const pb::DataFile& file : fragment.files()) {
      LANCEFS_ASSIGN_OR_RETURN(const FileVersion version, VersionOf(file));
      LANCEFS_RETURN_NOT_OK(CheckColumns(file, version, leaf_by_id));
    }
  }
  return Status::OK();
}

}  // namespace lancefs
