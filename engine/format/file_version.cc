// SPDX-License-Identifier: Apache-2.0
#include "engine/format/file_version.h"

namespace lancefs {

std::string_view FileVersionName(FileVersion version) {
  switch (version) {
    case FileVersion::kV0_1: return "0.1";
    case FileVersion::kV2_0: return "2.0";
    case FileVersion::kV2_1: return "2.1";
    case FileVersion::kV2_2: return "2.2";
    case FileVersion::kV2_3: return "2.3";
  }
  return "?";
}

Result<FileVersion> FileVersionFromName(std::string_view name) {
  for (const FileVersion version :
       {FileVersion::kV0_1, FileVersion::kV2_0, FileVersion::kV2_1, FileVersion::kV2_2, FileVersion::kV2_3}) {
    if (FileVersionName(version) == name) return version;
  }
  return Status::NotSupported("unknown Lance data file version '" + std::string(name) + "'");
}

Result<FileVersion> FileVersionFromFooter(uint16_t major, uint16_t minor) {
  if (major == 0 && minor <= 2) return FileVersion::kV0_1;
  if ((major == 0 && minor == 3) || (major == 2 && minor == 0)) return FileVersion::kV2_0;
  if (major == 2 && minor == 1) return FileVersion::kV2_1;
  if (major == 2 && minor == 2) return FileVersion::kV2_2;
  if (major == 2 && minor == 3) return FileVersion::kV2_3;
  return Status::NotSupported("unknown Lance data file version " + std::to_string(major) + "." + std::to_string(minor));
}

Result<FileVersion> FileVersionFromDataFile(uint32_t major, uint32_t minor) {
  if (major > UINT16_MAX || minor > UINT16_MAX) return Status::Corruption("data file version out of range");
  return FileVersionFromFooter(static_cast<uint16_t>(major), static_cast<uint16_t>(minor));
}

VersionPair FooterNumbers(FileVersion version) {
  switch (version) {
    case FileVersion::kV0_1: return {0, 2};
    case FileVersion::kV2_0: return {0, 3};
    case FileVersion::kV2_1: return {2, 1};
    case FileVersion::kV2_2: return {2, 2};
    case FileVersion::kV2_3: return {2, 3};
  }
  return {0, 0};
}

VersionPair DataFileNumbers(FileVersion version) {
  if (version == FileVersion::kV2_0) return {2, 0};
  return FooterNumbers(version);
}

}  // namespace lancefs
