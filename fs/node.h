// SPDX-License-Identifier: Apache-2.0
//
// Node: one inode of the tree. Directories find and list their children, files open, links name
// their target; everything else a node answers from memory.
//
// Identity: a node is known by its key, "<uri>|<version or live>|<canonical path>". Two lookups of
// one key give the same Node while anybody holds it, and its inode number is the xxh3 of the key, so
// it survives a remount (RULES 34). Files belong to one version: a new version means new nodes, and
// the page cache never mixes versions. Directories of the live tree belong to none; they find their
// children in the newest version, so that a shell standing in `query/` keeps its place.
//
// Waiting: nothing here may wait when `Scope::may_wait` is false; it answers kUnavailable instead and is asked again
// from a pool. Only Refreshed values (RULES 20) and Open cause I/O.
//
// Thread safety: all calls, from any thread.
#pragma once

#include <chrono>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/context.h"
#include "base/status.h"
#include "fs/types.h"

namespace lancefs {

// A slow LOOKUP stalls its directory for everyone (RULES 20).
inline constexpr std::chrono::milliseconds kLookupWait{1000};

// Who asks, until when, and whether the answer may wait for I/O.
struct Scope {
  OpContext ctx;
  Caller caller;
  bool may_wait = true;
  std::chrono::milliseconds lookup_wait = kLookupWait;

  // What finding a name may wait for I/O.
  OpContext Soon() const { return ctx.WithTimeout(lookup_wait); }
};

inline constexpr double kForever = 365.0 * 86400;  // seconds that the kernel may keep an answer

class Node;
using NodePtr = std::shared_ptr<Node>;

struct Child {
  NodePtr node;
  double entry_timeout = 0;  // seconds
};

// One open file.
class OpenFile {
 public:
  virtual ~OpenFile() = default;
  virtual bool direct_io() const { return false; }
  virtual bool keep_cache() const { return false; }
  // The answer if it is there without a wait.
  virtual std::optional<Result<Bytes>> TryRead(uint64_t offset, size_t size) { return std::nullopt; }
  virtual Result<Bytes> Read(uint64_t offset, size_t size, const OpContext& ctx) = 0;
  // The true size for GETATTR with this handle, found out if need be; absent = the node knows.
  virtual Result<std::optional<uint64_t>> TrueSize(const OpContext& ctx) { return std::optional<uint64_t>(); }
};

class Node : public std::enable_shared_from_this<Node> {
 public:
  Node(std::string key, std::string path);
  virtual ~Node() = default;

  uint64_t ino() const { return ino_; }
  const std::string& key() const { return key_; }
  // As it was first asked for, below the mount; for messages.
  const std::string& path() const { return path_; }

  virtual FileAttr Attr(const Scope& scope) = 0;
  // Seconds that the kernel may keep Attr().
  virtual double attr_timeout() const { return 0; }

  virtual Result<Child> Lookup(const std::string& name, const Scope& scope);
  // Seconds that the kernel may remember that a name is not here.
  virtual double negative_timeout() const { return 0; }
  virtual Result<std::vector<DirEntry>> List(const Scope& scope);
  virtual Result<std::unique_ptr<OpenFile>> Open(const Scope& scope);
  virtual Result<std::string> ReadLink(const Scope& scope);
  virtual std::vector<std::string> ListXattr() { return {}; }
  virtual std::optional<std::string> GetXattr(const std::string& name) { return std::nullopt; }
  // mkdir; kReadOnly except where tables are made.
  virtual Result<Child> Mkdir(const std::string& name, const Scope& scope);
  // ln -s; kReadOnly except where tags are made.
  virtual Result<Child> Symlink(const std::string& name, const std::string& target, const Scope& scope);
  // The append area's directory (an AppendNode) to which changes of `name` in this directory go. From memory.
  // kReadOnly except where there is one.
  virtual Result<NodePtr> WritableDirectory(const std::string& name);

 private:
  const std::string key_;
  const std::string path_;
  const uint64_t ino_;
};

// The inode number of a key: its xxh3, never 0 or 1.
uint64_t InodeOf(std::string_view key);

}  // namespace lancefs
