// SPDX-License-Identifier: Apache-2.0
#include "tools/private_memory.h"

#include <sys/prctl.h>

#include "tools/options.h"

namespace lancefs {

void KeepMemoryPrivate(bool on) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  (void)on;  // the leak checker attaches to its own process
#else
  // Secrets are copied by every library on their way, so single pages cannot be left out. Programs that we start
  // (fusermount3, a credential process) are dumpable again, as exec() sets it anew.
  ::prctl(PR_SET_DUMPABLE, on ? 0 : 1, 0, 0, 0);
#endif
}

Status TakeCoreDumps(const std::string& value) {
  LANCEFS_ASSIGN_OR_RETURN(const bool wanted, ParseBool(value));
  if (wanted) KeepMemoryPrivate(false);
  return Status::OK();
}

}  // namespace lancefs
