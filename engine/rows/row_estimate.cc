// SPDX-License-Identifier: Apache-2.0
#include "engine/rows/row_writer.h"
namespace lancefs {
uint64_t EstimateRowBytes(RowFormat format, const arrow::Schema& schema) { return 64 * schema.num_fields(); }
}  // namespace lancefs
