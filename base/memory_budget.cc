// SPDX-License-Identifier: Apache-2.0
#include "base/memory_budget.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <string_view>

namespace lancefs {
namespace {

constexpr uint64_t kMostByDefault = uint64_t{1} << 30;

// The number in a file of the cgroup file system; UINT64_MAX for "max", what is no number, and v1's "no limit".
uint64_t LimitIn(const std::string& path) {
  std::ifstream file(path);
  uint64_t bytes = 0;
  if (!(file >> bytes)) return UINT64_MAX;
  constexpr uint64_t kUnlimited = uint64_t{1} << 60;
  return bytes >= kUnlimited ? UINT64_MAX : bytes;
}

// The lowest limit of a group and those around it.
uint64_t LimitOf(const std::string& mount, std::string group, const std::string& file) {
  uint64_t limit = UINT64_MAX;
  while (true) {
    limit = std::min(limit, LimitIn(mount + group + "/" + file));
    const size_t slash = group.rfind('/');
    if (slash == std::string::npos || group.size() <= 1) break;
    group.resize(slash);
  }
  return std::min(limit, LimitIn(mount + "/" + file));
}

}  // namespace

uint64_t CgroupMemoryLimit(const std::string& root) {
  std::ifstream groups(root + "/proc/self/cgroup");
  uint64_t limit = UINT64_MAX;
  // "<id>:<controllers>:<path>"; id 0 and no controllers is v2.
  for (std::string line; std::getline(groups, line);) {
    const size_t first = line.find(':');
    const size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const std::string path = line.substr(second + 1);
    if (controllers == ",,") {
      limit = std::min(limit, LimitOf(root + "/sys/fs/cgroup", path, "memory.max"));
      limit = std::min(limit, LimitOf(root + "/sys/fs/cgroup/unified", path, "memory.max"));
    } else if (controllers.find(",memory,") != std::string::npos) {
      limit = std::min(limit, LimitOf(root + "/sys/fs/cgroup/memory", path, "memory.limit_in_bytes"));
    }
  }
  return limit;
}

uint64_t MemoryBudget::DefaultLimit() {
  const long pages = ::sysconf(_SC_PHYS_PAGES);
  const long page = ::sysconf(_SC_PAGESIZE);
  uint64_t machine = pages > 0 && page > 0 ? static_cast<uint64_t>(pages) * static_cast<uint64_t>(page) : 4 * kMostByDefault;
  machine = std::min(machine, CgroupMemoryLimit());
  return std::min(kMostByDefault, machine / 4);
}

MemoryBudget& MemoryBudget::Global() {
  static auto* budget = new MemoryBudget(DefaultLimit());  // accounts may be used while the process ends
  return *budget;
}

uint64_t MemoryBudget::Share(uint64_t part, uint64_t least, uint64_t most) const {
  return std::max(least, std::min(most, limit() / part));
}

void MemoryBudget::Account::Add(uint64_t bytes) {
  used_.fetch_add(bytes, std::memory_order_relaxed);
  budget_->used_.fetch_add(bytes, std::memory_order_relaxed);
}

void MemoryBudget::Account::Sub(uint64_t bytes) {
  used_.fetch_sub(bytes, std::memory_order_relaxed);
  budget_->used_.fetch_sub(bytes, std::memory_order_relaxed);
}

MemoryBudget::Account* MemoryBudget::MakeAccount(std::string name, std::function<void(uint64_t)> shrink) {
  std::unique_ptr<Account> account(new Account(this, std::move(name)));
  account->shrink_ = std::move(shrink);
  std::lock_guard lock(mutex_);
  accounts_.push_back(std::move(account));
  return accounts_.back().get();
}

void MemoryBudget::Balance() {
  if (used() <= limit()) return;
  std::vector<Account*> caches;
  {
    std::lock_guard lock(mutex_);
    for (const auto& account : accounts_) {
      if (account->shrink_) caches.push_back(account.get());
    }
  }
  std::sort(caches.begin(), caches.end(), [](const Account* a, const Account* b) { return a->used() > b->used(); });
  for (Account* cache : caches) {
    const uint64_t now = used();
    const uint64_t most = limit();
    if (now <= most) return;
    cache->shrink_(std::min(now - most, cache->used()));
  }
}

std::vector<MemoryBudget::Use> MemoryBudget::Uses() const {
  std::lock_guard lock(mutex_);
  std::vector<Use> uses;
  for (const auto& account : accounts_) uses.push_back({account->name(), account->used()});
  return uses;
}

}  // namespace lancefs
