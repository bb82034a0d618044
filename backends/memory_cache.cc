// SPDX-License-Identifier: Apache-2.0
#include "backends/memory_cache.h"

#include <algorithm>

namespace lancefs {
namespace {

constexpr uint64_t kPartOfBudget = 4;

}  // namespace

MemoryCache& MemoryCache::Global() {
  static auto* cache = new MemoryCache(&MemoryBudget::Global());  // may be used while the process ends
  return *cache;
}

MemoryCache::MemoryCache(MemoryBudget* budget)
    : budget_(budget),
      account_(budget->MakeAccount("read_cache", [this](uint64_t bytes) { Shrink(bytes); })),
      hits_(Metrics::Global().counter("lancefs_memory_cache_hits_total")),
      hit_bytes_(Metrics::Global().counter("lancefs_memory_cache_hit_bytes_total")) {}

// The list's and the map's nodes are no less than half of what a small entry takes.
uint64_t MemoryCache::Weight(const Entry& entry) { return entry.bytes.size() + entry.key.size() + 256; }

void MemoryCache::Erase(Recent::iterator entry) {
  const auto object = objects_.find(entry->key);
  object->second.entries.erase(entry->offset);
  if (object->second.entries.empty()) objects_.erase(object);
  account_->Sub(Weight(*entry));
  recent_.erase(entry);
}

void MemoryCache::Shrink(uint64_t bytes) {
  std::lock_guard lock(mutex_);
  const uint64_t wanted = account_->used() - std::min(account_->used(), bytes);
  while (!recent_.empty() && account_->used() > wanted) Erase(std::prev(recent_.end()));
}

std::optional<Bytes> MemoryCache::Read(const std::string& key, const ByteRange& range) {
  std::lock_guard lock(mutex_);
  const auto object = objects_.find(key);
  if (object == objects_.end()) return std::nullopt;
  auto entry = object->second.entries.upper_bound(range.offset);
  if (entry == object->second.entries.begin()) return std::nullopt;
  const Recent::iterator found = std::prev(entry)->second;
  if (found->offset + found->bytes.size() < range.end()) return std::nullopt;
  recent_.splice(recent_.begin(), recent_, found);
  hits_.fetch_add(1);
  hit_bytes_.fetch_add(range.length);
  return found->bytes.Slice(range.offset - found->offset, range.length);
}

std::optional<uint64_t> MemoryCache::ObjectSize(const std::string& key) {
  std::lock_guard lock(mutex_);
  const auto object = objects_.find(key);
  if (object == objects_.end() || object->second.size == 0) return std::nullopt;
  return object->second.size;
}

void MemoryCache::Write(const std::string& key, uint64_t offset, const Bytes& bytes, uint64_t object_size) {
  if (bytes.empty() || bytes.size() > kLongest) return;
  {
    std::lock_guard lock(mutex_);
    Object& object = objects_[key];
    if (object_size != 0) object.size = object_size;
    const auto same = object.entries.find(offset);
    if (same != object.entries.end()) {
      if (same->second->bytes.size() >= bytes.size()) return;
      const Recent::iterator shorter = same->second;
      account_->Sub(Weight(*shorter));
      object.entries.erase(same);
      recent_.erase(shorter);
    }
    recent_.push_front({key, offset, Bytes::Copy(bytes.span())});
    object.entries.emplace(offset, recent_.begin());
    account_->Add(Weight(recent_.front()));
    const uint64_t most = budget_->limit() / kPartOfBudget;
    while (account_->used() > most && recent_.size() > 1) Erase(std::prev(recent_.end()));
  }
  budget_->Balance();
}

void MemoryCache::Forget(const std::string& key) {
  std::lock_guard lock(mutex_);
  const auto object = objects_.find(key);
  if (object == objects_.end()) return;
  for (const auto& [offset, entry] : object->second.entries) {
    account_->Sub(Weight(*entry));
    recent_.erase(entry);
  }
  objects_.erase(object);
}

}  // namespace lancefs
