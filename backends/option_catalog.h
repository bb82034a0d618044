// SPDX-License-Identifier: Apache-2.0
//
// The names of all storage options: which there are, what they are called in which cloud, which of
// them are secret, and how options of several sources combine. docs/configuration.md says what they
// do; a test compares the two, so a new option needs a line in both.
//
// Keys are written in any case and with '-' for '_'; NormalOptionKey() gives the one form in which
// they are compared. "base_<id>.<key>" is the option of one base path of a manifest, and
// "headers.<name>" a header; the rest of both is kept.
//
// Thread safety: pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "backends/registry.h"

namespace lancefs {

// Whose option it is; an option of kClient works in every cloud, also with the cloud's prefix.
enum class OptionOwner { kClient, kLance, kS3, kGcs, kAzure };

struct StorageOptionName {
  OptionOwner owner;
  std::string_view name;  // canonical, as in docs/configuration.md
  std::vector<std::string_view> aliases;
  bool secret = false;
};

const std::vector<StorageOptionName>& AllStorageOptions();
// Every spelling that is understood, for suggestions.
const std::vector<std::string>& AllOptionSpellings();

std::string NormalOptionKey(std::string_view key);
// Also true for "headers.*" and for keys of stores that only other programs know ("oss_...").
bool IsKnownOption(std::string_view key);
// By name, or for names that nobody knows by how they sound.
bool IsSecretOption(std::string_view key);
// Whether the value would show a secret: that of a secret key, or a URL with a password in it.
bool IsSecretOptionValue(std::string_view key, std::string_view value);
// Whether two keys are names of the same option in some cloud, so that one source's beats the other's.
bool IsSameOption(std::string_view a, std::string_view b);

// `options` with `stronger` laid over them: what `stronger` has goes, under whatever name it is known.
StorageOptions OverlaidOptions(StorageOptions options, const StorageOptions& stronger);
// The options of the base path `id`: "base_<id>.<key>" over all that are not of some base path.
StorageOptions OptionsOfBase(const StorageOptions& options, uint32_t id);

}  // namespace lancefs
