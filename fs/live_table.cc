// SPDX-License-Identifier: Apache-2.0
#include "fs/live_table.h"

namespace lancefs {

using DatasetPtr = std::shared_ptr<const Dataset>;

LiveTable::LiveTable(Options options) : options_(std::move(options)) {
  cached_ = std::make_shared<Refreshed<DatasetPtr>>(
      [state = state_, options = options_](const OpContext& ctx) { return Look(*state, options, ctx); });
}

Result<DatasetPtr> LiveTable::Look(State& state, const Options& options, const OpContext& ctx) {
  DatasetPtr basis;
  {
    std::lock_guard lock(state.mutex);
    basis = state.newest;
  }
  OpenOptions open;
  open.resolve_base = options.resolve_base;
  open.branch = options.branch;
  Result<DatasetPtr> found = basis ? basis->Latest(ctx) : Dataset::Open(options.store, options.path, open, ctx);
  if (!found.ok()) {
    if (!basis && options.may_be_absent && found.status().Is(StatusCode::kNotFound)) return DatasetPtr();
    return found.status();
  }
  std::lock_guard lock(state.mutex);
  if (!state.newest || (*found)->version() >= state.newest->version()) state.newest = *found;
  return state.newest;
}

Result<DatasetPtr> LiveTable::Current(const OpContext& ctx, bool may_wait) {
  return cached_->Get(options_.refresh, ctx, may_wait);
}

Result<DatasetPtr> LiveTable::Refresh(const OpContext& ctx) { return cached_->Reload(ctx); }

void LiveTable::Committed(DatasetPtr dataset) {
  std::lock_guard lock(state_->mutex);
  if (state_->newest && state_->newest->version() > dataset->version()) return;
  state_->newest = dataset;
  cached_->Set(std::move(dataset));
}

}  // namespace lancefs
