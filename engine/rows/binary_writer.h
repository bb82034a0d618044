// SPDX-License-Identifier: Apache-2.0
//
// Arrow IPC and Parquet behind the RowWriter interface.
//
// Thread safety: each writer belongs to one thread.
#pragma once

#include <memory>

#include "base/status.h"
#include "engine/rows/row_writer.h"

namespace lancefs {

// Arrow IPC: uncompressed, so that readers may map it. `file`: with a footer; else a stream.
Result<std::unique_ptr<RowWriter>> MakeArrowWriter(bool file, std::shared_ptr<arrow::Schema> schema, ByteSink sink);

// Parquet that keeps the Arrow types (the Arrow schema is stored in it). Errors: kNotSupported for types that it cannot hold.
Result<std::unique_ptr<RowWriter>> MakeParquetWriter(std::shared_ptr<arrow::Schema> schema, ByteSink sink);

}  // namespace lancefs
