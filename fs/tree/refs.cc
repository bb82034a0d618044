// SPDX-License-Identifier: Apache-2.0
//
// tags/ and branches/: links to versions, and the trees of other lines of versions. Only main has them (RULES 9).
#include "engine/write/refs.h"

#include <algorithm>
#include <cctype>

#include "fs/tree/table.h"

namespace lancefs {
namespace {

// The path that a tag's link has, seen from tags/.
std::string TagTarget(const TagInfo& tag) {
  const std::string branch = tag.branch.empty() || tag.branch == "main" ? "" : "branches/" + EncodeName(tag.branch) + "/";
  return "../" + branch + "versions/" + std::to_string(tag.version);
}

// What such a link says. Absent = another path. `version` is a name of versions/.
struct LinkTarget {
  std::string branch;
  std::string version;
};
std::optional<LinkTarget> ParseTarget(std::string_view target) {
  while (target.ends_with('/')) target.remove_suffix(1);
  LinkTarget parsed;
  constexpr std::string_view kUp = "../", kBranches = "branches/", kVersions = "versions/";
  if (!target.starts_with(kUp)) return std::nullopt;
  target.remove_prefix(kUp.size());
  if (target.starts_with(kBranches)) {
    target.remove_prefix(kBranches.size());
    const size_t end = target.find('/');
    Result<std::string> branch = DecodeName(target.substr(0, end));
    if (end == std::string_view::npos || !branch.ok()) return std::nullopt;
    parsed.branch = *branch;
    target.remove_prefix(end + 1);
  }
  if (!target.starts_with(kVersions)) return std::nullopt;
  parsed.version = target.substr(kVersions.size());
  if (parsed.version.find('/') != std::string::npos) return std::nullopt;
  return parsed;
}

// The name that `ln -sf` of coreutils links first and renames then. The rename is not allowed, so the link must not be made.
bool IsTemporaryName(const std::string& name) {
  return name.size() == 8 && name.starts_with("Cu") &&
         std::all_of(name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c); });
}

class TagsDirectory : public ViewDirectory {
 public:
  using ViewDirectory::ViewDirectory;
  FileAttr Attr(const Scope&) override {
    return BaseAttr(*mount_, *this, S_IFDIR, mount_->options.read_only ? 0555 : 0755, TimeNs());
  }

  Result<Child> Lookup(const std::string& name, const Scope& scope) override {
    Result<std::string> tag = DecodeName(name);
    if (!tag.ok() || IsProbe(name)) return NoSuch(name);
    Scope soon = scope;
    soon.ctx = scope.Soon();
    LANCEFS_ASSIGN_OR_RETURN(auto tags, view_.table->Tags(soon));
    const auto found = tags->find(*tag);
    if (found == tags->end()) return NoSuch(name);
    return Child{Link(found->first, found->second), mount_->refresh_seconds()};
  }

  Result<std::vector<DirEntry>> List(const Scope& scope) override {
    LANCEFS_ASSIGN_OR_RETURN(auto tags, view_.table->Tags(scope));
    std::vector<DirEntry> entries;
    for (const auto& [name, tag] : *tags) entries.push_back(Entry(EncodeName(name), Key(name, tag), S_IFLNK));
    return entries;
  }

  // ln -s ../versions/7 v7
  Result<Child> Symlink(const std::string& name, const std::string& target, const Scope& scope) override {
    if (mount_->options.read_only) return Status::ReadOnly("this mount is read-only");
    if (IsTemporaryName(name)) return Status::ReadOnly("a tag cannot be moved here");
    LANCEFS_RETURN_NOT_OK(CheckTagName(name));
    const std::optional<LinkTarget> parsed = ParseTarget(target);
    if (!parsed)
      return Status::InvalidArgument("a tag points to ../versions/<n> or ../branches/<name>/versions/<n>, not to " + target);
    LANCEFS_ASSIGN_OR_RETURN(DatasetPtr dataset, Tagged(*parsed, scope));
    LANCEFS_RETURN_NOT_OK(CreateTag(*dataset, name, scope.ctx));
    const TagInfo tag{dataset->branch(), dataset->version()};
    view_.table->AddedTag(name, tag);
    return Child{Link(name, tag), mount_->refresh_seconds()};
  }

  Result<NodePtr> WritableDirectory(const std::string& name) override {
    return Status::ReadOnly("tags can be made here (ln -s ../versions/<n> tags/<name>), not moved or removed: " + name);
  }

 private:
  std::string Key(const std::string& name, const TagInfo& tag) const {
    return view_.DirKey("tags/" + name + "|" + TagTarget(tag));
  }
  NodePtr Link(const std::string& name, const TagInfo& tag) const {
    const std::string key = Key(name, tag), target = TagTarget(tag);
    return Make<LinkNode>(
        key, mount_, key, JoinPath(path(), EncodeName(name)), [target](const Scope&) -> Result<std::string> { return target; },
        target.size());
  }

  Result<DatasetPtr> Tagged(const LinkTarget& target, const Scope& scope) const {
    std::shared_ptr<Table> table = view_.table;
    if (!target.branch.empty()) {
      LANCEFS_ASSIGN_OR_RETURN(table, table->Branch(target.branch, scope));
    }
    if (target.version == "latest") return View{table, std::nullopt, std::nullopt}.Require(scope);
    uint64_t version = 0;
    if (!ParseNumber(target.version, &version) || version == 0) {
      return Status::InvalidArgument("'" + target.version + "' is no version");
    }
    return table->At(version, scope);
  }
};

class BranchesDirectory : public ViewDirectory {
 public:
  using ViewDirectory::ViewDirectory;

  Result<Child> Lookup(const std::string& name, const Scope& scope) override {
    Result<std::string> branch = DecodeName(name);
    if (!branch.ok() || IsProbe(name)) return NoSuch(name);
    Result<std::shared_ptr<Table>> table = view_.table->Branch(*branch, scope);
    if (!table.ok()) return table.status().Is(StatusCode::kNotFound) ? NoSuch(name) : table.status();
    return Child{MakeTree(View{*table, std::nullopt, std::nullopt}, JoinPath(path(), name)), mount_->refresh_seconds()};
  }

  Result<std::vector<DirEntry>> List(const Scope& scope) override {
    LANCEFS_ASSIGN_OR_RETURN(auto branches, view_.table->Branches(scope));
    std::vector<DirEntry> entries;
    for (const auto& [name, branch] : *branches) {
      entries.push_back(Entry(EncodeName(name), Table::KeyOf(view_.table->uri(), name) + "|live|", S_IFDIR));
    }
    return entries;
  }

 private:
  static NodePtr MakeTree(const View& view, const std::string& path) { return MakeViewDirectory<TableDirectory>(view, "", path); }
};

}  // namespace

NodePtr MakeTagsDirectory(const View& view, const std::string& path) {
  return MakeViewDirectory<TagsDirectory>(view, "tags", path);
}

NodePtr MakeBranchesDirectory(const View& view, const std::string& path) {
  return MakeViewDirectory<BranchesDirectory>(view, "branches", path);
}

}  // namespace lancefs
