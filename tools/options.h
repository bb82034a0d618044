// SPDX-License-Identifier: Apache-2.0
//
// Options of the program, from the command line, an options file and the environment (RULES 35, 36):
// the command line beats the file, the file beats LANCEFS_* variables. Keys are kebab-case; '_' and '-'
// are the same. What is no option of ours goes to the object store as a storage option.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "backends/registry.h"
#include "base/status.h"

namespace lancefs {

// "KEY=value" or "KEY" (value "true"), key normalised to kebab-case.
std::pair<std::string, std::string> SplitOption(const std::string& text);

// Keys whose values must not stand on a command line (anyone can read /proc/<pid>/cmdline).
bool IsSecretKey(const std::string& key);
// Errors: kInvalidArgument naming the key and the ways to give it.
Status RefuseSecret(const std::string& key);

// Lines `key = value`; '#' starts a comment line. The file must not be readable by group or others.
Result<std::map<std::string, std::string>> ReadOptionsFile(const std::string& path);

struct ParsedOptions {
  std::map<std::string, std::string> own;  // kebab-case keys among `own_keys`
  StorageOptions storage;
};
// Merges all sources. `command_line` holds "-o" items (comma lists already split) and `storage_options` the
// --storage-option items.
Result<ParsedOptions> MergeOptions(const std::vector<std::string>& command_line, const std::vector<std::string>& storage_options,
                                   const std::string& options_file, const std::vector<std::string>& own_keys);

// "4GiB", "512M", "1000000" -> bytes.
Result<uint64_t> ParseSize(const std::string& text);
// "1", "1s", "500ms", "2m" -> milliseconds; a bare number is seconds.
Result<uint64_t> ParseMilliseconds(const std::string& text);
Result<bool> ParseBool(const std::string& text);

}  // namespace lancefs
