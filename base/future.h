// SPDX-License-Identifier: Apache-2.0
//
// Future<T> / Promise<T>: the result of an asynchronous operation, with a wait that honours the
// OpContext and with continuations. Unlike std::future, many may look at one result.
//
// Thread safety: all calls, from any thread. A promise that is dropped without a result fails its
// future with kInternal instead of leaving waiters behind.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "base/context.h"
#include "base/status.h"

namespace lancefs {

template <typename T>
class Future {
 public:
  struct State {
    std::mutex mutex;
    std::condition_variable ready;
    std::optional<Result<T>> result;                               // guarded by mutex, then constant
    std::vector<std::function<void(const Result<T>&)>> callbacks;  // guarded by mutex
  };

  Future() = default;
  explicit Future(std::shared_ptr<State> state) : state_(std::move(state)) {}
  static Future Ready(Result<T> result) {
    auto state = std::make_shared<State>();
    state->result.emplace(std::move(result));
    return Future(std::move(state));
  }

  bool valid() const { return state_ != nullptr; }
  bool done() const {
    std::lock_guard lock(state_->mutex);
    return state_->result.has_value();
  }
  // Waits for the result. Cancellation and the deadline end the wait, not the operation.
  Result<T> Get(const OpContext& ctx) const {
    // Completion wakes the wait at once; the slice only bounds how late a cancel is noticed.
    constexpr auto kSlice = std::chrono::milliseconds(20);
    std::unique_lock lock(state_->mutex);
    while (!state_->result) {
      LANCEFS_RETURN_NOT_OK(ctx.Check());
      state_->ready.wait_for(lock, kSlice);
    }
    return *state_->result;
  }
  // Calls `callback` with the result: at once in this thread when done, else in the completing one.
  void OnDone(std::function<void(const Result<T>&)> callback) const {
    {
      std::lock_guard lock(state_->mutex);
      if (!state_->result) {
        state_->callbacks.push_back(std::move(callback));
        return;
      }
    }
    callback(*state_->result);
  }

 private:
  std::shared_ptr<State> state_;
};

template <typename T>
class Promise {
 public:
  Promise() : holder_(std::make_shared<Holder>()) {}
  Future<T> future() const { return Future<T>(holder_->state); }
  // The first result counts, later ones are dropped.
  void Set(Result<T> result) const { holder_->Set(std::move(result)); }

 private:
  struct Holder {
    std::shared_ptr<typename Future<T>::State> state = std::make_shared<typename Future<T>::State>();
    ~Holder() { Set(Status::Internal("an asynchronous operation ended without a result")); }
    void Set(Result<T> result) {
      std::vector<std::function<void(const Result<T>&)>> callbacks;
      {
        std::lock_guard lock(state->mutex);
        if (state->result) return;
        state->result.emplace(std::move(result));
        callbacks.swap(state->callbacks);
      }
      state->ready.notify_all();
      for (auto& callback : callbacks) callback(*state->result);
    }
  };
  std::shared_ptr<Holder> holder_;
};

}  // namespace lancefs
