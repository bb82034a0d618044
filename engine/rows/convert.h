// SPDX-License-Identifier: Apache-2.0
//
// Shaping typed rows (Arrow, Parquet) to a target schema: columns by name, values cast only where
// nothing is lost (RULES 28). Also what all row readers need to know about extension types.
//
// Thread safety: free functions without state.
#pragma once

#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <memory>
#include <optional>
#include <string>

#include "base/status.h"
#include "engine/rows/row_reader.h"

namespace lancefs::rows {

// The extension that `field` has by its type or by its metadata, or "".
std::string ExtensionName(const arrow::Field& field);
// `type`, or what it is stored as where it is an extension type.
std::shared_ptr<arrow::DataType> StorageType(const std::shared_ptr<arrow::DataType>& type);

// `type` without extension, dictionary and view: what its values are built as. List views stay.
std::shared_ptr<arrow::DataType> PlainType(std::shared_ptr<arrow::DataType> type);

// `array` of the plain type as `type`, where they differ in the encoding alone.
// Errors: kInvalidArgument if the type's dictionary index is too narrow.
Result<std::shared_ptr<arrow::Array>> FinishAs(const std::shared_ptr<arrow::Array>& array,
                                               const std::shared_ptr<arrow::DataType>& type);

// The message of `error`: `row 17, column 'fare': "abc" is not a double`.
Status ToStatus(const RowError& error);

// Shapes batches of one file to `target`. A value that does not fit fills `error`, its row counted from `first_row`.
Result<std::shared_ptr<arrow::RecordBatch>> ConvertBatch(const std::shared_ptr<arrow::RecordBatch>& batch,
                                                         const std::shared_ptr<arrow::Schema>& target, uint64_t first_row,
                                                         std::optional<RowError>* error);
// Checks names and types alone, so that a file of no rows is judged as one with rows.
Status CheckSchema(const arrow::Schema& schema, const arrow::Schema& target, std::optional<RowError>* error);

}  // namespace lancefs::rows
