// SPDX-License-Identifier: Apache-2.0
//
// Checking a dataset version: every file that the manifest names is there, has the size, footer, columns and
// row count that the manifest says, deletion files hold as many rows as they should, totals agree. Deep, every page of every
// column is decoded as well, row ids are compared, and the files of indices and the places of blobs are looked at.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engine/table/dataset.h"

namespace lancefs {

struct VerifyOptions {
  bool read_rows = false;  // also decode every value, as a reader of the table would
  bool deep = false;       // also page by page and column by column, hidden columns and blobs included; names each broken page
  std::function<void(uint64_t done, uint64_t all)> progress;  // fragments; may be empty
};

struct VerifyReport {
  uint64_t files = 0;  // looked at
  uint64_t fragments = 0;
  uint64_t rows = 0;                  // live
  uint64_t pages = 0;                 // decoded (deep)
  uint64_t blobs = 0;                 // whose place was checked (deep)
  std::vector<std::string> problems;  // empty = sound; each says file, column and page as far as it is about one
};

// Goes on after a problem. Errors: only when the check itself could not run (cancelled).
Result<VerifyReport> VerifyDataset(std::shared_ptr<const Dataset> dataset, const VerifyOptions& options, const OpContext& ctx);

}  // namespace lancefs
