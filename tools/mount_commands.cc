// SPDX-License-Identifier: Apache-2.0
//
// mount, umount.
#include <arrow/compute/initialize.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <thread>

#include "backends/option_catalog.h"
#include "base/log.h"
#include "base/uri.h"
#include "engine/arrow_status.h"
#include "tools/cache_options.h"
#include "tools/mount_options.h"
#include "tools/private_memory.h"

namespace lancefs {
namespace {

// Options of mount(8) and systemd that say nothing to us.
bool IsForeign(const std::string& key) {
  return key == "-netdev" || key == "_netdev" || key == "nofail" || key == "noauto" || key == "auto" || key == "user" ||
         key == "users" || key == "defaults" || key.starts_with("x-");
}
bool IsForKernel(const std::string& key) {
  return key == "noexec" || key == "exec" || key == "nosuid" || key == "suid" || key == "nodev" || key == "dev" ||
         key == "noatime" || key == "atime" || key == "sync";
}

template <typename Number>
Status TakeNumber(const std::string& key, const std::string& value, int base, Number* out) {
  char* end = nullptr;
  errno = 0;
  const unsigned long long number = std::strtoull(value.c_str(), &end, base);
  if (value.empty() || *end != '\0' || errno != 0 || number > UINT32_MAX)
    return Status::InvalidArgument("option " + key + ": '" + value + "' is no number");
  *out = static_cast<uint32_t>(number);
  return Status::OK();
}

Status TakeOption(const std::string& key, const std::string& value, MountOptions* options) {
  FilesystemOptions& fs = options->filesystem;
  auto flag = [&](bool* out) -> Status {
    LANCEFS_ASSIGN_OR_RETURN(*out, ParseBool(value));
    return Status::OK();
  };
  auto size = [&](uint64_t* out) -> Status {
    LANCEFS_ASSIGN_OR_RETURN(*out, ParseSize(value));
    return Status::OK();
  };
  auto time = [&](std::chrono::milliseconds* out) -> Status {
    LANCEFS_ASSIGN_OR_RETURN(const uint64_t ms, ParseMilliseconds(value));
    *out = std::chrono::milliseconds(ms);
    return Status::OK();
  };
  const std::vector<std::string>& cache = CacheKeys();
  if (std::find(cache.begin(), cache.end(), key) != cache.end()) return Status::OK();  // MakeCacheOptions takes them
  if (key == "ro") return flag(&fs.read_only);
  if (key == "rw" || key == "options-file") return Status::OK();
  if (key == "core-dumps") return TakeCoreDumps(value);
  if (key == "log-level") return SetLogLevel(value);
  if (key == "refresh") return time(&fs.refresh);
  if (key == "open-budget") return time(&fs.open_budget);
  if (key == "spill") return size(&fs.spill_bytes);
  if (key == "large") return size(&fs.large_bytes);
  if (key == "spool") return size(&fs.append.spool_bytes);
  if (key == "allow-other") return flag(&options->allow_other);
  if (key == "default-permissions") return flag(&options->default_permissions);
  if (key == "auto-unmount") return flag(&options->auto_unmount);
  if (key == "debug") return flag(&options->debug);
  if (key == "umask") return TakeNumber(key, value, 8, &fs.umask);
  if (key == "state-dir") {
    options->state_directory = value;
    return Status::OK();
  }
  if (key == "log-file") {
    options->log_file = value;
    return Status::OK();
  }
  if (key == "append-format") {
    fs.append.append_format = value;
    return Status::OK();
  }
  if (key == "retention") {
    std::chrono::milliseconds retention{0};
    LANCEFS_RETURN_NOT_OK(time(&retention));
    fs.append.retention = std::chrono::duration_cast<std::chrono::seconds>(retention);
    return Status::OK();
  }
  if (key == "uid" || key == "gid") {
    uint32_t id = 0;
    LANCEFS_RETURN_NOT_OK(TakeNumber(key, value, 10, &id));
    (key == "uid" ? options->uid : options->gid) = id;
    return Status::OK();
  }
  if (key == "sizes") {
    if (value == "auto")
      fs.sizes = SizeMode::kAuto;
    else if (value == "exact")
      fs.sizes = SizeMode::kExact;
    else if (value == "stream")
      fs.sizes = SizeMode::kStream;
    else
      return Status::InvalidArgument("option sizes: '" + value + "' is none of auto, exact, stream");
    return Status::OK();
  }
  return Status::Internal("option " + key + " is not handled");
}

// The store, and those of tables of a database whose options differ.
Result<MountSource> OpenMountSource(const std::string& uri, const ParsedOptions& options) {
  const StorageOptions storage = options.StorageFor(uri);
  LANCEFS_ASSIGN_OR_RETURN(OpenedStore opened, OpenStore(uri, storage));
  MountSource source{opened.store, opened.path, opened.uri, {}, opened.endpoint};
  for (const std::string& table : options.Tables()) {
    const StorageOptions own = options.StorageFor(ChildUri(uri, table + ".lance"));
    if (own == storage) continue;
    Result<OpenedStore> store = OpenStore(uri, own);
    if (!store.ok()) return store.status().WithContext("options of the table " + table);
    source.table_stores[table] = store->store;
  }
  return source;
}

}  // namespace

Result<MountOptions> MakeMountOptions(const GlobalOptions& global, const std::string& uri, TreeUse use) {
  MountOptions options;
  std::vector<std::string> own;
  for (const std::string& item : global.mount_options) {
    const std::string key = SplitOption(item).first;
    if (IsForeign(key)) continue;
    if (IsForKernel(key)) {
      options.fuse_options.push_back(item);
    } else {
      own.push_back(item);
    }
  }
  LANCEFS_ASSIGN_OR_RETURN(const ParsedOptions merged, MergeOptions(own, global.storage_options, global.options_file));
  const auto parsed = std::make_shared<const ParsedOptions>(merged);
  LANCEFS_ASSIGN_OR_RETURN(const CacheOptions cache, MakeCacheOptions(parsed->own()));
  for (const auto& [key, value] : parsed->own()) LANCEFS_RETURN_NOT_OK(TakeOption(key, value, &options));
  if (!global.log_level.empty()) LANCEFS_RETURN_NOT_OK(SetLogLevel(global.log_level));
  if (!global.log_file.empty()) options.log_file = global.log_file;
  // One line is enough where the log goes to the same terminal.
  const bool has_file = !options.log_file.empty();
  if (use != TreeUse::kForeground || has_file) PrintUnknownOptions(*parsed);
  const bool log_unknown = use != TreeUse::kCommand || has_file;
  options.open_source = [uri, parsed, log_unknown, cache]() -> Result<MountSource> {
    ApplyCacheOptions(cache);
    if (log_unknown) LogUnknownOptions(*parsed);
    LANCEFS_RETURN_NOT_OK(FromArrow(arrow::compute::Initialize()));
    return OpenMountSource(uri, *parsed);
  };
  options.filesystem.resolve_base = [parsed](const std::string& dataset_uri, const std::string& base_uri,
                                             std::optional<uint32_t> base_id) -> Result<ResolvedBase> {
    LANCEFS_ASSIGN_OR_RETURN(OpenedStore base, OpenStore(base_uri, parsed->StorageForBase(dataset_uri, base_uri, base_id)));
    return ResolvedBase{base.store, base.path};
  };
  for (const auto& [key, value] : parsed->own()) options.filesystem.shown_config[key] = value;
  for (const auto& [key, value] : parsed->StorageFor(uri))
    options.filesystem.shown_config[key] = IsSecretOptionValue(key, value) ? "(secret)" : value;
  options.filesystem.make_append_area = MakeAppendArea;
  return options;
}

Status RunMount(const GlobalOptions& global, const MountArguments& arguments) {
  // The daemon's working directory is not ours any more: local names must be absolute before it starts.
  LANCEFS_RETURN_NOT_OK(RefuseSecretUri(arguments.uri));
  LANCEFS_ASSIGN_OR_RETURN(const Uri uri, ParseUri(arguments.uri));
  LANCEFS_ASSIGN_OR_RETURN(MountOptions options,
                           MakeMountOptions(global, uri.scheme == "file" ? uri.path : arguments.uri,
                                            arguments.foreground ? TreeUse::kForeground : TreeUse::kBackground));
  std::error_code error;
  options.mountpoint = std::filesystem::absolute(arguments.directory, error).string();
  if (error) return Status::InvalidArgument(arguments.directory + ": " + error.message());
  options.foreground = arguments.foreground;
  if (options.foreground && !options.log_file.empty()) LANCEFS_RETURN_NOT_OK(OpenLogFile(options.log_file));
  return MountAndServe(options);
}

Status RunUmount(const UmountArguments& arguments) {
  std::error_code error;
  const std::string directory = std::filesystem::absolute(arguments.directory, error).string();
  const int flags = arguments.lazy ? MNT_DETACH : 0;
  if (::geteuid() == 0) {
    if (::umount2(directory.c_str(), flags | UMOUNT_NOFOLLOW) == 0) return Status::OK();
    return Status::IoError("cannot unmount " + directory + ": " + std::strerror(errno));
  }
  const pid_t child = ::fork();
  if (child == 0) {
    ::execlp("fusermount3", "fusermount3", "-u", arguments.lazy ? "-z" : "-q", directory.c_str(), nullptr);
    ::_exit(127);
  }
  int status = 0;
  if (child < 0 || ::waitpid(child, &status, 0) < 0)
    return Status::IoError(std::string("cannot run fusermount3: ") + std::strerror(errno));
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return Status::OK();
  return Status::IoError("fusermount3 could not unmount " + directory);
}

}  // namespace lancefs
