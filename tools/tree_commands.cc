// SPDX-License-Identifier: Apache-2.0
//
// info, ls, cat: the mount's tree without a mount, through the same Filesystem that FUSE uses.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <future>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/lancefs_version.h"
#include "fs/filesystem.h"
#include "fs/wait_for_reply.h"
#include "tools/commands.h"
#include "tools/mount_options.h"

namespace lancefs {
namespace {

class Tree {
 public:
  static Result<std::unique_ptr<Tree>> Open(const GlobalOptions& global, const std::string& uri, const std::string& path,
                                            const OpContext& ctx) {
    LANCEFS_RETURN_NOT_OK(RefuseSecretUri(uri));
    LANCEFS_ASSIGN_OR_RETURN(MountOptions options, MakeMountOptions(global, uri, TreeUse::kCommand));
    LANCEFS_ASSIGN_OR_RETURN(const MountSource source, options.open_source());
    FilesystemOptions filesystem = options.filesystem;
    filesystem.store = source.store;
    filesystem.table_stores = source.table_stores;
    filesystem.path = source.path;
    filesystem.uri = source.uri;
    filesystem.read_only = true;
    filesystem.lookup_wait = std::chrono::minutes(10);
    filesystem.make_append_area = nullptr;
    // Text is read once and front to back: what was printed need not be kept. Arrow files and Parquet are read from their end.
    constexpr uint64_t kSpillOfStreams = 64ULL << 20;
    if (!path.ends_with(".parquet") && !path.ends_with(".arrow"))
      filesystem.spill_bytes = std::min(filesystem.spill_bytes, kSpillOfStreams);
    filesystem.state_directory = options.state_directory;
    auto tree = std::unique_ptr<Tree>(new Tree(ctx));
    LANCEFS_ASSIGN_OR_RETURN(tree->filesystem_, Filesystem::Make(std::move(filesystem), ctx));
    return tree;
  }

  Result<EntryReply> Walk(const std::string& path) {
    EntryReply entry;
    entry.ino = kRootInode;
    entry.attr.mode = S_IFDIR;
    std::stringstream parts(path);
    std::string part;
    std::string walked;
    while (std::getline(parts, part, '/')) {
      if (part.empty()) continue;
      walked += (walked.empty() ? "" : "/") + part;
      const auto [error, found] =
          WaitForReply<EntryReply>([&](auto reply) { filesystem_->Lookup(entry.ino, part, caller_, ctx_, reply); });
      if (error == 0 && found.ino != 0 && S_ISLNK(found.attr.mode)) {
        const auto [link_error, target] =
            WaitForReply<std::string>([&](auto reply) { filesystem_->ReadLink(found.ino, caller_, ctx_, reply); });
        if (link_error != 0) return Failure(link_error, walked);
        const size_t slash = walked.rfind('/');
        const std::string folder = slash == std::string::npos ? "" : walked.substr(0, slash + 1);
        std::string rest;
        std::getline(parts, rest, '\0');
        // A tag's target goes up first: "tags/../versions/7/count".
        return Walk(std::filesystem::path(folder + target + "/" + rest).lexically_normal().string());
      }
      if (error != 0 || found.ino == 0) return Failure(error == 0 ? ENOENT : error, walked);
      entry = found;
    }
    return entry;
  }

  Status List(const std::string& path) {
    LANCEFS_ASSIGN_OR_RETURN(const EntryReply entry, Walk(path));
    if (!S_ISDIR(entry.attr.mode)) {
      std::printf("%s\n", path.c_str());
      return Status::OK();
    }
    const auto [error, opened] =
        WaitForReply<OpenReply>([&](auto reply) { filesystem_->OpenDir(entry.ino, caller_, ctx_, reply); });
    if (error != 0) return Failure(error, path);
    const DirListing listing = filesystem_->Listing(opened.handle);
    for (const DirEntry& child : *listing) {
      if (child.name != "." && child.name != "..") std::printf("%s%s\n", child.name.c_str(), child.type == S_IFDIR ? "/" : "");
    }
    filesystem_->ReleaseDir(opened.handle);
    return Status::OK();
  }

  // Calls `take` with the file's bytes, piece by piece.
  template <typename Take>
  Status Read(const std::string& path, Take take) {
    LANCEFS_ASSIGN_OR_RETURN(const EntryReply entry, Walk(path));
    if (S_ISDIR(entry.attr.mode)) return Status::InvalidArgument(path + " is a folder; see `lancefs ls`");
    const auto [error, opened] =
        WaitForReply<OpenReply>([&](auto reply) { filesystem_->Open(entry.ino, O_RDONLY, caller_, ctx_, reply); });
    if (error != 0) return Failure(error, path);
    const uint64_t handle = opened.handle;
    Status status;
    for (uint64_t offset = 0; status.ok();) {
      constexpr size_t kPiece = 1 << 20;
      const auto [read_error, bytes] =
          WaitForReply<Bytes>([&](auto reply) { filesystem_->Read(entry.ino, handle, offset, kPiece, caller_, ctx_, reply); });
      if (read_error != 0) {
        status = Failure(read_error, path);
      } else if (bytes.empty()) {
        break;
      } else {
        status = take(bytes);
        offset += bytes.size();
      }
    }
    std::promise<void> done;
    filesystem_->Release(entry.ino, handle, [&done](int) { done.set_value(); });
    done.get_future().wait();
    return status;
  }

 private:
  explicit Tree(const OpContext& ctx) : ctx_(ctx) {
    caller_.uid = ::getuid();
    caller_.gid = ::getgid();
    caller_.pid = ::getpid();
  }

  Status Failure(int error, const std::string& path) const {
    if (ctx_.cancel.cancelled()) return Status::Cancelled("interrupted");
    const std::string reason = filesystem_->log().LastError(caller_.uid);
    if (error != ENOENT && !reason.empty()) return Status::InvalidArgument(reason);
    return Status::InvalidArgument(path + ": " + std::strerror(error));
  }

  const OpContext ctx_;
  Caller caller_;
  std::shared_ptr<Filesystem> filesystem_;
};

Status WriteTo(int fd, const Bytes& bytes) {
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = ::write(fd, bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      return Status::IoError(std::string(fd == STDOUT_FILENO ? "cannot write to stdout: " : "cannot write a temporary file: ") +
                             std::strerror(errno));
    }
    done += static_cast<size_t>(n);
  }
  return Status::OK();
}

Status WriteOut(const Bytes& bytes) { return WriteTo(STDOUT_FILENO, bytes); }

}  // namespace

Status RunInfo(const GlobalOptions& global, const TreeArguments& arguments, const OpContext& ctx) {
  LANCEFS_ASSIGN_OR_RETURN(auto tree, Tree::Open(global, arguments.uri, arguments.path, ctx));
  std::string info;
  std::string schema;
  auto into = [](std::string* text) {
    return [text](const Bytes& bytes) {
      text->append(bytes.view());
      return Status::OK();
    };
  };
  LANCEFS_RETURN_NOT_OK(tree->Read("info.json", into(&info)));
  if (global.json) return WriteOut(Bytes::FromString(info));
  LANCEFS_RETURN_NOT_OK(tree->Read("schema.txt", into(&schema)));
  const nlohmann::ordered_json json = nlohmann::ordered_json::parse(info, nullptr, false);
  std::string text;
  for (const auto& [key, value] : json.items())
    text += key + ": " + (value.is_string() ? value.get<std::string>() : value.dump()) + "\n";
  return WriteOut(Bytes::FromString(text + "\n" + schema));
}

Status RunLs(const GlobalOptions& global, const TreeArguments& arguments, const OpContext& ctx) {
  LANCEFS_ASSIGN_OR_RETURN(auto tree, Tree::Open(global, arguments.uri, arguments.path, ctx));
  return tree->List(arguments.path);
}

Status RunCat(const GlobalOptions& global, const TreeArguments& arguments, const OpContext& ctx) {
  return CopyTreeFile(global, arguments, STDOUT_FILENO, ctx);
}

Status CopyTreeFile(const GlobalOptions& global, const TreeArguments& arguments, int fd, const OpContext& ctx) {
  LANCEFS_ASSIGN_OR_RETURN(auto tree, Tree::Open(global, arguments.uri, arguments.path, ctx));
  return tree->Read(arguments.path, [fd](const Bytes& bytes) { return WriteTo(fd, bytes); });
}

}  // namespace lancefs
