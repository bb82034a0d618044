// SPDX-License-Identifier: Apache-2.0
//
// Options of the program, from the command line, an options file and the environment (RULES 35, 36):
// the command line beats the file, the file beats LANCEFS_* variables. Keys are kebab-case; '_' and '-'
// are the same. What is no option of ours goes to the object store as a storage option.
//
// The file's "[table NAME]" and "[URI]" sections hold storage options for one table or for all that
// lies below a URI; they beat what stands before the first section.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "backends/registry.h"
#include "base/status.h"

namespace lancefs {

// The options of the mount and the commands themselves, in kebab-case.
const std::vector<std::string>& OwnOptionKeys();

// "KEY=value" or "KEY" (value "true"), key normalised to kebab-case.
std::pair<std::string, std::string> SplitOption(const std::string& text);

// Errors: kInvalidArgument naming the key and the ways to give it, when a command line would show a secret
// (anyone can read /proc/<pid>/cmdline).
Status RefuseSecret(const std::string& key, const std::string& value);
// The same of a URI with a password or a signature in it.
Status RefuseSecretUri(const std::string& uri);

struct OptionSection {
  std::string table;  // of "[table NAME]", else empty
  std::string uri;    // of "[URI]", normalised, without a last '/'
  StorageOptions options;
};
struct OptionsFile {
  StorageOptions common;  // our own keys, too
  std::vector<OptionSection> sections;
};
// Lines `key = value`; '#' starts a comment line. Errors: kPermissionDenied when others than the reader may read or
// write it, kInvalidArgument with the line (whose text may be secret and is not shown).
Result<OptionsFile> ReadOptionsFile(const std::string& path);

class ParsedOptions {
 public:
  const std::map<std::string, std::string>& own() const { return own_; }
  // For the dataset or the database at `uri`.
  StorageOptions StorageFor(const std::string& uri) const;
  // For the files of the dataset `uri` that lie at `base_uri`, a base path of its manifest if `base_id` is given.
  StorageOptions StorageForBase(const std::string& uri, const std::string& base_uri, std::optional<uint32_t> base_id) const;
  // Tables that have options of their own.
  std::vector<std::string> Tables() const;
  // Keys that nobody knows, each with the nearest that is known or "".
  const std::vector<std::pair<std::string, std::string>>& unknown() const { return unknown_; }

 private:
  friend class OptionMerger;
  std::map<std::string, std::string> own_;  // kebab-case keys among OwnOptionKeys()
  OptionsFile file_;
  StorageOptions command_line_;
  std::vector<std::pair<std::string, std::string>> unknown_;
};

// Merges all sources. `command_line` holds "-o" items (comma lists already split) and `storage_options` the
// --storage-option items; `options_file` may also come as -o options-file or from the environment.
Result<ParsedOptions> MergeOptions(const std::vector<std::string>& command_line, const std::vector<std::string>& storage_options,
                                   const std::string& options_file);

// Says what is not known: a line on stderr, once a key.
void PrintUnknownOptions(const ParsedOptions& options);
// The same in the log.
void LogUnknownOptions(const ParsedOptions& options);

// "4GiB", "512M", "1000000" -> bytes.
Result<uint64_t> ParseSize(const std::string& text);
// "1", "1s", "500ms", "2m" -> milliseconds; a bare number is seconds.
Result<uint64_t> ParseMilliseconds(const std::string& text);
Result<bool> ParseBool(const std::string& text);

}  // namespace lancefs
