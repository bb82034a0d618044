// SPDX-License-Identifier: Apache-2.0
//
// The commit protocol (docs/lance/table.md 7): put-if-absent of the next manifest, conflict check
// against what others committed meanwhile, rebuild and retry, read-back after an ambiguous answer.
//
// Thread safety: free functions; any number of commits may run at once, in any number of processes.
#pragma once

#include <memory>
#include <string>

#include "engine/table/dataset.h"

namespace lancefs {

// What the commit needs to know of rows that were written against an older schema, to tell whether
// they still fit a newer one.
struct WrittenColumns {
  std::vector<int32_t> field_ids;          // all fields of the schema that the rows were written with
  std::vector<int32_t> fields_with_nulls;  // those of them in which a null was written
};

// Commits Append{fragments} (ids unassigned, files uploaded) onto `base` or whatever is newest.
// Errors: kConflict (overwritten, restored, or a schema change that the rows do not fit), kNotSupported
// (writer flags), kUnknownOutcome when the store could not be read back until the deadline.
Result<std::shared_ptr<const Dataset>> CommitAppend(std::shared_ptr<const Dataset> base, pb::Transaction transaction,
                                                    const WrittenColumns& written, const OpContext& ctx);

// Commits version 1 of a new table. Errors: kAlreadyExists.
Result<std::shared_ptr<const Dataset>> CommitCreate(std::shared_ptr<ObjectStore> store, const std::string& path,
                                                    const Schema& schema, FileVersion version, pb::Transaction transaction,
                                                    const OpContext& ctx);

// A random (version 4) uuid: 16 bytes, and its hyphenated lower-case text.
std::string RandomUuidBytes();
std::string UuidText(const std::string& bytes);
// A data file's name as the reference makes it: 24 binary digits, 26 hex digits, ".lance".
std::string RandomDataFileName();

}  // namespace lancefs
