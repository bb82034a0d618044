// SPDX-License-Identifier: Apache-2.0
#include "tools/options.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <set>

#include "backends/option_catalog.h"
#include "base/ascii.h"
#include "base/log.h"
#include "base/trim.h"
#include "base/uri.h"
#include "engine/sql/functions.h"

namespace lancefs {
namespace {

std::string Kebab(std::string key) {
  key = AsciiLower(key);
  std::replace(key.begin(), key.end(), '_', '-');
  return key;
}

std::string Trimmed(std::string_view text) { return std::string(Trim(text, " \t\r")); }

// A number and what stands behind it.
Result<uint64_t> LeadingNumber(const std::string& text, std::string* suffix) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) return Status::InvalidArgument("'" + text + "' does not start with a number");
  *suffix = AsciiLower(Trimmed(std::string(end, text.data() + text.size())));
  return value;
}

bool IsOwnKey(const std::string& kebab) {
  const auto& own = OwnOptionKeys();
  return std::find(own.begin(), own.end(), kebab) != own.end();
}

// As URIs are compared: "s3://bucket" and "s3://bucket/" are one place.
std::string PlaceOf(const std::string& uri) {
  const Result<Uri> parsed = ParseUri(uri);
  std::string text = !parsed.ok()               ? uri
                     : parsed->scheme == "file" ? parsed->path
                                                : parsed->scheme + "://" + parsed->authority + "/" + parsed->path;
  while (text.size() > 1 && text.ends_with('/')) text.pop_back();
  return text;
}

bool LiesBelow(const std::string& place, const std::string& root) {
  return place.starts_with(root) && (place.size() == root.size() || place[root.size()] == '/');
}

// "trips" of ".../trips.lance", ".../trips.lance/data" and ".../trips".
std::string TableOf(const std::string& place) {
  const size_t inside = (place + "/").rfind(".lance/");
  const size_t end = inside == std::string::npos ? place.size() : inside;
  const size_t slash = place.rfind('/', end == 0 ? 0 : end - 1);
  const size_t start = slash == std::string::npos ? 0 : slash + 1;
  return start < end ? place.substr(start, end - start) : "";
}

std::string NearestKey(const std::string& key) {
  std::vector<std::string> known = AllOptionSpellings();
  for (std::string own : OwnOptionKeys()) {
    std::replace(own.begin(), own.end(), '-', '_');
    known.push_back(std::move(own));
  }
  return sql::NearestName(NormalOptionKey(key), known);
}

// Closes and, as the text may be secret, wipes.
class SecretFile {
 public:
  explicit SecretFile(int fd) : fd_(fd) {}
  SecretFile(const SecretFile&) = delete;
  SecretFile& operator=(const SecretFile&) = delete;
  ~SecretFile() {
    ::close(fd_);
    if (!text_.empty()) ::explicit_bzero(text_.data(), text_.size());
  }
  Status Read(const std::string& path) {
    constexpr size_t kMost = 1 << 20;
    text_.resize(kMost);  // once: growing would leave copies behind
    size_t size = 0;
    while (size < kMost) {
      const ssize_t n = ::read(fd_, text_.data() + size, kMost - size);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return Status::IoError("cannot read the options file " + path + ": " + std::strerror(errno));
      if (n == 0) break;
      size += static_cast<size_t>(n);
    }
    if (size == kMost) return Status::InvalidArgument("the options file " + path + " is larger than 1 MiB");
    text_.resize(size);
    return Status::OK();
  }
  const std::string& text() const { return text_; }

 private:
  const int fd_;
  std::string text_;
};

// Who else may read it could take the secrets, who else may write it could name a program to run.
Status CheckOptionsFile(const std::string& path, int fd) {
  struct stat st;
  if (::fstat(fd, &st) != 0 || S_ISDIR(st.st_mode)) return Status::NotFound("the options file " + path + " cannot be read");
  if ((st.st_mode & 077) != 0)
    return Status::PermissionDenied("the options file " + path + " may be read by others; chmod 600 it");
  if (st.st_uid != ::geteuid() && st.st_uid != 0) {
    return Status::PermissionDenied("the options file " + path + " belongs to another user (" + std::to_string(st.st_uid) +
                                    "), who could change it; make a copy of your own");
  }
  return Status::OK();
}

// One "[...]" line's section. Errors: kInvalidArgument.
Result<OptionSection> ParseSection(const std::string& title) {
  OptionSection section;
  if (title.starts_with("table ") || title.starts_with("table\t")) {
    section.table = Trimmed(title.substr(6));
    if (!section.table.empty()) return section;
  } else if (title.find("://") != std::string::npos || title.starts_with('/')) {
    LANCEFS_RETURN_NOT_OK(RefuseSecretUri(title));
    LANCEFS_RETURN_NOT_OK(ParseUri(title).status());
    section.uri = PlaceOf(title);
    return section;
  }
  return Status::InvalidArgument("a section is [table NAME] or [URI]");
}

Status ParseOptionsLine(const std::string& line, OptionsFile* file) {
  if (line[0] == '[') {
    if (!line.ends_with(']')) return Status::InvalidArgument("a section ends with ']'");
    LANCEFS_ASSIGN_OR_RETURN(OptionSection section, ParseSection(Trimmed(line.substr(1, line.size() - 2))));
    file->sections.push_back(std::move(section));
    return Status::OK();
  }
  const size_t equals = line.find('=');
  if (equals == std::string::npos) return Status::InvalidArgument("expected 'key = value'");
  const std::string key = Trimmed(line.substr(0, equals));
  if (!file->sections.empty() && IsOwnKey(Kebab(key))) {
    return Status::InvalidArgument("the option '" + key + "' is the whole mount's and stands before the first section");
  }
  StorageOptions& options = file->sections.empty() ? file->common : file->sections.back().options;
  options[key] = Trimmed(line.substr(equals + 1));
  return Status::OK();
}

}  // namespace

const std::vector<std::string>& OwnOptionKeys() {
  static const auto* keys = new std::vector<std::string>{"allow-other",  "append-format",
                                                         "auto-unmount", "cache",
                                                         "cache-size",   "core-dumps",
                                                         "debug",        "default-permissions",
                                                         "gid",          "large",
                                                         "log-file",     "log-level",
                                                         "memory",       "open-budget",
                                                         "options-file", "refresh",
                                                         "retention",    "ro",
                                                         "rw",           "sizes",
                                                         "spill",        "spool",
                                                         "state-dir",    "uid",
                                                         "umask"};
  return *keys;
}

std::pair<std::string, std::string> SplitOption(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos) return {Kebab(text), "true"};
  return {Kebab(text.substr(0, equals)), text.substr(equals + 1)};
}

Status RefuseSecret(const std::string& key, const std::string& value) {
  // A secret key that is spelled wrong is as visible.
  const bool secret = IsSecretOptionValue(key, value) || (!IsKnownOption(key) && IsSecretOption(NearestKey(key)));
  if (!secret || IsOwnKey(Kebab(key))) return Status::OK();
  return Status::InvalidArgument(
      "the option '" + key +
      "' is secret and must not stand on a command line; put it into the environment or into a file given by " +
      "--options-file (mode 0600, lines 'key = value')");
}

Status RefuseSecretUri(const std::string& uri) {
  const size_t scheme = uri.find("://");
  if (scheme == std::string::npos) return Status::OK();
  const size_t end = uri.find_first_of("/?#", scheme + 3);
  const std::string authority = uri.substr(scheme + 3, end == std::string::npos ? end : end - scheme - 3);
  const size_t at = authority.rfind('@');
  const size_t query = uri.find('?', scheme);
  const std::string text = query == std::string::npos ? "" : AsciiLower(uri.substr(query));
  const bool password = at != std::string::npos && authority.rfind(':', at) != std::string::npos;
  if (!password && text.find("sig=") == std::string::npos && text.find("token=") == std::string::npos &&
      text.find("signature=") == std::string::npos && text.find("secret") == std::string::npos) {
    return Status::OK();
  }
  return Status::InvalidArgument(
      "the URI carries a password or a signature, which every local user could read; give the plain URI and put the secret into "
      "the environment or into a file given by --options-file (aws_secret_access_key, azure_storage_sas_key, ...)");
}

Result<OptionsFile> ReadOptionsFile(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY);
  if (fd < 0) return Status::NotFound("the options file " + path + " cannot be read: " + std::strerror(errno));
  SecretFile source(fd);
  LANCEFS_RETURN_NOT_OK(CheckOptionsFile(path, fd));
  LANCEFS_RETURN_NOT_OK(source.Read(path));
  OptionsFile file;
  const std::string& text = source.text();
  int number = 1;
  for (size_t at = 0; at < text.size(); ++number) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string line = Trimmed(text.substr(at, end - at));
    at = end + 1;
    if (line.empty() || line[0] == '#') continue;
    Status status = ParseOptionsLine(line, &file);
    if (!status.ok()) return status.WithContext(path + ", line " + std::to_string(number));
  }
  return file;
}

// ---- Merging --------------------------------------------------------------------------------------

StorageOptions ParsedOptions::StorageFor(const std::string& uri) const { return StorageForBase(uri, uri, std::nullopt); }

StorageOptions ParsedOptions::StorageForBase(const std::string& uri, const std::string& base_uri,
                                             std::optional<uint32_t> base_id) const {
  const std::string place = PlaceOf(base_uri);
  const std::string table = TableOf(PlaceOf(uri));
  std::vector<const OptionSection*> sections;
  for (const OptionSection& section : file_.sections) {
    if (section.table.empty() ? LiesBelow(place, section.uri) : section.table == table) sections.push_back(&section);
  }
  // The longer URI is the more special one, a table's name more so.
  std::stable_sort(sections.begin(), sections.end(), [](const OptionSection* a, const OptionSection* b) {
    return std::pair(!a->table.empty(), a->uri.size()) < std::pair(!b->table.empty(), b->uri.size());
  });
  StorageOptions options = file_.common;
  for (const OptionSection* section : sections) options = OverlaidOptions(std::move(options), section->options);
  options = OverlaidOptions(std::move(options), command_line_);
  return base_id ? OptionsOfBase(options, *base_id) : options;
}

std::vector<std::string> ParsedOptions::Tables() const {
  std::set<std::string> names;
  for (const OptionSection& section : file_.sections) {
    if (!section.table.empty()) names.insert(section.table);
  }
  return {names.begin(), names.end()};
}

class OptionMerger {
 public:
  Result<ParsedOptions> Merge(const std::vector<std::string>& command_line, const std::vector<std::string>& storage_options,
                              std::string options_file) {
    TakeEnvironment();
    LANCEFS_RETURN_NOT_OK(TakeCommandLine(command_line));
    for (const std::string& item : storage_options) {
      const size_t equals = item.find('=');
      if (equals == std::string::npos)
        return Status::InvalidArgument("--storage-option wants key=value and has no '=': '" + item + "'");
      LANCEFS_RETURN_NOT_OK(RefuseSecret(item.substr(0, equals), item.substr(equals + 1)));
      out_.command_line_[NormalOptionKey(item.substr(0, equals))] = item.substr(equals + 1);
    }
    if (options_file.empty() && typed_.contains("options-file")) options_file = typed_["options-file"];
    if (options_file.empty() && out_.own_.contains("options-file")) options_file = out_.own_["options-file"];
    if (!options_file.empty()) LANCEFS_RETURN_NOT_OK(TakeFile(options_file));
    for (auto& [key, value] : typed_) out_.own_[key] = value;  // beats the file
    FindUnknown();
    return std::move(out_);
  }

 private:
  void TakeEnvironment() {
    for (const std::string& key : OwnOptionKeys()) {
      std::string variable = "LANCEFS_" + AsciiUpper(key);
      std::replace(variable.begin(), variable.end(), '-', '_');
      if (const char* value = std::getenv(variable.c_str())) out_.own_[key] = value;
    }
  }

  Status TakeCommandLine(const std::vector<std::string>& items) {
    for (const std::string& item : items) {
      const auto [key, value] = SplitOption(item);
      LANCEFS_RETURN_NOT_OK(RefuseSecret(key, value));
      if (IsOwnKey(key)) {
        typed_[key] = value;
      } else {
        out_.command_line_[NormalOptionKey(item.substr(0, item.find('=')))] = value;
      }
    }
    return Status::OK();
  }

  Status TakeFile(const std::string& path) {
    LANCEFS_ASSIGN_OR_RETURN(out_.file_, ReadOptionsFile(path));
    std::erase_if(out_.file_.common, [this](const auto& entry) {
      if (!IsOwnKey(Kebab(entry.first))) return false;
      out_.own_[Kebab(entry.first)] = entry.second;
      return true;
    });
    return Status::OK();
  }

  void FindUnknown() {
    std::set<std::string> keys;
    auto look = [&keys](const StorageOptions& options) {
      for (const auto& [key, value] : options) {
        if (!IsKnownOption(key)) keys.insert(key);
      }
    };
    look(out_.file_.common);
    for (const OptionSection& section : out_.file_.sections) look(section.options);
    look(out_.command_line_);
    for (const std::string& key : keys) out_.unknown_.emplace_back(key, NearestKey(key));
  }

  ParsedOptions out_;
  std::map<std::string, std::string> typed_;  // our own keys on the command line
};

Result<ParsedOptions> MergeOptions(const std::vector<std::string>& command_line, const std::vector<std::string>& storage_options,
                                   const std::string& options_file) {
  return OptionMerger().Merge(command_line, storage_options, options_file);
}

namespace {

// Whether `key` was not said yet to that listener.
bool IsNews(const std::string& key, bool log) {
  static std::mutex mutex;
  static auto* said = new std::set<std::pair<std::string, bool>>;
  std::lock_guard lock(mutex);
  return said->insert({key, log}).second;
}

}  // namespace

void PrintUnknownOptions(const ParsedOptions& options) {
  for (const auto& [key, nearest] : options.unknown()) {
    if (!IsNews(key, false)) continue;
    const std::string hint = nearest.empty() ? "" : "; did you mean '" + nearest + "'?";
    std::fprintf(stderr, "lancefs: warning: the option '%s' is not known and has no effect%s\n", key.c_str(), hint.c_str());
  }
}

void LogUnknownOptions(const ParsedOptions& options) {
  for (const auto& [key, nearest] : options.unknown()) {
    if (IsNews(key, true)) Log(LogLevel::kWarn, "unknown_option", {{"option", key}, {"nearest", nearest}});
  }
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
  const std::string lower = AsciiLower(text);
  if (lower == "true" || lower == "1" || lower == "yes" || lower == "on") return true;
  if (lower == "false" || lower == "0" || lower == "no" || lower == "off") return false;
  return Status::InvalidArgument("'" + text + "' is neither true nor false");
}

}  // namespace lancefs
