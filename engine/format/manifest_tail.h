// SPDX-License-Identifier: Apache-2.0
//
// A manifest file of which only the end was read. The manifest itself stands last in its file, behind
// the index section and a copy of the transaction that made the version, which hardly any reader
// wants but which is as long as the manifest where that transaction wrote all its fragments.
//
// Thread safety: functions without state.
#pragma once

#include "backends/object_store.h"
#include "engine/format/manifest.h"

namespace lancefs {

struct ManifestTail {
  ManifestFile file;        // without a transaction that stands before what was read
  ByteRange index_section;  // where the index section is, if it has to be read yet; else of length 0
  bool needs_all = false;   // of a 0.1 table: anything in the file may be needed
};

// Where in the file the manifest begins, by the footer that `tail` ends with. Errors: kCorruption.
Result<uint64_t> ManifestPosition(const Bytes& tail, uint64_t file_size);
// As ParseManifestFile; `tail` is the file from `offset` on. Errors: kCorruption, also where the manifest begins before it.
Result<ManifestTail> ParseManifestTail(const Bytes& tail, uint64_t offset);
// The index section, from the bytes that ManifestTail named. Errors: kCorruption.
Result<std::string> CutIndexSection(const Bytes& section);

}  // namespace lancefs
