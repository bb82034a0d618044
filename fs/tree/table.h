// SPDX-License-Identifier: Apache-2.0
//
// The root of a table's tree; internal to fs/tree/. The same class is the live root, a version and a branch: its View
// tells which folders it has (RULES 9).
//
// Thread safety: as Node.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fs/tree.h"
#include "fs/tree/directory.h"

namespace lancefs {

class TableDirectory : public ViewDirectory {
 public:
  using ViewDirectory::ViewDirectory;

  Result<Child> Lookup(const std::string& name, const Scope& scope) override;
  Result<std::vector<DirEntry>> List(const Scope& scope) override;
  FileAttr Attr(const Scope&) override { return BaseAttr(*mount_, *this, S_IFDIR, TakesSchema() ? 0755 : 0555, TimeNs()); }
  Result<NodePtr> WritableDirectory(const std::string& name) override;

  const std::shared_ptr<Table>& table() const { return view_.table; }

 private:
  // Whether the table is still to be created here, so that its schema may be written (RULES 10).
  bool TakesSchema() const;
  std::shared_ptr<AppendNode> SchemaDirectory() const;
  Result<Child> LookupNewSchema() const;
  // A file that was closed a moment ago may still be on its way into a version (RULES 23).
  Status Settle(const Scope& scope) const;
  // Absent when `name` is no folder that this tree has.
  std::optional<Result<Child>> LookupDirectory(const std::string& name, const Scope& scope) const;
  Result<Child> LookupAppend(const Scope& scope) const;
  std::string TextKey(const Dataset& dataset, const std::string& name) const;
  NodePtr Unborn() const;
  Result<Child> LookupText(const std::string& name, const DatasetPtr& dataset) const;

  BindingCache binding_;
};

}  // namespace lancefs
