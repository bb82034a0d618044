// SPDX-License-Identifier: Apache-2.0
//
// Manifest files: bytes <-> message, names, feature flags (docs/lance/table.md 1.1, 2, 3).
//
// Thread safety: values and free functions.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/status.h"
#include "engine/format/proto/table.pb.h"
#include "engine/format/schema.h"
#include "engine/format/v1/dictionary.h"

namespace lancefs {

// How the dataset's manifests are named; one directory never mixes both.
enum class ManifestNaming : uint8_t { kV1, kV2 };

// Detached versions have one name, whatever the naming.
std::string ManifestName(uint64_t version, ManifestNaming naming);
struct ParsedManifestName {
  uint64_t version;
  ManifestNaming naming;
};
// Empty for names that are no (attached) manifest: temporary files, detached versions, the hint.
std::optional<ParsedManifestName> ParseManifestName(std::string_view name);

// Detached versions have the highest bit set. They lie beside the others ("d<version>.manifest", wherever names are V2), can be
// opened by number, and are never listed or the latest.
inline constexpr uint64_t kDetachedBit = uint64_t{1} << 63;
inline bool IsDetachedVersion(uint64_t version) { return (version & kDetachedBit) != 0; }

// Feature flags (docs/lance/table.md 3).
inline constexpr uint64_t kFlagDeletionFiles = 1;
inline constexpr uint64_t kFlagStableRowIds = 2;
inline constexpr uint64_t kFlagOldV2Format = 4;
inline constexpr uint64_t kFlagTableConfig = 8;
inline constexpr uint64_t kFlagBasePaths = 16;
inline constexpr uint64_t kFlagInlineTransactionOnly = 32;
inline constexpr uint64_t kFlagDataOverlays = 64;
inline constexpr uint64_t kFlagCoveredIndex = 128;
inline constexpr uint64_t kFlagMixedFileVersions = 256;
inline constexpr uint64_t kFlagTaggedFragReuse = 1024;
inline constexpr uint64_t kFlagSpilledLineage = 2048;
inline constexpr uint64_t kFlagManagedBlobs = 16384;
inline constexpr uint64_t kFlagNonReusableFieldIds = 32768;
// What a flag's bit (0..63) stands for, e.g. "deletion files"; "unknown" for bits without a meaning.
std::string_view FlagName(int bit);
// "bit 12 (fragment tree), bit 63 (unknown)".
std::string FlagNames(uint64_t flags);
// What we read, and what we may append to. Managed blobs are refused where one is read.
inline constexpr uint64_t kReadableFlags =
    kFlagDeletionFiles | kFlagStableRowIds | kFlagOldV2Format | kFlagTableConfig | kFlagBasePaths | kFlagInlineTransactionOnly |
    kFlagCoveredIndex | kFlagMixedFileVersions | kFlagTaggedFragReuse | kFlagSpilledLineage | kFlagManagedBlobs;
inline constexpr uint64_t kWritableFlags = kReadableFlags | kFlagNonReusableFieldIds;

// Errors: kNotSupported naming every unknown bit; kCorruption for bits that the two words and the manifest's fields must
// agree upon and do not.
Status CheckReaderFlags(const pb::Manifest& manifest);
Status CheckWriterFlags(const pb::Manifest& manifest);

// A manifest file's parts.
struct ManifestFile {
  std::shared_ptr<const pb::Manifest> manifest;
  std::string index_section;                   // serialized IndexSection; empty = none
  std::optional<pb::Transaction> transaction;  // inline copy, if it was there and readable
  v1::Dictionaries dictionaries;               // of a 0.1 table
};

// Parses a whole manifest file. Errors: kCorruption with what is wrong and where.
Result<ManifestFile> ParseManifestFile(const Bytes& file);
// The file's bytes; sets the section offsets (fields 6 and 23) of the written message. A transaction
// above 20 MiB is left out (the .txn file has it).
std::string SerializeManifestFile(const pb::Manifest& manifest, const std::string& index_section,
                                  const pb::Transaction* transaction);

// Field tree with schema metadata. Errors: as SchemaFromProto.
Result<Schema> SchemaFromManifest(const pb::Manifest& manifest);
// The data file version of new files. Errors: kNotSupported.
Result<FileVersion> DataVersion(const pb::Manifest& manifest);
// The contract that pylance checks on open (file versions, field lists; docs/lance/table.md 2.2, pitfall 20).
Status CheckStorageContract(const pb::Manifest& manifest, const Schema& schema);

}  // namespace lancefs
