// SPDX-License-Identifier: Apache-2.0
//
// mount_probe URI DIR [key=value ...]: mounts in the foreground with nothing but the filesystem
// layer, for tests and measurements. Keys: state, sizes (auto|exact|stream), open_budget_ms,
// refresh_ms, spill_bytes, large_bytes, background (1), debug (1).
#include <arrow/compute/initialize.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>

#include "backends/registry.h"
#include "fs/fuse_adapter.h"

using namespace lancefs;  // NOLINT: a test program

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: mount_probe URI DIR [key=value ...]\n");
    return 2;
  }
  std::map<std::string, std::string> keys;
  for (int i = 3; i < argc; ++i) {
    const std::string argument = argv[i];
    const size_t equals = argument.find('=');
    keys[argument.substr(0, equals)] = equals == std::string::npos ? "1" : argument.substr(equals + 1);
  }
  auto number = [&](const char* key, uint64_t fallback) {
    return keys.contains(key) ? std::strtoull(keys[key].c_str(), nullptr, 10) : fallback;
  };
  MountOptions options;
  options.mountpoint = argv[2];
  options.foreground = !keys.contains("background");
  options.debug = keys.contains("debug");
  options.state_directory = keys["state"];
  options.log_file = keys["log"];
  options.open_source = [uri = std::string(argv[1])]() -> Result<MountSource> {
    if (!arrow::compute::Initialize().ok()) return Status::Internal("Arrow's compute functions are not available");
    LANCEFS_ASSIGN_OR_RETURN(OpenedStore opened, OpenStore(uri));
    return MountSource{opened.store, opened.path, opened.uri, {}, opened.endpoint};
  };
  FilesystemOptions& fs = options.filesystem;
  if (keys["sizes"] == "exact") fs.sizes = SizeMode::kExact;
  if (keys["sizes"] == "stream") fs.sizes = SizeMode::kStream;
  fs.open_budget = std::chrono::milliseconds(number("open_budget_ms", 1000));
  fs.refresh = std::chrono::milliseconds(number("refresh_ms", 1000));
  fs.spill_bytes = number("spill_bytes", fs.spill_bytes);
  fs.large_bytes = number("large_bytes", fs.large_bytes);
  const Status status = MountAndServe(options);
  if (!status.ok()) std::fprintf(stderr, "mount_probe: %s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
