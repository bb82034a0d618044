// SPDX-License-Identifier: Apache-2.0
//
// fragments/: the pieces of a version, with their files byte for byte.
#include <algorithm>

#include "engine/format/deletion_vector.h"
#include "fs/describe.h"
#include "fs/tree/directory.h"

namespace lancefs {
namespace {

// The file names of a fragment: the last segment of each path, and the object it stands for.
std::string DataFileName(const pb::DataFile& file) { return EncodeName(file.path()); }

class FilesDirectory : public ViewDirectory {
 public:
  using ViewDirectory::ViewDirectory;

  Result<Child> Lookup(const std::string& name, const Scope& scope) override {
    LANCEFS_ASSIGN_OR_RETURN(DatasetPtr dataset, view_.Require(scope));
    LANCEFS_ASSIGN_OR_RETURN(const pb::DataFragment* fragment, Find(*dataset));
    for (const pb::DataFile& file : fragment->files()) {
      if (DataFileName(file) != name && file.path() != name) continue;
      LANCEFS_ASSIGN_OR_RETURN(RawFile::Place place, PlaceOf(*dataset, file));
      uint64_t size = file.file_size_bytes();
      if (size == 0) {  // written by an old version: the manifest does not say
        if (!scope.may_wait) return Status::Unavailable("the object's size has to be asked for");
        LANCEFS_ASSIGN_OR_RETURN(auto meta, place.store->Head(place.object, scope.Soon()));
        if (!meta) return Status::NotFound("the object " + place.object + " is missing");
        size = meta->size;
      }
      const std::string key = Key(file);
      return Child{Make<RawFile>(key, mount_, key, JoinPath(path(), name), place, size, dataset->timestamp_ns()),
                   view_.entry_timeout()};
    }
    return NoSuch(name);
  }

  Result<std::vector<DirEntry>> List(const Scope& scope) override {
    LANCEFS_ASSIGN_OR_RETURN(DatasetPtr dataset, view_.Require(scope));
    LANCEFS_ASSIGN_OR_RETURN(const pb::DataFragment* fragment, Find(*dataset));
    std::vector<DirEntry> entries;
    for (const pb::DataFile& file : fragment->files()) entries.push_back(Entry(DataFileName(file), Key(file), S_IFREG));
    return entries;
  }

 private:
  // Data files are never overwritten: their identity needs no version.
  std::string Key(const pb::DataFile& file) const {
    return view_.table->key() + "|file|" + (file.has_base_id() ? std::to_string(file.base_id()) : "") + "|" + file.path();
  }

  static Result<RawFile::Place> PlaceOf(const Dataset& dataset, const pb::DataFile& file) {
    std::optional<uint32_t> base;
    if (file.has_base_id()) base = file.base_id();
    LANCEFS_ASSIGN_OR_RETURN(ResolvedBase directory, dataset.Directory(base, "data"));
    return RawFile::Place{directory.store, directory.path.empty() ? file.path() : directory.path + "/" + file.path()};
  }

  Result<const pb::DataFragment*> Find(const Dataset& dataset) const {
    for (const pb::DataFragment& fragment : dataset.manifest().fragments()) {
      if (fragment.id() == *view_.fragment) return &fragment;
    }
    return Status::NotFound("version " + std::to_string(dataset.version()) + " has no fragment " +
                            std::to_string(*view_.fragment));
  }
};

class FragmentDirectory : public ViewDirectory {
 public:
  using ViewDirectory::ViewDirectory;

  Result<Child> Lookup(const std::string& name, const Scope& scope) override {
    if (name == "query") return Child{MakeQueryDirectory(view_, JoinPath(path(), name)), view_.entry_timeout()};
    if (name == "files") {
      const std::string key = view_.DirKey("files");
      return Child{Make<FilesDirectory>(key, view_, key, JoinPath(path(), name)), view_.entry_timeout()};
    }
    const bool rows = RowsNames::IsName(name) && name != "explain.txt" && name != "error" && name != "schema.json";
    if (!rows && name != "info.json" && name != "deleted") return NoSuch(name);
    LANCEFS_ASSIGN_OR_RETURN(DatasetPtr dataset, view_.Require(scope));
    LANCEFS_ASSIGN_OR_RETURN(size_t index, Index(*dataset));
    if (rows) {
      LANCEFS_ASSIGN_OR_RETURN(auto bound, binding_.Get(Query(), dataset, view_.fragment));
      LANCEFS_ASSIGN_OR_RETURN(NodePtr node, RowsNames(view_, mount_, path()).Find(name, dataset, bound));
      return Child{node, view_.entry_timeout()};
    }
    const std::string key = view_.FileKey(*dataset, name);
    if (name == "info.json") {
      return Child{MakeText(key, name, dataset->timestamp_ns(),
                            [dataset, index](const Caller&) -> Result<std::string> { return FragmentInfoJson(*dataset, index); }),
                   view_.entry_timeout()};
    }
    auto load = [dataset, index](const OpContext& ctx) { return DeletedOffsets(*dataset, index, ctx); };
    return Child{Make<LoadedFile>(key, mount_, key, JoinPath(path(), name), dataset->timestamp_ns(), load),
                 view_.entry_timeout()};
  }

  Result<std::vector<DirEntry>> List(const Scope& scope) override {
    LANCEFS_ASSIGN_OR_RETURN(DatasetPtr dataset, view_.Require(scope));
    LANCEFS_RETURN_NOT_OK(Index(*dataset).status());
    LANCEFS_ASSIGN_OR_RETURN(auto bound, binding_.Get(Query(), dataset, view_.fragment));
    const RowsNames names(view_, mount_, path());
    std::vector<DirEntry> entries;
    for (const char* name : {"info.json", "deleted"}) entries.push_back(Entry(name, view_.FileKey(*dataset, name), S_IFREG));
    entries.push_back(Entry("count", names.Key(*dataset, *bound, "count"), S_IFREG));
    for (std::string_view name : kListedRows)
      entries.push_back(Entry(std::string(name), names.Key(*dataset, *bound, std::string(name)), S_IFREG));
    for (const char* name : {"query", "files"}) entries.push_back(Entry(name, view_.DirKey(name), S_IFDIR));
    return entries;
  }

 private:
  Result<size_t> Index(const Dataset& dataset) const {
    const auto& fragments = dataset.fragments();
    for (size_t i = 0; i < fragments.size(); ++i) {
      if (fragments[i].id == *view_.fragment) return i;
    }
    return Status::NotFound("version " + std::to_string(dataset.version()) + " has no fragment " +
                            std::to_string(*view_.fragment));
  }

  // Physical offsets of the deleted rows, one a line.
  static Result<std::string> DeletedOffsets(const Dataset& dataset, size_t index, const OpContext& ctx) {
    LANCEFS_ASSIGN_OR_RETURN(auto deletions, dataset.Deletions(index, ctx));
    std::string text;
    if (!deletions) return text;
    LANCEFS_ASSIGN_OR_RETURN(const std::vector<uint32_t> offsets, deletions->Offsets());
    for (const uint32_t offset : offsets) text += std::to_string(offset) + "\n";
    return text;
  }

  BindingCache binding_;
};

class FragmentsDirectory : public ViewDirectory {
 public:
  using ViewDirectory::ViewDirectory;

  Result<Child> Lookup(const std::string& name, const Scope& scope) override {
    View view = view_;
    uint64_t id = 0;
    if (!ParseNumber(name, &id)) return NoSuch(name);
    LANCEFS_ASSIGN_OR_RETURN(DatasetPtr dataset, view_.Require(scope));
    const auto& fragments = dataset->fragments();
    if (std::none_of(fragments.begin(), fragments.end(), [&](const FragmentInfo& f) { return f.id == id; })) return NoSuch(name);
    view.fragment = id;
    const std::string key = view.DirKey("");
    return Child{Make<FragmentDirectory>(key, view, key, JoinPath(path(), name)), view_.entry_timeout()};
  }

  Result<std::vector<DirEntry>> List(const Scope& scope) override {
    LANCEFS_ASSIGN_OR_RETURN(DatasetPtr dataset, view_.Require(scope));
    std::vector<DirEntry> entries;
    View view = view_;
    for (const FragmentInfo& fragment : dataset->fragments()) {
      view.fragment = fragment.id;
      entries.push_back(Entry(std::to_string(fragment.id), view.DirKey(""), S_IFDIR));
    }
    return entries;
  }
};

}  // namespace

NodePtr MakeFragmentsDirectory(const View& view, const std::string& path) {
  return MakeViewDirectory<FragmentsDirectory>(view, "fragments", path);
}

}  // namespace lancefs
