// SPDX-License-Identifier: Apache-2.0
#include "base/executor.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

namespace lancefs {
namespace {

class ThreadPool : public Executor {
 public:
  ThreadPool(size_t keep, size_t max_threads, std::string name)
      : keep_(keep), max_threads_(std::max<size_t>(1, max_threads)), name_(std::move(name)) {}

  ~ThreadPool() override {
    std::unique_lock lock(mutex_);
    stopping_ = true;
    wake_.notify_all();
    ended_.wait(lock, [this] { return threads_ == 0; });
  }

  void Submit(std::function<void()> task) override {
    std::lock_guard lock(mutex_);
    queue_.push_back(std::move(task));
    if (idle_ >= queue_.size() || threads_ >= max_threads_) {
      wake_.notify_one();
      return;
    }
    ++threads_;
    std::thread([this] { Run(); }).detach();  // joined through threads_ and ended_
  }

 private:
  void Run() {
    pthread_setname_np(pthread_self(), name_.substr(0, 15).c_str());
    std::unique_lock lock(mutex_);
    while (true) {
      if (queue_.empty()) {
        if (stopping_) break;
        ++idle_;
        const bool woken = wake_.wait_for(lock, std::chrono::seconds(10), [this] { return stopping_ || !queue_.empty(); });
        --idle_;
        if (!woken && threads_ > keep_) break;
        continue;
      }
      std::function<void()> task = std::move(queue_.front());
      queue_.pop_front();
      lock.unlock();
      task();
      task = nullptr;  // captured state ends outside the lock
      lock.lock();
    }
    --threads_;
    ended_.notify_all();
  }

  const size_t keep_;
  const size_t max_threads_;
  const std::string name_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable ended_;
  std::deque<std::function<void()>> queue_;  // guarded by mutex_, like all below
  size_t threads_ = 0;
  size_t idle_ = 0;
  bool stopping_ = false;
};

size_t Cores() { return std::max<size_t>(1, std::thread::hardware_concurrency()); }

}  // namespace

std::unique_ptr<Executor> MakeThreadPool(size_t keep, size_t max_threads, std::string name) {
  return std::make_unique<ThreadPool>(keep, max_threads, std::move(name));
}

Executor& CpuPool() {
  // Never destroyed: tasks may still run while static destructors do.
  static Executor* pool = MakeThreadPool(Cores(), Cores(), "lancefs-cpu").release();
  return *pool;
}

Executor& BlockingPool() {
  static Executor* pool = MakeThreadPool(2, 256, "lancefs-io").release();
  return *pool;
}

Status ParallelFor(size_t count, const std::function<Status(size_t)>& body) {
  if (count == 0) return Status::OK();
  if (count == 1) return body(0);
  struct Shared {
    std::atomic<size_t> next{0};
    size_t count = 0;
    const std::function<Status(size_t)>* body = nullptr;
    std::mutex mutex;
    std::condition_variable all_done;
    size_t done = 0;  // guarded by mutex
    Status first_error;
  };
  auto shared = std::make_shared<Shared>();
  shared->count = count;
  shared->body = &body;
  auto work = [](const std::shared_ptr<Shared>& s) {
    while (true) {
      const size_t index = s->next.fetch_add(1);
      if (index >= s->count) return;
      Status status = (*s->body)(index);  // the caller waits for every taken index, so body lives
      std::lock_guard lock(s->mutex);
      if (!status.ok() && s->first_error.ok()) s->first_error = status;
      if (++s->done == s->count) s->all_done.notify_all();
    }
  };
  const size_t helpers = std::min(count - 1, Cores());
  for (size_t i = 0; i < helpers; ++i) CpuPool().Submit([shared, work] { work(shared); });
  work(shared);
  std::unique_lock lock(shared->mutex);
  shared->all_done.wait(lock, [&] { return shared->done == shared->count; });
  return shared->first_error;
}

}  // namespace lancefs
