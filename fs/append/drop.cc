// SPDX-License-Identifier: Apache-2.0
#include "fs/append/drop.h"

#include <algorithm>
#include <iterator>

namespace lancefs {

size_t Drop::writers() const {
  return static_cast<size_t>(
      std::count_if(handles.begin(), handles.end(), [](const auto& entry) { return entry.second.writable; }));
}

std::unique_lock<std::mutex> Drop::LockIdle() {
  std::unique_lock lock(mutex);
  idle.wait(lock, [this] { return !committing; });
  return lock;
}

void Drop::NoteWrite(uint64_t offset, uint64_t length, uint64_t old_size) {
  if (length == 0) return;
  const uint64_t end = offset + length;
  uint64_t fresh = end > std::max(offset, old_size) ? end - std::max(offset, old_size) : 0;  // bytes that nobody wrote before
  if (offset > old_size) holes[old_size] = offset;
  auto hole = holes.lower_bound(offset);
  if (hole != holes.begin() && std::prev(hole)->second > offset) --hole;
  while (hole != holes.end() && hole->first < end) {
    const auto [begin, hole_end] = *hole;
    fresh += std::min(end, hole_end) - std::max(offset, begin);
    hole = holes.erase(hole);
    if (begin < offset) holes[begin] = offset;
    if (hole_end > end) holes[end] = hole_end;
  }
  if (fresh < length) overwritten = true;
}

void Drop::NoteResize(uint64_t new_size) {
  if (new_size > size()) {
    holes[size()] = new_size;
    return;
  }
  holes.erase(holes.lower_bound(new_size), holes.end());
  if (!holes.empty() && holes.rbegin()->second > new_size) holes.rbegin()->second = new_size;
}

Status Drop::StartOver(bool append) {
  refused = Status::OK();
  killed = false;
  flush_owners.clear();
  if (!append || file == nullptr || !only_appended) return Status::OK();
  if (size() > committed_size) {
    NoteResize(committed_size);
    LANCEFS_RETURN_NOT_OK(file->Truncate(committed_size));
  }
  dirty = false;
  return Status::OK();
}

void Drop::Reset() {
  dirty = false;
  holes.clear();
  killed = false;
  overwritten = false;
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
  const bool closed_alone =
      std::all_of(flush_owners.begin(), flush_owners.end(), [&](uint64_t other) { return other == *owner; });
  return wrote_all && closed_alone;
}

bool Drop::IsWriter(std::optional<uint64_t> owner) const {
  return std::any_of(handles.begin(), handles.end(), [&](const auto& entry) {
    return entry.second.unknown_owner || (owner && entry.second.owners.contains(*owner));
  });
}

}  // namespace lancefs
