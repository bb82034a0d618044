// SPDX-License-Identifier: Apache-2.0
//
// Checking a dataset version: every file that the manifest names is there, has the size, footer, columns and
// row count that the manifest says, deletion files hold as many rows as they should, totals agree.
#pragma once

#include <string>
#include <vector>

#include "engine/table/dataset.h"

namespace lancefs {

struct VerifyOptions {
  bool read_rows = false;  // also decode every value
};

struct VerifyReport {
  uint64_t files = 0;  // looked at
  uint64_t fragments = 0;
  uint64_t rows = 0;                  // live
  std::vector<std::string> problems;  // empty = sound
};

// Goes on after a problem. Errors: only when the check itself could not run (cancelled).
Result<VerifyReport> VerifyDataset(std::shared_ptr<const Dataset> dataset, const VerifyOptions& options, const OpContext& ctx);

}  // namespace lancefs
