// SPDX-License-Identifier: Apache-2.0
#include "tools/options.h"

#include <sys/stat.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <set>

namespace lancefs {
namespace {

std::string Lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

std::string Kebab(std::string key) {
  key = Lower(std::move(key));
  std::replace(key.begin(), key.end(), '_', '-');
  return key;
}

std::string Trim(const std::string& text) {
  const size_t first = text.find_first_not_of(" \t\r");
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

// A number and what stands behind it.
Result<uint64_t> LeadingNumber(const std::string& text, std::string* suffix) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) return Status::InvalidArgument("'" + text + "' does not start with a number");
  *suffix = Lower(Trim(std::string(end, text.data() + text.size())));
  return value;
}

}  // namespace

std::pair<std::string, std::string> SplitOption(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos) return {Kebab(text), "true"};
  return {Kebab(text.substr(0, equals)), text.substr(equals + 1)};
}

bool IsSecretKey(const std::string& key) {
  const std::string kebab = Kebab(key);
  static constexpr const char* kParts[] = {
      "secret", "token", "password", "sas-key", "account-key", "access-key", "master-key", "customer-key", "service-account-key"};
  if (kebab.ends_with("access-key-id") || kebab.ends_with("-file") || kebab.ends_with("token-path")) return false;
  return std::any_of(std::begin(kParts), std::end(kParts),
                     [&](const char* part) { return kebab.find(part) != std::string::npos; });
}

Status RefuseSecret(const std::string& key) {
  if (!IsSecretKey(key)) return Status::OK();
  return Status::InvalidArgument(
      "the option '" + key +
      "' is secret and must not stand on a command line; put it into the environment or into a file given by " +
      "--options-file (mode 0600, lines 'key = value')");
}

Result<std::map<std::string, std::string>> ReadOptionsFile(const std::string& path) {
  struct stat st;
  if (::stat(path.c_str(), &st) != 0) return Status::NotFound("the options file " + path + " cannot be read");
  if ((st.st_mode & 077) != 0)
    return Status::PermissionDenied("the options file " + path + " may be read by others; chmod 600 it");
  std::ifstream in(path);
  std::map<std::string, std::string> options;
  std::string line;
  for (int number = 1; std::getline(in, line); ++number) {
    line = Trim(line);
    if (line.empty() || line[0] == '#') continue;
    const size_t equals = line.find('=');
    if (equals == std::string::npos)
      return Status::InvalidArgument(path + ", line " + std::to_string(number) + ": expected 'key = value'");
    options[Trim(line.substr(0, equals))] = Trim(line.substr(equals + 1));
  }
  return options;
}

Result<ParsedOptions> MergeOptions(const std::vector<std::string>& command_line, const std::vector<std::string>& storage_options,
                                   const std::string& options_file, const std::vector<std::string>& own_keys) {
  ParsedOptions parsed;
  const std::set<std::string> own(own_keys.begin(), own_keys.end());
  for (const std::string& key : own_keys) {
    std::string variable = "LANCEFS_" + key;
    std::replace(variable.begin(), variable.end(), '-', '_');
    std::transform(variable.begin(), variable.end(), variable.begin(), [](unsigned char c) { return std::toupper(c); });
    if (const char* value = std::getenv(variable.c_str())) parsed.own[key] = value;
  }
  if (!options_file.empty()) {
    LANCEFS_ASSIGN_OR_RETURN(const auto from_file, ReadOptionsFile(options_file));
    for (const auto& [key, value] : from_file) {
      if (own.contains(Kebab(key))) {
        parsed.own[Kebab(key)] = value;
      } else {
        parsed.storage[key] = value;
      }
    }
  }
  for (const std::string& item : command_line) {
    const auto [key, value] = SplitOption(item);
    LANCEFS_RETURN_NOT_OK(RefuseSecret(key));
    if (own.contains(key)) {
      parsed.own[key] = value;
    } else {
      parsed.storage[Lower(item.substr(0, item.find('=')))] = value;
    }
  }
  for (const std::string& item : storage_options) {
    const size_t equals = item.find('=');
    if (equals == std::string::npos) return Status::InvalidArgument("--storage-option wants key=value, got '" + item + "'");
    LANCEFS_RETURN_NOT_OK(RefuseSecret(item.substr(0, equals)));
    parsed.storage[item.substr(0, equals)] = item.substr(equals + 1);
  }
  return parsed;
}

Result<uint64_t> ParseSize(const std::string& text) {
  std::string suffix;
  LANCEFS_ASSIGN_OR_RETURN(const uint64_t value, LeadingNumber(text, &suffix));
  static const std::map<std::string, int> kShifts = {{"", 0},    {"b", 0},    {"k", 10},  {"kib", 10}, {"kb", 10},
                                                     {"m", 20},  {"mib", 20}, {"mb", 20}, {"g", 30},   {"gib", 30},
                                                     {"gb", 30}, {"t", 40},   {"tib", 40}};
  const auto shift = kShifts.find(suffix);
  if (shift == kShifts.end() || (value << shift->second) >> shift->second != value)
    return Status::InvalidArgument("'" + text + "' is no size");
  return value << shift->second;
}

Result<uint64_t> ParseMilliseconds(const std::string& text) {
  std::string suffix;
  LANCEFS_ASSIGN_OR_RETURN(const uint64_t value, LeadingNumber(text, &suffix));
  if (suffix.empty() || suffix == "s") return value * 1000;
  if (suffix == "ms") return value;
  if (suffix == "m" || suffix == "min") return value * 60'000;
  if (suffix == "h") return value * 3'600'000;
  return Status::InvalidArgument("'" + text + "' is no duration");
}

Result<bool> ParseBool(const std::string& text) {
  const std::string lower = Lower(text);
  if (lower == "true" || lower == "1" || lower == "yes" || lower == "on") return true;
  if (lower == "false" || lower == "0" || lower == "no" || lower == "off") return false;
  return Status::InvalidArgument("'" + text + "' is neither true nor false");
}

}  // namespace lancefs
