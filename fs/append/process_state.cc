// SPDX-License-Identifier: Apache-2.0
#include "fs/append/process_state.h"

#include <cstdio>
#include <cstring>
#include <string>

namespace lancefs {

ProcessState StateOfProcess(int32_t pid) {
  // PF_SIGNALED of the kernel's task flags: a signal ends this process. Field 9 of /proc/<pid>/stat.
  constexpr unsigned long kSignaled = 0x400;
  if (pid <= 0) return ProcessState::kUnknown;
  std::FILE* file = std::fopen(("/proc/" + std::to_string(pid) + "/stat").c_str(), "re");
  if (file == nullptr) return ProcessState::kUnknown;
  char text[1024];
  const size_t length = std::fread(text, 1, sizeof text - 1, file);
  std::fclose(file);
  text[length] = '\0';
  const char* behind_name = std::strrchr(text, ')');  // the name itself may hold blanks and brackets
  unsigned long flags = 0;
  if (behind_name == nullptr || std::sscanf(behind_name + 1, " %*c %*d %*d %*d %*d %*d %lu", &flags) != 1) return ProcessState::kUnknown;
  return (flags & kSignaled) != 0 ? ProcessState::kKilled : ProcessState::kAlive;
}

}  // namespace lancefs
