// SPDX-License-Identifier: Apache-2.0
//
// RowProducer: a scan rendered in a row format, as the producer of a result. While one batch is
// rendered, by slices on all cores, the next one is already scanned; both are bounded by the
// scanner's batch size.
#pragma once

#include <memory>

#include "engine/rows/row_writer.h"
#include "engine/scan/scanner.h"
#include "fs/result.h"

namespace lancefs {

Result<std::unique_ptr<ResultProducer>> MakeRowProducer(std::shared_ptr<const Dataset> dataset, const ScanOptions& options,
                                                        RowFormat format);

}  // namespace lancefs
