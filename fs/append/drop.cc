// SPDX-License-Identifier: Apache-2.0
#include "fs/append/drop.h"

#include <algorithm>

namespace lancefs {

size_t Drop::writers() const {
  return static_cast<size_t>(std::count_if(handles.begin(), handles.end(), [](const auto& entry) { return entry.second.writable; }));
}

void Drop::Reset() {
  dirty = false;
  has_hole = false;
  killed = false;
  only_appended = true;
  committed_size = 0;
  refused = Status::OK();
  transaction_uuid.clear();
  flush_owners.clear();
  for (auto& [id, handle] : handles) {
    handle.owners.clear();
    handle.unknown_owner = false;
  }
}

bool Drop::IsOnlyOwner(const DropHandle& handle, std::optional<uint64_t> owner) const {
  if (!owner || writers() != 1 || handle.unknown_owner) return false;
  const bool wrote_all = std::all_of(handle.owners.begin(), handle.owners.end(), [&](uint64_t other) { return other == *owner; });
  const bool closed_alone = std::all_of(flush_owners.begin(), flush_owners.end(), [&](uint64_t other) { return other == *owner; });
  return wrote_all && closed_alone;
}

bool Drop::IsWriter(std::optional<uint64_t> owner) const {
  return std::any_of(handles.begin(), handles.end(), [&](const auto& entry) {
    return entry.second.unknown_owner || (owner && entry.second.owners.contains(*owner));
  });
}

}  // namespace lancefs
