// SPDX-License-Identifier: Apache-2.0
//
// The version hint: where listings come in no order, writers leave the number of the newest version in
// _versions/latest_version_hint.json, so that readers need not list. It may be old or missing; it is never believed
// without a look at the manifests themselves.
//
// Thread safety: pure functions.
#pragma once

#include <optional>
#include <string>

#include "backends/object_store.h"
#include "engine/format/manifest.h"

namespace lancefs {

inline constexpr char kVersionHintFile[] = "latest_version_hint.json";

// LANCE_USE_VERSION_HINT=0: all writers of a place agree not to keep a hint.
bool VersionHintsAreOff();

struct HintedVersion {
  uint64_t version = 0;
  ManifestNaming naming = ManifestNaming::kV2;
};
// The newest version of the directory `versions` ("a/b/_versions/"), looked for from the hint upwards, or nothing when it must be
// listed: no hint, a hint that leads nowhere or is far too old, an error.
std::optional<HintedVersion> FindVersionByHint(ObjectStore& store, const std::string& versions, const OpContext& ctx);

}  // namespace lancefs
