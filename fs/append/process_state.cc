// SPDX-License-Identifier: Apache-2.0
#include "fs/append/process_state.h"

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/executor.h"

namespace lancefs {
namespace {

constexpr std::chrono::milliseconds kLongestLook{100};

std::string ReadProc(int32_t pid, const char* name) {
  std::FILE* file = std::fopen(("/proc/" + std::to_string(pid) + "/" + name).c_str(), "re");
  if (file == nullptr) return "";
  std::string text(4096, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), file));
  std::fclose(file);
  return text;
}

ProcessState Look(int32_t pid) {
  // PF_SIGNALED of the kernel's task flags: a signal ends this process. Field 9 of /proc/<pid>/stat.
  constexpr unsigned long kSignaled = 0x400;
  const std::string text = ReadProc(pid, "stat");
  const size_t behind_name = text.rfind(')');  // the name itself may hold blanks and brackets
  unsigned long flags = 0;
  if (behind_name == std::string::npos) return ProcessState::kUnknown;
  if (std::sscanf(text.c_str() + behind_name + 1, " %*c %*d %*d %*d %*d %*d %lu", &flags) != 1) return ProcessState::kUnknown;
  return (flags & kSignaled) != 0 ? ProcessState::kKilled : ProcessState::kAlive;
}

struct Answer {
  std::mutex mutex;
  std::condition_variable changed;
  std::optional<ProcessState> state;
};

}  // namespace

ProcessState StateOfProcess(int32_t pid) {
  if (pid <= 0) return ProcessState::kUnknown;
  auto answer = std::make_shared<Answer>();
  BlockingPool().Submit([answer, pid] {
    const ProcessState state = Look(pid);
    std::lock_guard lock(answer->mutex);
    answer->state = state;
    answer->changed.notify_all();
  });
  std::unique_lock lock(answer->mutex);
  answer->changed.wait_for(lock, kLongestLook, [&] { return answer->state.has_value(); });
  return answer->state.value_or(ProcessState::kAlive);
}

bool IsDying(int32_t pid) {
  if (pid <= 0) return false;
  // Unlike `stat`, `status` can be read at any time. Whatever signal it was, the kernel adds SIGKILL for every thread of a
  // process that it ends.
  const std::string text = ReadProc(pid, "status");
  for (const char* key : {"SigPnd:", "ShdPnd:"}) {
    const size_t at = text.find(key);
    if (at == std::string::npos) continue;
    const unsigned long long pending = std::strtoull(text.c_str() + at + std::strlen(key), nullptr, 16);
    if ((pending & (1ULL << (SIGKILL - 1))) != 0) return true;
  }
  return false;
}

}  // namespace lancefs
