// SPDX-License-Identifier: Apache-2.0
//
// append, create, verify, dump: commands that work on the engine alone.
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/log.h"
#include "base/uri.h"
#include "engine/format/describe_file.h"
#include "engine/scan/verify.h"
#include "engine/write/append_file.h"
#include "tools/cache_options.h"
#include "tools/commands.h"
#include "tools/private_memory.h"
#include "tools/row_source.h"

namespace lancefs {
namespace {

Result<RowFileFormat> FormatOf(const RowSource& source, const std::string& format) {
  return DetectRowFormat(format.empty() ? source.name() : "rows." + format, source.file());
}

Status WithPlace(const Status& status, const std::string& file) { return status.WithContext(file); }

Result<ParsedOptions> OptionsOf(const GlobalOptions& global) {
  LANCEFS_ASSIGN_OR_RETURN(ParsedOptions parsed, MergeOptions(global.mount_options, global.storage_options, global.options_file));
  if (const auto dumps = parsed.own().find("core-dumps"); dumps != parsed.own().end())
    LANCEFS_RETURN_NOT_OK(TakeCoreDumps(dumps->second));
  if (const auto level = parsed.own().find("log-level"); level != parsed.own().end() && global.log_level.empty())
    LANCEFS_RETURN_NOT_OK(SetLogLevel(level->second));
  LANCEFS_ASSIGN_OR_RETURN(const CacheOptions cache, MakeCacheOptions(parsed.own()));
  ApplyCacheOptions(cache);
  PrintUnknownOptions(parsed);
  if (!global.log_file.empty()) LogUnknownOptions(parsed);
  return parsed;
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

Result<std::shared_ptr<const Dataset>> OpenDataset(const std::string& uri, const ParsedOptions& parsed, const OpenOptions& open,
                                                   const OpContext& ctx) {
  LANCEFS_RETURN_NOT_OK(RefuseSecretUri(uri));
  LANCEFS_ASSIGN_OR_RETURN(OpenedStore opened, OpenStore(uri, parsed.StorageFor(uri)));
  OpenOptions options = open;
  options.resolve_base = [parsed, uri](const std::string& base_uri, std::optional<uint32_t> base_id) -> Result<ResolvedBase> {
    LANCEFS_ASSIGN_OR_RETURN(OpenedStore base, OpenStore(base_uri, parsed.StorageForBase(uri, base_uri, base_id)));
    return ResolvedBase{base.store, base.path};
  };
  return Dataset::Open(opened.store, opened.path, options, ctx);
}

Status RunAppend(const GlobalOptions& global, const AppendArguments& arguments, const OpContext& ctx) {
  LANCEFS_ASSIGN_OR_RETURN(const ParsedOptions parsed, OptionsOf(global));
  LANCEFS_ASSIGN_OR_RETURN(auto dataset, OpenDataset(arguments.uri, parsed, OpenOptions(), ctx));
  for (const std::string& file : arguments.files) {
    const Result<RowSource> source = RowSource::Open(global, file, arguments.path, ctx);
    if (!source.ok()) return source.status();
    Result<RowFileFormat> format = FormatOf(*source, arguments.format);
    if (!format.ok()) return WithPlace(format.status(), file);
    std::optional<RowError> error;
    Result<CommitResult> result = AppendFile(dataset, source->file(), *format, WriteOptions(), &error, ctx);
    if (!result.ok()) return WithPlace(result.status(), file);
    PrintCommit(global, file, *result);
    dataset = result->dataset;
  }
  return Status::OK();
}

Status RunCreate(const GlobalOptions& global, const CreateArguments& arguments, const OpContext& ctx) {
  LANCEFS_ASSIGN_OR_RETURN(const ParsedOptions parsed, OptionsOf(global));
  LANCEFS_ASSIGN_OR_RETURN(const FileVersion version, FileVersionFromName(arguments.data_version));
  if (version == FileVersion::kV0_1 || version == FileVersion::kV2_3) {
    return Status::NotSupported("tables of data version " + arguments.data_version + " cannot be created; use 2.0, 2.1 or 2.2");
  }
  LANCEFS_RETURN_NOT_OK(RefuseSecretUri(arguments.uri));
  LANCEFS_ASSIGN_OR_RETURN(OpenedStore opened, OpenStore(arguments.uri, parsed.StorageFor(arguments.uri)));
  LANCEFS_ASSIGN_OR_RETURN(const RowSource source, RowSource::Open(global, arguments.file, arguments.path, ctx));
  LANCEFS_ASSIGN_OR_RETURN(const RowFileFormat format, FormatOf(source, arguments.format));
  std::optional<RowError> error;
  Result<CommitResult> result =
      CreateFromFile(opened.store, opened.path, source.file(), format, nullptr, version, WriteOptions(), &error, ctx);
  if (!result.ok()) return WithPlace(result.status(), arguments.file);
  PrintCommit(global, arguments.file, *result);
  return Status::OK();
}

Status RunVerify(const GlobalOptions& global, const VerifyArguments& arguments, const OpContext& ctx) {
  LANCEFS_ASSIGN_OR_RETURN(const ParsedOptions parsed, OptionsOf(global));
  OpenOptions open;
  open.version = arguments.version;
  LANCEFS_ASSIGN_OR_RETURN(auto dataset, OpenDataset(arguments.uri, parsed, open, ctx));
  VerifyOptions options;
  options.read_rows = arguments.read_rows;
  options.deep = arguments.deep;
  const bool talk = ::isatty(STDERR_FILENO) == 1 && !global.json;
  if (talk && (options.deep || options.read_rows)) {
    options.progress = [](uint64_t done, uint64_t all) {
      std::fprintf(stderr, "\rfragment %llu of %llu%s", static_cast<unsigned long long>(done),
                   static_cast<unsigned long long>(all), done == all ? "\n" : "");
    };
  }
  LANCEFS_ASSIGN_OR_RETURN(const VerifyReport report, VerifyDataset(dataset, options, ctx));
  if (global.json) {
    const nlohmann::json line = {{"version", dataset->version()}, {"fragments", report.fragments}, {"files", report.files},
                                 {"rows", report.rows},           {"pages", report.pages},         {"blobs", report.blobs},
                                 {"problems", report.problems}};
    std::printf("%s\n", line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  } else {
    for (const std::string& problem : report.problems) std::printf("%s\n", problem.c_str());
    std::printf("version %llu: %llu fragments, %llu files, %llu rows, ", static_cast<unsigned long long>(dataset->version()),
                static_cast<unsigned long long>(report.fragments), static_cast<unsigned long long>(report.files),
                static_cast<unsigned long long>(report.rows));
    if (arguments.deep) std::printf("%llu pages, ", static_cast<unsigned long long>(report.pages));
    if (report.blobs > 0) std::printf("%llu blobs, ", static_cast<unsigned long long>(report.blobs));
    std::printf("%zu problems\n", report.problems.size());
  }
  return report.problems.empty() ? Status::OK()
                                 : Status::Corruption(std::to_string(report.problems.size()) + " problems were found");
}

Status RunDump(const GlobalOptions& global, const DumpArguments& arguments, const OpContext& ctx) {
  LANCEFS_ASSIGN_OR_RETURN(const ParsedOptions parsed, OptionsOf(global));
  const size_t slash = arguments.file.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : slash == 0 ? "/" : arguments.file.substr(0, slash);
  const std::string name = slash == std::string::npos ? arguments.file : arguments.file.substr(slash + 1);
  std::error_code error_code;
  if (name.empty() || std::filesystem::is_directory(arguments.file, error_code)) {
    return Status::InvalidArgument(arguments.file + " is a folder; name one of its files, for example " + arguments.file +
                                   (name.empty() ? "" : "/") + "data/<name>.lance");
  }
  LANCEFS_RETURN_NOT_OK(RefuseSecretUri(folder));
  LANCEFS_ASSIGN_OR_RETURN(OpenedStore opened, OpenStore(folder, parsed.StorageFor(folder)));
  DescribeOptions options;
  options.leading_bytes = arguments.leading_bytes;
  const std::string path = opened.path.empty() ? name : opened.path + "/" + name;
  LANCEFS_ASSIGN_OR_RETURN(const std::string json, DescribeFile(*opened.store, path, options, ctx));
  const std::string text = global.json ? json : DescriptionText(json);
  std::fwrite(text.data(), 1, text.size(), stdout);
  return Status::OK();
}

}  // namespace lancefs
