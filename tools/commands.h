// SPDX-License-Identifier: Apache-2.0
//
// The commands of the program. Each prints its result to stdout and returns a Status that main()
// turns into a message and an exit status.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/table/dataset.h"
#include "tools/options.h"

namespace lancefs {

struct GlobalOptions {
  std::vector<std::string> mount_options;    // -o items, split at commas
  std::vector<std::string> kept_options;     // --cache and the like as key=value; become mount_options
  std::vector<std::string> storage_options;  // --storage-option key=value
  std::string options_file;
  std::string log_level;
  std::string log_file;
  bool json = false;
};

// A dataset at `uri`; base paths in its manifest are opened with the same storage options.
Result<std::shared_ptr<const Dataset>> OpenDataset(const std::string& uri, const ParsedOptions& parsed, const OpenOptions& open,
                                                   const OpContext& ctx);

struct AppendArguments {
  std::string uri;
  std::vector<std::string> files;  // also "-", pipes and other datasets
  std::string path;                // of another dataset's tree: what of it is taken
  std::string format;              // a suffix such as "csv" for names that have none
};
Status RunAppend(const GlobalOptions& global, const AppendArguments& arguments, const OpContext& ctx);

struct CreateArguments {
  std::string uri;
  std::string file;
  std::string path;  // as in AppendArguments
  std::string format;
  std::string data_version = "2.2";
};
Status RunCreate(const GlobalOptions& global, const CreateArguments& arguments, const OpContext& ctx);

struct VerifyArguments {
  std::string uri;
  std::optional<uint64_t> version;
  bool read_rows = false;
  bool deep = false;
};
Status RunVerify(const GlobalOptions& global, const VerifyArguments& arguments, const OpContext& ctx);

struct DumpArguments {
  std::string file;  // a path or URI
  uint64_t leading_bytes = 0;
};
Status RunDump(const GlobalOptions& global, const DumpArguments& arguments, const OpContext& ctx);

struct TreeArguments {
  std::string uri;
  std::string path;
};
Status RunInfo(const GlobalOptions& global, const TreeArguments& arguments, const OpContext& ctx);
Status RunLs(const GlobalOptions& global, const TreeArguments& arguments, const OpContext& ctx);
Status RunCat(const GlobalOptions& global, const TreeArguments& arguments, const OpContext& ctx);
// Writes a file of a dataset's tree to `fd`.
Status CopyTreeFile(const GlobalOptions& global, const TreeArguments& arguments, int fd, const OpContext& ctx);

struct MountArguments {
  std::string uri;
  std::string directory;
  bool foreground = false;
};
Status RunMount(const GlobalOptions& global, const MountArguments& arguments);
struct UmountArguments {
  std::string directory;
  bool lazy = false;
};
Status RunUmount(const UmountArguments& arguments);

}  // namespace lancefs
