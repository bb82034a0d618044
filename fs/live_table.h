// SPDX-License-Identifier: Apache-2.0
//
// LiveTable: the newest version of one table, as the live tree shows it and as append commits to it.
//
// The newest version is looked for at most every `refresh` (one cheap request); between two looks
// everybody gets the same Dataset object. Our own commits arrive through Committed(), so a writer
// finds its rows at once. Only one look runs at a time: callers that arrive meanwhile wait for it
// up to a deadline and are then served with what was known before; an error of the look reaches
// callers only when nothing was known before.
//
// Thread safety: all calls, from any thread.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "backends/object_store.h"
#include "engine/table/dataset.h"
#include "fs/refreshed.h"

namespace lancefs {

class LiveTable {
 public:
  // A table that may not exist yet (a fresh directory in a database root): Current() is then null.
  struct Options {
    std::shared_ptr<ObjectStore> store;
    std::string path;  // of the dataset in the store; "" = the store's root
    std::string uri;   // for people; no secrets
    std::string name;  // of the table in a database root; empty when the mount is one dataset
    std::chrono::milliseconds refresh{1000};
    bool may_be_absent = false;
    decltype(OpenOptions::resolve_base) resolve_base;
    std::string branch;  // empty = main
  };
  explicit LiveTable(Options options);

  const Options& options() const { return options_; }
  const std::string& uri() const { return options_.uri; }

  // The newest version known, null only for a table that was not created yet. Never waits when
  // `may_wait` is false: kUnavailable then means "ask again where waiting is allowed".
  Result<std::shared_ptr<const Dataset>> Current(const OpContext& ctx, bool may_wait = true);
  // Looks now, whatever the age. For commits and `control/refresh`.
  Result<std::shared_ptr<const Dataset>> Refresh(const OpContext& ctx);
  // Whether no version was seen yet. From memory.
  bool IsUnborn() const {
    std::lock_guard lock(state_->mutex);
    return state_->newest == nullptr;
  }
  // A commit of ours made this version: newer than what is known, it becomes current at once.
  void Committed(std::shared_ptr<const Dataset> dataset);

 private:
  // What a look needs; a look that is under way outlives the table.
  struct State {
    std::mutex mutex;
    std::shared_ptr<const Dataset> newest;  // guarded by mutex; basis of the next look
  };
  static Result<std::shared_ptr<const Dataset>> Look(State& state, const Options& options, const OpContext& ctx);

  const Options options_;
  const std::shared_ptr<State> state_ = std::make_shared<State>();
  std::shared_ptr<Refreshed<std::shared_ptr<const Dataset>>> cached_;
};

}  // namespace lancefs
