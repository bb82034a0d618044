// SPDX-License-Identifier: Apache-2.0
#include "fs/node.h"

#include <xxhash.h>

namespace lancefs {

uint64_t InodeOf(std::string_view key) {
  const uint64_t hash = XXH3_64bits(key.data(), key.size());
  return hash > 1 ? hash : hash + 2;  // 0 is no inode, 1 is the root of the mount
}

Node::Node(std::string key, std::string path) : key_(std::move(key)), path_(std::move(path)), ino_(InodeOf(key_)) {}

Result<Child> Node::Lookup(const std::string& name, const Scope&) { return Status::NotFound(path_ + " has no '" + name + "'"); }
Result<std::vector<DirEntry>> Node::List(const Scope&) { return Status::InvalidArgument(path_ + " is not a directory"); }
Result<std::unique_ptr<OpenFile>> Node::Open(const Scope&) { return Status::InvalidArgument(path_ + " is not a file"); }
Result<std::string> Node::ReadLink(const Scope&) { return Status::InvalidArgument(path_ + " is not a link"); }
Result<Child> Node::Mkdir(const std::string& name, const Scope&) {
  return Status::ReadOnly("nothing can be created in " + (path_.empty() ? "/" : path_) + ": " + name);
}

Result<Child> Node::Symlink(const std::string& name, const std::string&, const Scope&) {
  return Status::ReadOnly("no link can be made in " + (path_.empty() ? "/" : path_) + ": " + name);
}

Result<NodePtr> Node::WritableDirectory(const std::string&) {
  return Status::ReadOnly("nothing can be changed in " + (path_.empty() ? "/" : path_) + "; new rows go into append/");
}

}  // namespace lancefs
