// SPDX-License-Identifier: Apache-2.0
//
// The directories of the tree (docs/tree.md). They are in fs/tree/, a family a file, behind MakeRoot; this header shows
// only what filesystem.cc and tests need.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "fs/append_area.h"
#include "fs/node.h"
#include "fs/table.h"

namespace lancefs {

// The root of a mount: a dataset, or a database whose tables are directories.
NodePtr MakeRoot(std::shared_ptr<Mount> mount);

// A node of an append area: a number only; filesystem.cc hands what is asked of it to the area.
class AppendNode : public Node {
 public:
  AppendNode(std::string key, std::string path, std::shared_ptr<AppendArea> area, AppendArea::Id id)
      : Node(std::move(key), std::move(path)), area_(std::move(area)), id_(id) {}
  const std::shared_ptr<AppendArea>& area() const { return area_; }
  AppendArea::Id id() const { return id_; }
  FileAttr Attr(const Scope& scope) override;
  // The area's attributes with this node's inode number; kNotFound once the drop is gone.
  Result<FileAttr> AreaAttr(std::optional<uint64_t> handle);

 private:
  const std::shared_ptr<AppendArea> area_;
  const AppendArea::Id id_;
};
// The node of `id` in the area whose root is `parent`'s or `parent` itself.
NodePtr MakeAppendNode(Mount& mount, const AppendNode& parent, const std::string& name, AppendArea::Id id);
std::string AppendNodeKey(const AppendNode& parent, AppendArea::Id id);

// Makes the append areas whose spool holds drops of a mount that is gone, so that they commit what was promised
// without waiting for somebody to look into append/.
void TakeUpLeftDrops(const NodePtr& root, const std::string& state_directory);
// All areas that were made, for the end of the mount.
std::vector<std::shared_ptr<AppendArea>> AppendAreas(const NodePtr& root);

}  // namespace lancefs
