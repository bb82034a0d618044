// SPDX-License-Identifier: Apache-2.0
//
// Fuzz entry point of the jsonl reader: with a schema, inferred, and in tiny chunks. Build it with
// -fsanitize=fuzzer,address against lancefs_rows.
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "engine/rows/row_reader.h"

namespace {

void Drain(const std::string& path, std::shared_ptr<arrow::Schema> schema, int64_t batch_bytes) {
  lancefs::RowReaderOptions options;
  options.schema = std::move(schema);
  options.batch_bytes = batch_bytes;
  auto reader = lancefs::RowReader::Open(path, lancefs::RowFormat::kJsonl, lancefs::Compression::kNone, options);
  if (!reader.ok()) return;
  while (true) {
    auto batch = (*reader)->Next(lancefs::OpContext());
    if (!batch.ok() || *batch == nullptr) return;
    if (!(*batch)->ValidateFull().ok()) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  char path[] = "/tmp/lancefs_fuzz_XXXXXX";
  const int fd = ::mkstemp(path);
  if (fd < 0 || ::write(fd, data, size) != static_cast<ssize_t>(size)) std::abort();
  ::close(fd);
  const auto schema = arrow::schema({arrow::field("id", arrow::int64()), arrow::field("s", arrow::utf8()), arrow::field("f", arrow::float32()),
                                     arrow::field("d", arrow::decimal128(20, 3)), arrow::field("t", arrow::timestamp(arrow::TimeUnit::MICRO)),
                                     arrow::field("b", arrow::binary()), arrow::field("l", arrow::list(arrow::struct_({arrow::field("x", arrow::int8())})))});
  for (const int64_t batch_bytes : {int64_t{1} << 20, int64_t{16}}) {
    Drain(path, schema, batch_bytes);
    Drain(path, nullptr, batch_bytes);
  }
  ::unlink(path);
  return 0;
}
