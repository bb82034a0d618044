// SPDX-License-Identifier: Apache-2.0
#include "engine/table/version_hint.h"

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/ascii.h"

namespace lancefs {
namespace {

constexpr int kMaxProbes = 64;  // beyond, a listing costs less

std::optional<uint64_t> ReadHint(ObjectStore& store, const std::string& path, const OpContext& ctx) {
  const Result<Bytes> bytes = store.ReadAll(path, ctx);
  if (!bytes.ok()) return std::nullopt;
  const nlohmann::json json = nlohmann::json::parse(bytes->view(), nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return std::nullopt;
  const auto version = json.find("version");
  if (version == json.end() || !version->is_number_unsigned()) return std::nullopt;
  return version->get<uint64_t>();
}

}  // namespace

bool VersionHintsAreOff() {
  const char* value = std::getenv("LANCE_USE_VERSION_HINT");
  if (value == nullptr) return false;
  const std::string text = AsciiLower(value);
  return text == "0" || text == "false" || text == "off";
}

std::optional<HintedVersion> FindVersionByHint(ObjectStore& store, const std::string& versions, const OpContext& ctx) {
  const std::optional<uint64_t> hint = ReadHint(store, versions + kVersionHintFile, ctx);
  if (!hint || *hint == 0) return std::nullopt;
  // True: it exists; false: it does not; nothing: who knows.
  auto exists = [&](uint64_t version, ManifestNaming naming) -> std::optional<bool> {
    const auto meta = store.Head(versions + ManifestName(version, naming), ctx);
    return meta.ok() ? std::optional<bool>(meta->has_value()) : std::nullopt;
  };
  std::optional<HintedVersion> found;
  for (const ManifestNaming naming : {ManifestNaming::kV2, ManifestNaming::kV1}) {
    if (!found && exists(*hint, naming) == true) found = HintedVersion{*hint, naming};
  }
  // Every commit adds one, and only old versions are cleaned up: the first gap is the end.
  for (int probe = 0; found && probe < kMaxProbes; ++probe) {
    const std::optional<bool> next = exists(found->version + 1, found->naming);
    if (!next) return std::nullopt;
    if (!*next) return found;
    ++found->version;
  }
  return std::nullopt;
}

}  // namespace lancefs
