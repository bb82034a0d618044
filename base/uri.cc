// SPDX-License-Identifier: Apache-2.0
#include "base/uri.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <filesystem>

#include "base/ascii.h"

namespace lancefs {
namespace {

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

Result<Uri> LocalUri(std::string path) {
  if (path.empty()) return Status::InvalidArgument("the path is empty");
  if (path == "~" || path.starts_with("~/")) {
    const char* home = std::getenv("HOME");
    if (home != nullptr) path = std::string(home) + path.substr(1);
  }
  std::error_code error;
  std::filesystem::path absolute = std::filesystem::absolute(path, error);
  if (error) return Status::InvalidArgument("cannot resolve the path '" + path + "': " + error.message());
  std::string text = absolute.lexically_normal().string();
  while (text.size() > 1 && text.back() == '/') text.pop_back();
  return Uri{"file", "", std::move(text), ""};
}

}  // namespace

std::string Uri::ToString() const {
  if (scheme == "file") return path;
  return scheme + "://" + authority + "/" + PercentEncode(path, "/=+@,:!$&'()*;") + (query.empty() ? "" : "?" + query);
}

size_t QueryStart(std::string_view uri) {
  const size_t scheme = uri.find("://");
  return scheme == std::string_view::npos || uri.starts_with('/') ? uri.size() : std::min(uri.find('?'), uri.size());
}

std::string ChildUri(std::string_view uri, std::string_view name) {
  const size_t end = QueryStart(uri);
  std::string out(uri.substr(0, end));
  if (!out.ends_with('/')) out += '/';
  return out.append(name).append(uri.substr(end));
}

Result<std::string> PercentDecode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? HexValue(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? HexValue(text[i + 2]) : -1;
    if (high < 0 || low < 0) {
      return Status::InvalidArgument("malformed percent escape at byte " + std::to_string(i) + " of '" + std::string(text) + "'");
    }
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

std::string PercentEncode(std::string_view text, std::string_view keep) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = byte < 0x80 && (std::isalnum(byte) || c == '-' || c == '_' || c == '.' || c == '~');
    if (plain || keep.find(c) != std::string_view::npos) {
      out += c;
    } else {
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
  return out;
}

Result<Uri> ParseUri(std::string_view text) {
  const size_t colon = text.find("://");
  const bool has_scheme = colon != std::string_view::npos && colon > 0 &&
                          std::all_of(text.begin(), text.begin() + static_cast<ptrdiff_t>(colon),
                                      [](unsigned char c) { return std::isalnum(c) || c == '+' || c == '-' || c == '.'; });
  if (!has_scheme) return LocalUri(std::string(text));
  Uri uri;
  uri.scheme = AsciiLower(text.substr(0, colon));
  std::string_view rest = text.substr(colon + 3);
  if (uri.scheme == "file" || uri.scheme == "file-object-store") {
    const size_t slash = rest.find('/');
    if (slash == std::string_view::npos)
      return Status::InvalidArgument("a file URI needs an absolute path: '" + std::string(text) + "'");
    LANCEFS_ASSIGN_OR_RETURN(std::string path, PercentDecode(rest.substr(slash)));
    return LocalUri(std::move(path));
  }
  static constexpr std::array<std::string_view, 6> kCloud = {"s3", "s3+ddb", "gs", "az", "abfss", "memory"};
  if (std::find(kCloud.begin(), kCloud.end(), uri.scheme) == kCloud.end()) {
    return Status::InvalidArgument("unknown scheme '" + uri.scheme +
                                   "'; valid ones are s3, gs, az, abfss, file, memory and plain paths");
  }
  const size_t query = rest.find('?');
  if (query != std::string_view::npos) {
    uri.query = std::string(rest.substr(query + 1));
    rest = rest.substr(0, query);
  }
  const size_t slash = rest.find('/');
  uri.authority = std::string(rest.substr(0, slash));
  if (uri.authority.empty() && uri.scheme != "memory") return Status::InvalidArgument("no bucket in '" + std::string(text) + "'");
  std::string_view key = slash == std::string_view::npos ? std::string_view() : rest.substr(slash + 1);
  while (!key.empty() && key.back() == '/') key.remove_suffix(1);
  LANCEFS_ASSIGN_OR_RETURN(uri.path, PercentDecode(key));
  if (uri.path.find("//") != std::string::npos || uri.path.starts_with('/')) {
    return Status::InvalidArgument("empty path segment in '" + std::string(text) + "'");
  }
  return uri;
}

}  // namespace lancefs
