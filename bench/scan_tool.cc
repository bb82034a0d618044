// SPDX-License-Identifier: Apache-2.0
//
// The engine without the tree, for the benchmarks: one operation in a fresh process, its time and
// peak memory as one line of JSON.
//   scan_tool scan|filter|take URI [--columns a,b] [--filter SQL] [--batch-bytes N] [--offsets FILE] [--again FILE]
// FILE holds row offsets separated by white space; --again repeats the take with others.
#include <arrow/compute/initialize.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "backends/registry.h"
#include "engine/arrow_status.h"
#include "engine/scan/scanner.h"

namespace lancefs {
namespace {

using Arguments = std::map<std::string, std::string>;

double Now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

double PeakMegabytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::strtod(line.c_str() + 6, nullptr) / 1024;
  }
  return 0;
}

std::vector<std::string> SplitCommas(const std::string& text) {
  std::vector<std::string> parts;
  std::stringstream in(text);
  for (std::string part; std::getline(in, part, ',');) parts.push_back(part);
  return parts;
}

Result<std::vector<uint64_t>> ReadOffsets(const std::string& file) {
  std::ifstream in(file);
  if (!in) return Status::NotFound("cannot read " + file);
  return std::vector<uint64_t>(std::istream_iterator<uint64_t>(in), std::istream_iterator<uint64_t>());
}

Result<uint64_t> CountScanned(const std::shared_ptr<const Dataset>& dataset, const Arguments& arguments, const OpContext& ctx) {
  ScanOptions options;
  if (arguments.contains("columns")) {
    LANCEFS_ASSIGN_OR_RETURN(options.select, ParseSelectList(arguments.at("columns"), *dataset->arrow_schema()));
  }
  if (arguments.contains("filter")) {
    LANCEFS_ASSIGN_OR_RETURN(options.filter, ParseFilter(arguments.at("filter"), *dataset->arrow_schema()));
  }
  if (arguments.contains("batch-bytes")) options.batch_bytes = std::strtoull(arguments.at("batch-bytes").c_str(), nullptr, 10);
  LANCEFS_ASSIGN_OR_RETURN(auto stream, Scan(dataset, std::move(options)));
  uint64_t rows = 0;
  for (;;) {
    LANCEFS_ASSIGN_OR_RETURN(const auto batch, stream->Next(ctx));
    if (!batch) return rows;
    rows += static_cast<uint64_t>(batch->num_rows());
  }
}

Result<uint64_t> CountTaken(const std::shared_ptr<const Dataset>& dataset, const std::string& file, const Arguments& arguments,
                            const OpContext& ctx) {
  LANCEFS_ASSIGN_OR_RETURN(const auto offsets, ReadOffsets(file));
  std::vector<std::string> columns = dataset->arrow_schema()->field_names();
  if (arguments.contains("columns")) columns = SplitCommas(arguments.at("columns"));
  LANCEFS_ASSIGN_OR_RETURN(const auto batch, Take(dataset, offsets, columns, ctx));
  return static_cast<uint64_t>(batch->num_rows());
}

Result<nlohmann::json> Measure(const std::string& operation, const std::string& uri, const Arguments& arguments) {
  const OpContext ctx;
  LANCEFS_RETURN_NOT_OK(FromArrow(arrow::compute::Initialize()));
  const double start = Now();
  LANCEFS_ASSIGN_OR_RETURN(const OpenedStore opened, OpenStore(uri));
  LANCEFS_ASSIGN_OR_RETURN(const auto dataset, Dataset::Open(opened.store, opened.path, OpenOptions(), ctx));
  const double open = Now();
  uint64_t rows = 0;
  if (operation == "take") {
    LANCEFS_ASSIGN_OR_RETURN(rows, CountTaken(dataset, arguments.at("offsets"), arguments, ctx));
  } else {
    LANCEFS_ASSIGN_OR_RETURN(rows, CountScanned(dataset, arguments, ctx));
  }
  const double end = Now();
  nlohmann::json line = {{"seconds", end - start}, {"open_seconds", open - start}, {"rows", rows}};
  if (operation == "take" && arguments.contains("again")) {
    const double again = Now();
    LANCEFS_RETURN_NOT_OK(CountTaken(dataset, arguments.at("again"), arguments, ctx).status());
    line["again_seconds"] = Now() - again;
  }
  line["rss_mb"] = PeakMegabytes();
  return line;
}

int Main(int argc, char** argv) {
  Arguments arguments;
  for (int i = 3; i + 1 < argc; i += 2) arguments[std::string(argv[i]).substr(2)] = argv[i + 1];
  const std::string operation = argc > 2 ? argv[1] : "";
  const bool known = operation == "scan" || (operation == "filter" && arguments.contains("filter")) ||
                     (operation == "take" && arguments.contains("offsets"));
  if (!known || argc % 2 == 0) {
    std::fprintf(stderr,
                 "usage: scan_tool scan|filter|take URI [--columns a,b] [--filter SQL] [--batch-bytes N] [--offsets FILE] "
                 "[--again FILE]\n");
    return 2;
  }
  const Result<nlohmann::json> line = Measure(operation, argv[2], arguments);
  if (!line.ok()) {
    std::fprintf(stderr, "scan_tool: %s\n", line.status().ToString().c_str());
    return 1;
  }
  std::printf("%s\n", line->dump().c_str());
  return 0;
}

}  // namespace
}  // namespace lancefs

int main(int argc, char** argv) {
  ::setenv("ARROW_DEFAULT_MEMORY_POOL", "jemalloc", 0);  // as the program does
  return lancefs::Main(argc, argv);
}
