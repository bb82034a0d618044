// SPDX-License-Identifier: Apache-2.0
//
// blob_probe DATASET COLUMN OFFSET...
// Where the blobs lie: a line "null" or "STORE PATH OFFSET SIZE" each. Exit 1 and a message on errors.
#include <cstdio>

#include "backends/registry.h"
#include "engine/scan/blob.h"

namespace lancefs {
namespace {

Status Run(int argc, char** argv) {
  LANCEFS_ASSIGN_OR_RETURN(const OpenedStore opened, OpenStore(argv[1]));
  OpenOptions options;
  options.resolve_base = [](const std::string& uri, std::optional<uint32_t>) -> Result<ResolvedBase> {
    LANCEFS_ASSIGN_OR_RETURN(OpenedStore base, OpenStore(uri));
    return ResolvedBase{base.store, base.path};
  };
  const OpContext ctx;
  LANCEFS_ASSIGN_OR_RETURN(const auto dataset, Dataset::Open(opened.store, opened.path, options, ctx));
  std::vector<uint64_t> offsets;
  for (int i = 3; i < argc; ++i) offsets.push_back(std::stoull(argv[i]));
  LANCEFS_ASSIGN_OR_RETURN(const auto places, LocateBlobs(dataset, argv[2], offsets, ctx));
  for (const auto& place : places) {
    if (!place) {
      std::printf("null\n");
    } else {
      std::printf("%s %s %llu %llu\n", place->store->name().c_str(), place->path.c_str(),
                  static_cast<unsigned long long>(place->offset), static_cast<unsigned long long>(place->size));
    }
  }
  return Status::OK();
}

}  // namespace
}  // namespace lancefs

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  const lancefs::Status status = lancefs::Run(argc, argv);
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
