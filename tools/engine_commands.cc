// SPDX-License-Identifier: Apache-2.0
//
// append, create, verify: commands that work on the engine alone.
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/uri.h"
#include "engine/scan/verify.h"
#include "engine/write/append_file.h"
#include "tools/commands.h"

namespace lancefs {
namespace {

std::string BaseName(const std::string& path) { return path.substr(path.rfind('/') + 1); }

Result<RowFileFormat> FormatOf(const std::string& file, const std::string& format) {
  if (!format.empty()) return DetectRowFormat("rows." + format, file);
  return DetectRowFormat(BaseName(file), file);
}

Status WithPlace(const Status& status, const std::string& file) { return status.WithContext(file); }

Result<StorageOptions> StorageOf(const GlobalOptions& global) {
  LANCEFS_ASSIGN_OR_RETURN(ParsedOptions parsed,
                           MergeOptions(global.mount_options, global.storage_options, global.options_file, {}));
  return parsed.storage;
}

void PrintCommit(const GlobalOptions& global, const std::string& file, const CommitResult& result) {
  if (global.json) {
    const nlohmann::json line = {{"file", file}, {"version", result.version}, {"rows", result.rows}};
    std::printf("%s\n", line.dump().c_str());
  } else {
    std::printf("%s: %llu rows, version %llu\n", file.c_str(), static_cast<unsigned long long>(result.rows),
                static_cast<unsigned long long>(result.version));
  }
}

}  // namespace

Result<std::shared_ptr<const Dataset>> OpenDataset(const std::string& uri, const StorageOptions& storage, const OpenOptions& open,
                                                   const OpContext& ctx) {
  LANCEFS_ASSIGN_OR_RETURN(OpenedStore opened, OpenStore(uri, storage));
  OpenOptions options = open;
  options.resolve_base = [storage](const std::string& base_uri) -> Result<ResolvedBase> {
    LANCEFS_ASSIGN_OR_RETURN(OpenedStore base, OpenStore(base_uri, storage));
    return ResolvedBase{base.store, base.path};
  };
  return Dataset::Open(opened.store, opened.path, options, ctx);
}

Status RunAppend(const GlobalOptions& global, const AppendArguments& arguments, const OpContext& ctx) {
  LANCEFS_ASSIGN_OR_RETURN(const StorageOptions storage, StorageOf(global));
  LANCEFS_ASSIGN_OR_RETURN(auto dataset, OpenDataset(arguments.uri, storage, OpenOptions(), ctx));
  for (const std::string& file : arguments.files) {
    std::error_code error_code;
    if (std::filesystem::is_regular_file(file, error_code) && std::filesystem::file_size(file, error_code) == 0) {
      return Status::InvalidArgument(file + " is empty (0 bytes)");
    }
    Result<RowFileFormat> format = FormatOf(file, arguments.format);
    if (!format.ok()) return WithPlace(format.status(), file);
    std::optional<RowError> error;
    Result<CommitResult> result = AppendFile(dataset, file, *format, WriteOptions(), &error, ctx);
    if (!result.ok()) return WithPlace(result.status(), file);
    PrintCommit(global, file, *result);
    dataset = result->dataset;
  }
  return Status::OK();
}

Status RunCreate(const GlobalOptions& global, const CreateArguments& arguments, const OpContext& ctx) {
  LANCEFS_ASSIGN_OR_RETURN(const StorageOptions storage, StorageOf(global));
  LANCEFS_ASSIGN_OR_RETURN(const FileVersion version, FileVersionFromName(arguments.data_version));
  if (version == FileVersion::kV0_1 || version == FileVersion::kV2_3) {
    return Status::NotSupported("tables of data version " + arguments.data_version + " cannot be created; use 2.0, 2.1 or 2.2");
  }
  LANCEFS_ASSIGN_OR_RETURN(OpenedStore opened, OpenStore(arguments.uri, storage));
  LANCEFS_ASSIGN_OR_RETURN(const RowFileFormat format, FormatOf(arguments.file, arguments.format));
  std::optional<RowError> error;
  Result<CommitResult> result =
      CreateFromFile(opened.store, opened.path, arguments.file, format, nullptr, version, WriteOptions(), &error, ctx);
  if (!result.ok()) return WithPlace(result.status(), arguments.file);
  PrintCommit(global, arguments.file, *result);
  return Status::OK();
}

Status RunVerify(const GlobalOptions& global, const VerifyArguments& arguments, const OpContext& ctx) {
  LANCEFS_ASSIGN_OR_RETURN(const StorageOptions storage, StorageOf(global));
  OpenOptions open;
  open.version = arguments.version;
  LANCEFS_ASSIGN_OR_RETURN(auto dataset, OpenDataset(arguments.uri, storage, open, ctx));
  VerifyOptions options;
  options.read_rows = arguments.read_rows;
  LANCEFS_ASSIGN_OR_RETURN(const VerifyReport report, VerifyDataset(dataset, options, ctx));
  if (global.json) {
    const nlohmann::json line = {{"version", dataset->version()},
                                 {"fragments", report.fragments},
                                 {"files", report.files},
                                 {"rows", report.rows},
                                 {"problems", report.problems}};
    std::printf("%s\n", line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  } else {
    for (const std::string& problem : report.problems) std::printf("%s\n", problem.c_str());
    std::printf("version %llu: %llu fragments, %llu files, %llu rows, %zu problems\n",
                static_cast<unsigned long long>(dataset->version()), static_cast<unsigned long long>(report.fragments),
                static_cast<unsigned long long>(report.files), static_cast<unsigned long long>(report.rows),
                report.problems.size());
  }
  return report.problems.empty() ? Status::OK()
                                 : Status::Corruption(std::to_string(report.problems.size()) + " problems were found");
}

}  // namespace lancefs
