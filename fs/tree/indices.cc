// SPDX-License-Identifier: Apache-2.0
//
// indices/: what the manifest says about each index.
#include <algorithm>

#include "fs/describe.h"
#include "fs/tree/directory.h"

namespace lancefs {
namespace {

class IndexDirectory : public ViewDirectory {
 public:
  IndexDirectory(View view, std::string key, std::string path, std::string index)
      : ViewDirectory(std::move(view), std::move(key), std::move(path)), index_(std::move(index)) {}

  Result<Child> Lookup(const std::string& name, const Scope& scope) override {
    if (name != kInfo) return NoSuch(name);
    LANCEFS_ASSIGN_OR_RETURN(DatasetPtr dataset, view_.Require(scope));
    LANCEFS_ASSIGN_OR_RETURN(const std::string info, IndexInfoJson(*dataset, index_));
    return Child{
        MakeText(InfoKey(*dataset), name, dataset->timestamp_ns(), [info](const Caller&) -> Result<std::string> { return info; }),
        view_.entry_timeout()};
  }
  Result<std::vector<DirEntry>> List(const Scope& scope) override {
    LANCEFS_ASSIGN_OR_RETURN(DatasetPtr dataset, view_.Require(scope));
    return std::vector<DirEntry>{Entry(kInfo, InfoKey(*dataset), S_IFREG)};
  }

 private:
  static constexpr const char* kInfo = "info.json";
  std::string InfoKey(const Dataset& dataset) const { return view_.FileKey(dataset, "indices/" + index_ + "/info.json"); }

  const std::string index_;
};

class IndicesDirectory : public ViewDirectory {
 public:
  using ViewDirectory::ViewDirectory;

  Result<Child> Lookup(const std::string& name, const Scope& scope) override {
    const Result<std::string> index = DecodeName(name);
    if (!index.ok() || IsProbe(name)) return NoSuch(name);
    LANCEFS_ASSIGN_OR_RETURN(DatasetPtr dataset, view_.Require(scope));
    LANCEFS_ASSIGN_OR_RETURN(const std::vector<std::string> names, IndexNames(*dataset));
    if (!std::binary_search(names.begin(), names.end(), *index)) return NoSuch(name);
    const std::string key = Key(*index);
    return Child{Make<IndexDirectory>(key, view_, key, JoinPath(path(), name), *index), view_.entry_timeout()};
  }
  Result<std::vector<DirEntry>> List(const Scope& scope) override {
    LANCEFS_ASSIGN_OR_RETURN(DatasetPtr dataset, view_.Require(scope));
    LANCEFS_ASSIGN_OR_RETURN(const std::vector<std::string> names, IndexNames(*dataset));
    std::vector<DirEntry> entries;
    for (const std::string& name : names) entries.push_back(Entry(EncodeName(name), Key(name), S_IFDIR));
    return entries;
  }

 private:
  std::string Key(const std::string& index) const { return view_.DirKey("indices/" + index); }
};

}  // namespace

NodePtr MakeIndicesDirectory(const View& view, const std::string& path) {
  return MakeViewDirectory<IndicesDirectory>(view, "indices", path);
}

}  // namespace lancefs
