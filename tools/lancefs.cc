// SPDX-License-Identifier: Apache-2.0
//
// The lancefs program: parses the command line and runs one command. Exit status: 0 = done,
// 1 = failed (the reason on stderr), 2 = wrong usage.
#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <sstream>

#include "base/lancefs_version.h"
#include "base/log.h"
#include "tools/commands.h"
#include "tools/private_memory.h"

namespace {

using namespace lancefs;  // NOLINT: the program's main file

OpContext g_context;  // cancelled by SIGINT and SIGTERM

void OnSignal(int) { g_context.cancel.Cancel(); }

std::vector<std::string> SplitCommas(const std::vector<std::string>& items) {
  std::vector<std::string> out;
  for (const std::string& item : items) {
    std::stringstream stream(item);
    std::string part;
    while (std::getline(stream, part, ',')) {
      if (!part.empty()) out.push_back(part);
    }
  }
  return out;
}

void AddShared(CLI::App* command, GlobalOptions* global) {
  command->add_option("-o", global->mount_options, "options, separated by commas (mount(8) style)");
  command->add_option("--storage-option", global->storage_options, "an object-store option key=value (repeatable; no secrets)");
  command->add_option_function<std::string>(
      "--commit-lock",
      [global](const std::string& program) {
        // The mount's working directory is another one later.
        const bool named = program.find('/') == std::string::npos;
        global->storage_options.push_back("commit_lock=" + (named ? program : std::filesystem::absolute(program).string()));
      },
      "a program that keeps a lock for each commit, for stores without conditional puts");
  command->add_option("--options-file", global->options_file, "a file of 'key = value' lines, mode 0600; secrets go here");
  command->add_option("--log-level", global->log_level, "debug, info, warn or error");
  command->add_option("--log-file", global->log_file, "write the log to this file");
  const auto kept = [global](const char* key) {
    return [global, key](const CLI::results_t& values) {
      global->kept_options.push_back(std::string(key) + "=" + (values.empty() ? "true" : values.back()));
      return true;
    };
  };
  command->add_option("--cache", kept("cache"), "keep what is read of object stores in this folder (default: the user's cache)")
      ->type_name("DIR")
      ->expected(0, 1);
  command->add_option("--cache-size", kept("cache-size"), "how much (default 10GiB)")->type_name("SIZE");
  command->add_option("--memory", kept("memory"), "limit of what is kept in memory")->type_name("SIZE");
  command->add_flag("--json", global->json, "machine-readable output");
}

int Report(const Status& status) {
  if (status.ok()) return 0;
  std::fprintf(stderr, "lancefs: %s\n", status.message().empty() ? status.ToString().c_str() : status.message().c_str());
  return 1;
}

int Main(int argc, char** argv) {
  CLI::App app{"Mounts Lance datasets as files, and works on them without a mount.", "lancefs"};
  app.set_version_flag("--version", std::string("lancefs ") + kLancefsVersion);
  app.require_subcommand(1);
  app.footer(
      "Examples:\n"
      "  lancefs mount s3://bucket/trips.lance /mnt/trips\n"
      "  lancefs cat trips.lance 'query/filter=fare > 50/select=id,fare/rows.jsonl'\n"
      "  lancefs append trips.lance more.csv\n");
  GlobalOptions global;

  MountArguments mount;
  CLI::App* mount_command = app.add_subcommand("mount", "mount a dataset or a directory of datasets");
  mount_command->add_option("URI", mount.uri, "s3://bucket/table.lance, a local path, ...")->required();
  mount_command->add_option("DIR", mount.directory, "where to mount")->required();
  mount_command->add_flag("-f,--foreground", mount.foreground, "stay in the foreground and log to stderr");
  UmountArguments umount;
  CLI::App* umount_command = app.add_subcommand("umount", "unmount; waits for running commits");
  umount_command->add_option("DIR", umount.directory)->required();
  umount_command->add_flag("-z,--lazy", umount.lazy, "detach now, even when files are open");

  TreeArguments tree;
  CLI::App* info_command = app.add_subcommand("info", "what a dataset is: version, rows, files, schema");
  info_command->add_option("URI", tree.uri)->required();
  info_command->footer(
      "Examples:\n"
      "  lancefs info trips.lance\n"
      "  lancefs info --json s3://bucket/trips.lance | jq .rows\n");
  CLI::App* ls_command = app.add_subcommand("ls", "list a folder of the tree without a mount");
  ls_command->add_option("URI", tree.uri)->required();
  ls_command->add_option("PATH", tree.path, "a path inside the tree, e.g. versions");
  CLI::App* cat_command = app.add_subcommand("cat", "print a file of the tree without a mount");
  cat_command->add_option("URI", tree.uri)->required();
  cat_command->add_option("PATH", tree.path, "e.g. 'query/filter=fare > 50/rows.csv'")->required();

  AppendArguments append;
  CLI::App* append_command = app.add_subcommand("append", "append files of rows; one version a file");
  append_command->add_option("URI", append.uri)->required();
  append_command
      ->add_option("FILE", append.files, "jsonl, csv, tsv, arrow, arrows or parquet; - for standard input; or another dataset")
      ->required();
  append_command->add_option("--path", append.path,
                             "of another dataset: what is taken, e.g. 'query/filter=fare > 50/rows.arrows'");
  append_command->add_option("--format", append.format, "the files' format, where their names do not tell");
  append_command->footer(
      "Nothing of a file is committed before all of it was read without error.\n"
      "Examples:\n"
      "  lancefs append trips.lance may.csv june.parquet\n"
      "  lancefs append s3://bucket/all.lance gs://other/trips.lance --path 'query/fare.gt=50/rows.arrows'\n"
      "  zcat may.jsonl.gz | lancefs append trips.lance - --format jsonl\n");
  CreateArguments create;
  CLI::App* create_command = app.add_subcommand("create", "create a dataset from a file of rows");
  create_command->add_option("URI", create.uri)->required();
  create_command->add_option("FILE", create.file, "as for append")->required();
  create_command->add_option("--path", create.path, "of another dataset: what is taken");
  create_command->add_option("--format", create.format, "the file's format, where its name does not tell");
  create_command->add_option("--data-version", create.data_version, "version of the data files: 2.0, 2.1 or 2.2")
      ->capture_default_str();
  VerifyArguments verify;
  CLI::App* verify_command = app.add_subcommand("verify", "check that a dataset's files are there and sound");
  verify_command->add_option("URI", verify.uri)->required();
  verify_command->add_option("--at-version", verify.version, "check this version instead of the latest");
  verify_command->add_flag("--read", verify.read_rows, "also read every value, as a reader of the table would");
  verify_command->add_flag(
      "--deep", verify.deep,
      "also decode every page of every column, compare row ids, look at blobs and index files; names what is "
      "broken by file, column and page");
  verify_command->footer(
      "Exit status 1 when a problem was found.\n"
      "Examples:\n"
      "  lancefs verify trips.lance\n"
      "  lancefs verify --deep s3://bucket/trips.lance --at-version 7\n"
      "  lancefs verify --deep trips.lance --json | jq -r '.problems[]'\n");
  DumpArguments dump;
  CLI::App* dump_command = app.add_subcommand("dump", "show what one file of a dataset is made of");
  dump_command->add_option("FILE", dump.file, "a data file, manifest, transaction or deletion file: a path or URI")->required();
  dump_command->add_option("--bytes", dump.leading_bytes, "also show that many leading bytes of every page buffer, in hex");
  dump_command->footer(
      "Data files: footer, schema, and of each column the pages with their rows, encodings and buffers.\n"
      "Examples:\n"
      "  lancefs dump trips.lance/data/0110.lance\n"
      "  lancefs dump --bytes 32 s3://bucket/trips.lance/data/0110.lance\n"
      "  lancefs dump trips.lance/_versions/18446744073709551614.manifest\n"
      "  lancefs dump --json trips.lance/data/0110.lance | jq '.columns[].pages[].encoding.is | keys[]'\n");
  for (CLI::App* command :
       {mount_command, info_command, ls_command, cat_command, append_command, create_command, verify_command, dump_command}) {
    AddShared(command, &global);
  }

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? 0 : 2;
  }
  global.mount_options = SplitCommas(global.mount_options);
  for (const std::string& option : global.kept_options) global.mount_options.push_back(option);
  if (!global.log_file.empty()) {
    const Status status = OpenLogFile(global.log_file);
    if (!status.ok()) return Report(status);
  }
  if (!global.log_level.empty()) {
    const Status status = SetLogLevel(global.log_level);
    if (!status.ok()) return Report(status);
  }
  if (*mount_command) return Report(RunMount(global, mount));
  if (*umount_command) return Report(RunUmount(umount));
  std::signal(SIGINT, OnSignal);
  std::signal(SIGTERM, OnSignal);
  if (*info_command) return Report(RunInfo(global, tree, g_context));
  if (*ls_command) return Report(RunLs(global, tree, g_context));
  if (*cat_command) return Report(RunCat(global, tree, g_context));
  if (*append_command) return Report(RunAppend(global, append, g_context));
  if (*create_command) return Report(RunCreate(global, create, g_context));
  if (*dump_command) return Report(RunDump(global, dump, g_context));
  return Report(RunVerify(global, verify, g_context));
}

}  // namespace

int main(int argc, char** argv) {
  // Decoded columns grow and go all the time. Arrow's first choice of an allocator hands out fresh pages for
  // that again and again, which the kernel must clear: half of the time of a scan (docs/benchmarks.md).
  ::setenv("ARROW_DEFAULT_MEMORY_POOL", "jemalloc", /*overwrite=*/0);
  KeepMemoryPrivate(true);
  try {
    return Main(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "lancefs: internal error: %s\n", error.what());
    return 1;
  }
}
