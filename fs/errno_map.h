// SPDX-License-Identifier: Apache-2.0
//
// The one place where a Status becomes an errno (and is logged, once).
#pragma once

#include <string_view>

#include "base/status.h"
#include "fs/status_log.h"
#include "fs/types.h"

namespace lancefs {

// 0 for OK. kConflict is ENOTEMPTY for rmdir and rename, else EAGAIN.
int ErrnoOf(const Status& status, std::string_view operation = "");

// ErrnoOf, and where the failure is one (not a mere absence): a line in the log and an entry in
// `log`, which may be null.
int ReportError(const Status& status, std::string_view operation, std::string_view path, const Caller& caller, StatusLog* log);

}  // namespace lancefs
