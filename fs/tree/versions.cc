// SPDX-License-Identifier: Apache-2.0
//
// versions/: every version as a tree of its own; `latest` and `asof=<time>` are links.
#include "fs/text.h"
#include "fs/tree/table.h"

namespace lancefs {
namespace {

class VersionsDirectory : public ViewDirectory {
 public:
  using ViewDirectory::ViewDirectory;
  double negative_timeout() const override { return 0; }

  Result<Child> Lookup(const std::string& name, const Scope& scope) override {
    if (name == "latest") return Child{Latest(), mount_->refresh_seconds()};
    if (name.starts_with("asof=")) return AsOf(name, scope);
    View view = view_;
    uint64_t version = 0;
    if (!ParseNumber(name, &version) || version == 0) return NoSuch(name);
    LANCEFS_RETURN_NOT_OK(view_.table->Exists(version, scope));
    view.version = version;
    const std::string key = view.DirKey("");
    return Child{Make<TableDirectory>(key, view, key, JoinPath(path(), name)), mount_->refresh_seconds()};
  }

  Result<std::vector<DirEntry>> List(const Scope& scope) override {
    LANCEFS_ASSIGN_OR_RETURN(auto versions, view_.table->Versions(scope));
    std::vector<DirEntry> entries = {{"latest", Latest()->ino(), S_IFLNK}};
    View view = view_;
    for (const VersionInfo& info : *versions) {
      view.version = info.version;
      entries.push_back(Entry(std::to_string(info.version), view.DirKey(""), S_IFDIR));
    }
    return entries;
  }

 private:
  NodePtr Latest() const {
    const std::string key = view_.DirKey("versions/latest");
    return Make<LinkNode>(key, mount_, key, JoinPath(path(), "latest"),
                          [view = view_](const Scope& scope) -> Result<std::string> {
                            LANCEFS_ASSIGN_OR_RETURN(DatasetPtr dataset, view.Require(scope));
                            return std::to_string(dataset->version());
                          });
  }

  Result<Child> AsOf(const std::string& name, const Scope& scope) const {
    const std::string text = name.substr(5);
    LANCEFS_ASSIGN_OR_RETURN(int64_t time_ns, ParseTime(text));
    LANCEFS_RETURN_NOT_OK(view_.table->VersionAsOf(time_ns, scope).status());
    const std::string key = view_.DirKey("versions/asof=" + std::to_string(time_ns));
    NodePtr node =
        Make<LinkNode>(key, mount_, key, JoinPath(path(), name), [view = view_, time_ns](const Scope& s) -> Result<std::string> {
          LANCEFS_ASSIGN_OR_RETURN(uint64_t version, view.table->VersionAsOf(time_ns, s));
          return std::to_string(version);
        });
    return Child{node, mount_->refresh_seconds()};
  }
};

}  // namespace

NodePtr MakeVersionsDirectory(const View& view, const std::string& path) {
  return MakeViewDirectory<VersionsDirectory>(view, "versions", path);
}

}  // namespace lancefs
