// SPDX-License-Identifier: Apache-2.0
#include "backends/auth/aws_profile.h"

#include <algorithm>
#include <vector>

#include "base/ascii.h"

namespace lancefs {
namespace {

bool IsSpace(char c) { return c == ' ' || c == '\t'; }

// Without a comment: after white space in a property, anywhere behind a section.
std::string_view WithoutComment(std::string_view line, bool needs_space) {
  for (size_t i = 0; i < line.size(); ++i) {
    if ((line[i] == '#' || line[i] == ';') && (!needs_space || (i > 0 && IsSpace(line[i - 1]))))
      return TrimSpace(line.substr(0, i));
  }
  return TrimSpace(line);
}

class FileParser {
 public:
  FileParser(AwsFileKind kind, const std::string& path, AwsProfiles* out) : kind_(kind), path_(path), out_(out) {}

  Status Parse(std::string_view text) {
    // Where both [default] and [profile default] are given, the latter counts alone.
    prefixed_default_ = kind_ == AwsFileKind::kConfig && HasPrefixedDefault(text);
    while (!text.empty()) {
      const size_t end = text.find('\n');
      std::string_view line = text.substr(0, end);
      text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
      ++line_;
      const std::string_view trimmed = TrimSpace(line);
      if (trimmed.empty() || trimmed[0] == '#' || trimmed[0] == ';') continue;
      if (line[0] == '[') {
        LANCEFS_RETURN_NOT_OK(Section(line));
      } else if (IsSpace(line[0])) {
        LANCEFS_RETURN_NOT_OK(Continuation(trimmed));
      } else {
        LANCEFS_RETURN_NOT_OK(Property(line));
      }
    }
    return Status::OK();
  }

 private:
  Status Bad(const std::string& what) const {
    return Status::InvalidArgument(path_ + ", line " + std::to_string(line_) + ": " + what);
  }

  static bool HasPrefixedDefault(std::string_view text) {
    while (!text.empty()) {
      const size_t end = text.find('\n');
      const std::string_view line = text.substr(0, end);
      text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
      const auto [prefix, name] = Split(line);
      if (prefix == "profile" && name == "default") return true;
    }
    return false;
  }

  // "[profile x]" -> {"profile", "x"}; "[x]" -> {"", "x"}; {"", ""} for no section.
  static std::pair<std::string, std::string> Split(std::string_view line) {
    line = WithoutComment(line, false);
    if (line.size() < 2 || line.front() != '[' || line.back() != ']') return {};
    line = TrimSpace(line.substr(1, line.size() - 2));
    const size_t space = line.find_first_of(" \t");
    if (space == std::string_view::npos) return {"", std::string(line)};
    return {std::string(line.substr(0, space)), std::string(TrimSpace(line.substr(space)))};
  }

  Status Section(std::string_view line) {
    const auto [prefix, name] = Split(line);
    if (name.empty()) return Bad("a section must look like [name]");
    in_section_ = true;
    target_ = nullptr;
    services_ = nullptr;
    value_ = nullptr;
    const bool config = kind_ == AwsFileKind::kConfig;
    if (prefix.empty() && (!config || name == "default")) {
      if (!(config && prefixed_default_)) target_ = &out_->profiles[name];
    } else if (config && prefix == "profile") {
      target_ = &out_->profiles[name];
    } else if (config && prefix == "sso-session") {
      target_ = &out_->sso_sessions[name];
    } else if (config && prefix == "services") {
      services_ = &out_->services[name];
    }
    return Status::OK();  // any other section is none of ours
  }

  static bool SplitProperty(std::string_view line, std::string* name, std::string* value) {
    const size_t equals = line.find('=');
    if (equals == std::string_view::npos) return false;
    *name = AsciiLower(TrimSpace(line.substr(0, equals)));
    *value = std::string(TrimSpace(line.substr(equals + 1)));
    return !name->empty();
  }

  Status Property(std::string_view line) {
    if (!in_section_) return Bad("a property before the first section");
    std::string name;
    std::string value;
    if (!SplitProperty(WithoutComment(line, true), &name, &value)) return Bad("a property must look like name = value");
    nested_ = value.empty();
    value_ = nullptr;
    group_ = nullptr;
    if (services_ != nullptr) {
      group_ = &(*services_)[name];
    } else if (target_ != nullptr) {
      value_ = &(*target_)[name];
      *value_ = std::move(value);
    }
    return Status::OK();
  }

  Status Continuation(std::string_view line) {
    if (!in_section_) return Bad("a property before the first section");
    std::string name;
    std::string value;
    if (nested_ && !SplitProperty(line, &name, &value)) return Bad("a nested property must look like name = value");
    if (group_ != nullptr) {
      if (nested_) (*group_)[name] = value;
    } else if (value_ != nullptr) {
      *value_ += "\n" + std::string(line);
    }
    return Status::OK();
  }

  const AwsFileKind kind_;
  const std::string& path_;
  AwsProfiles* const out_;
  int line_ = 0;
  bool prefixed_default_ = false;
  bool in_section_ = false;
  bool nested_ = false;
  AwsProperties* target_ = nullptr;
  std::map<std::string, AwsProperties>* services_ = nullptr;
  AwsProperties* group_ = nullptr;
  std::string* value_ = nullptr;
};

}  // namespace

std::string AwsProfiles::Get(const std::string& profile, const std::string& property) const {
  const auto found = profiles.find(profile);
  if (found == profiles.end()) return "";
  const auto value = found->second.find(property);
  return value == found->second.end() ? "" : value->second;
}

Status ParseAwsFile(std::string_view text, AwsFileKind kind, const std::string& path, AwsProfiles* out) {
  return FileParser(kind, path, out).Parse(text);
}

Result<AwsProfiles> LoadAwsProfiles(const AwsContext& context) {
  AwsProfiles out;
  const std::pair<AwsFileKind, std::pair<const char*, const char*>> files[] = {
      {AwsFileKind::kConfig, {"AWS_CONFIG_FILE", "~/.aws/config"}},
      {AwsFileKind::kCredentials, {"AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"}}};
  for (const auto& [kind, names] : files) {
    std::string path = context.Variable(names.first);
    if (path.empty()) {
      if (context.Variable("HOME").empty()) continue;
      path = names.second;
    }
    path = context.ExpandHome(path);
    const Result<std::string> text = ReadSmallFile(path, 4 << 20);
    if (text.status().Is(StatusCode::kNotFound)) continue;
    if (!text.ok()) return text.status();
    LANCEFS_RETURN_NOT_OK(ParseAwsFile(*text, kind, path, &out));
  }
  return out;
}

std::string SelectedAwsProfile(const AwsContext& context) {
  const std::string name = context.Variable("AWS_PROFILE");
  return name.empty() ? "default" : name;
}

std::string ConfiguredEndpoint(const AwsContext& context, const AwsProfiles& profiles, const std::string& service) {
  std::string url = context.Variable("AWS_ENDPOINT_URL_" + AsciiUpper(service));
  if (url.empty()) url = context.Variable("AWS_ENDPOINT_URL");
  const std::string profile = SelectedAwsProfile(context);
  std::string dashed = service;  // the SDKs disagree on "sso_oidc"
  std::replace(dashed.begin(), dashed.end(), '_', '-');
  if (const auto found = profiles.services.find(profiles.Get(profile, "services")); found != profiles.services.end()) {
    for (const std::string& name : {service, dashed}) {
      const auto group = found->second.find(name);
      if (url.empty() && group != found->second.end() && group->second.contains("endpoint_url")) {
        url = group->second.at("endpoint_url");
      }
    }
  }
  if (url.empty()) url = profiles.Get(profile, "endpoint_url");
  while (url.ends_with('/')) url.pop_back();
  return url;
}

std::string StsRegion(const AwsContext& context, const AwsProfiles& profiles) {
  for (std::string region : {context.region(), context.Variable("AWS_REGION"), context.Variable("AWS_DEFAULT_REGION"),
                             profiles.Get(SelectedAwsProfile(context), "region")}) {
    if (IsRegionName(region)) return region;
  }
  return "us-east-1";
}

}  // namespace lancefs
