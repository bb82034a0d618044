// SPDX-License-Identifier: Apache-2.0
//
// Fuzz target of the row readers: with a schema, inferred, and in tiny chunks. The first byte names the format.
#include <unistd.h>

#include <cstdlib>

#include "engine/rows/row_reader.h"
#include "tests/fuzz/fuzz_target.h"

namespace lancefs {
namespace {

constexpr RowFormat kFormats[] = {RowFormat::kCsv, RowFormat::kTsv, RowFormat::kJsonl, RowFormat::kJson};

void Drain(const std::string& path, RowFormat format, std::shared_ptr<arrow::Schema> schema, int64_t batch_bytes) {
  RowReaderOptions options;
  options.schema = std::move(schema);
  options.batch_bytes = batch_bytes;
  auto reader = RowReader::Open(path, format, Compression::kNone, options);
  if (!reader.ok()) return;
  while (true) {
    auto batch = (*reader)->Next(OpContext());
    if (!batch.ok() || *batch == nullptr) return;
    if (!(*batch)->ValidateFull().ok()) std::abort();
  }
}

}  // namespace

std::vector<std::string> FuzzSeeds() {
  const std::string csv =
      "id,s,f,d,t,b,l\n1,a,1.5,2.125,2020-01-31T01:02:03.5,AAE=,\"[{\"\"x\"\":1}]\"\n,\"q\"\"uo,te\n\",NaN,-0.001,1969-12-31,,[]"
      "\n";
  std::string tsv = csv;
  for (char& c : tsv) c = c == ',' ? '\t' : c;
  const std::string row =
      R"({"id":1,"s":"a\u00e9\n","f":1.5,"d":"2.125","t":"2020-01-31T01:02:03.5","b":"AAE=","l":[{"x":1},null]})";
  const std::string other = R"({"s":null,"f":"NaN","id":-9223372036854775808,"d":12.5,"l":[]})";
  return {std::string(1, '\0') + csv, std::string(1, '\1') + tsv, std::string(1, '\2') + row + "\n" + other + "\n",
          std::string(1, '\3') + "[" + row + ",\n" + other + "]"};
}

}  // namespace lancefs

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const lancefs::RowFormat format = lancefs::kFormats[data[0] % std::size(lancefs::kFormats)];
  char path[] = "/tmp/lancefs_fuzz_XXXXXX";
  const int fd = ::mkstemp(path);
  if (fd < 0 || ::write(fd, data + 1, size - 1) != static_cast<ssize_t>(size - 1)) std::abort();
  ::close(fd);
  const auto schema = arrow::schema(
      {arrow::field("id", arrow::int64()), arrow::field("s", arrow::utf8()), arrow::field("f", arrow::float32()),
       arrow::field("d", arrow::decimal128(20, 3)), arrow::field("t", arrow::timestamp(arrow::TimeUnit::MICRO)),
       arrow::field("b", arrow::binary()), arrow::field("l", arrow::list(arrow::struct_({arrow::field("x", arrow::int8())})))});
  for (const int64_t batch_bytes : {int64_t{1} << 20, int64_t{16}}) {
    lancefs::Drain(path, format, schema, batch_bytes);
    lancefs::Drain(path, format, nullptr, batch_bytes);
  }
  ::unlink(path);
  return 0;
}
