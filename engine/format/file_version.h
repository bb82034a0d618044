// SPDX-License-Identifier: Apache-2.0
//
// Versions of the Lance data file format and their three spellings: the manifest's string, the pair
// in a DataFile message, the pair in a file's footer (2.0 files carry 0.3 there).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"

namespace lancefs {

enum class FileVersion : uint8_t { kV0_1, kV2_0, kV2_1, kV2_2, kV2_3 };

// "0.1", "2.0", ... exactly as a manifest spells it.
std::string_view FileVersionName(FileVersion version);
// Errors: kNotSupported naming an unknown version.
Result<FileVersion> FileVersionFromName(std::string_view name);
Result<FileVersion> FileVersionFromFooter(uint16_t major, uint16_t minor);
Result<FileVersion> FileVersionFromDataFile(uint32_t major, uint32_t minor);
struct VersionPair {
  uint16_t major;
  uint16_t minor;
};
VersionPair FooterNumbers(FileVersion version);
VersionPair DataFileNumbers(FileVersion version);

}  // namespace lancefs
