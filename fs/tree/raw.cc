// SPDX-License-Identifier: Apache-2.0
//
// raw/: the dataset's own objects, byte for byte, as any Lance reader wants them. A folder is one LIST, kept for `refresh`
// seconds; names are literal.
#include <map>
#include <set>

#include "fs/tree/directory.h"

namespace lancefs {
namespace {

// How long a name that was listed is believed in without another LIST: what Lance writes is never changed, only removed.
constexpr auto kListedAge = std::chrono::seconds(60);

struct RawListing {
  std::map<std::string, ObjectMeta> files;
  std::set<std::string> directories;
};
using RawListingPtr = std::shared_ptr<const RawListing>;

Result<RawListingPtr> ListRaw(ObjectStore& store, const std::string& prefix, const OpContext& ctx) {
  ListRequest request;
  request.prefix = prefix;
  LANCEFS_ASSIGN_OR_RETURN(ListResult result, store.List(request, ctx));
  auto listing = std::make_shared<RawListing>();
  for (const std::string& directory : result.directories) {
    const std::string name = directory.substr(prefix.size(), directory.size() - prefix.size() - 1);
    if (!name.empty()) listing->directories.insert(name);
  }
  for (ObjectMeta& object : result.objects) {
    std::string name = object.path.substr(prefix.size());
    // Object stores may have an object that is called like a folder, or "" for an empty one.
    if (name.empty() || name.find('/') != std::string::npos || listing->directories.contains(name)) continue;
    listing->files.emplace(std::move(name), std::move(object));
  }
  return RawListingPtr(std::move(listing));
}

class RawDirectory : public Directory {
 public:
  // `prefix` is "" or ends with '/'.
  RawDirectory(std::shared_ptr<Mount> mount, std::string key, std::string path, std::shared_ptr<ObjectStore> store,
               std::string prefix)
      : Directory(std::move(mount), std::move(key), std::move(path)), store_(std::move(store)), prefix_(std::move(prefix)) {
    listing_ = std::make_shared<Refreshed<RawListingPtr>>(
        [store = store_, prefix = prefix_](const OpContext& ctx) { return ListRaw(*store, prefix, ctx); });
  }

  Result<Child> Lookup(const std::string& name, const Scope& scope) override {
    const OpContext soon = scope.Soon();
    if (!MayChange(name)) {
      Result<RawListingPtr> known = listing_->Get(kListedAge, soon, scope.may_wait);
      if (known.ok() && Has(**known, name)) return Found(**known, name);
    }
    LANCEFS_ASSIGN_OR_RETURN(RawListingPtr listing, listing_->Get(mount_->options.refresh, soon, scope.may_wait));
    if (!Has(*listing, name) && IsNamedElsewhere(name)) {
      if (!scope.may_wait) return Status::Unavailable("the folder has to be listed again");
      LANCEFS_ASSIGN_OR_RETURN(listing, listing_->Reload(soon));
    }
    return Has(*listing, name) ? Result<Child>(Found(*listing, name)) : NoSuch(name);
  }

  Result<std::vector<DirEntry>> List(const Scope& scope) override {
    LANCEFS_ASSIGN_OR_RETURN(RawListingPtr listing, listing_->Get(mount_->options.refresh, scope.ctx, scope.may_wait));
    std::vector<DirEntry> entries;
    for (const std::string& name : listing->directories) entries.push_back(Entry(name, DirectoryKey(name), S_IFDIR));
    for (const auto& [name, object] : listing->files) entries.push_back(Entry(name, FileKey(object), S_IFREG));
    return entries;
  }

 private:
  // The few objects that Lance writes anew under their name.
  bool MayChange(const std::string& name) const {
    return name == "latest_version_hint.json" || prefix_.ends_with("_refs/tags/") || prefix_.ends_with("_refs/branches/");
  }
  // Who asks for such a name has read it in a manifest or in a folder above, which may be newer than the listing.
  // Names with a dot in front are no Lance's: programs look for them everywhere.
  bool IsNamedElsewhere(const std::string& name) const {
    const bool inside = prefix_.ends_with("data/") || prefix_.ends_with("_deletions/") || prefix_.ends_with("_transactions/") ||
                        prefix_.find("_indices/") != std::string::npos;
    return !name.starts_with('.') && (inside || name == "_indices" || name == "_deletions");
  }
  static bool Has(const RawListing& listing, const std::string& name) {
    return listing.directories.contains(name) || listing.files.contains(name);
  }
  std::string DirectoryKey(const std::string& name) const { return key() + "/" + name; }
  // Other bytes are another inode, so that the page cache never mixes them.
  std::string FileKey(const ObjectMeta& object) const {
    return key() + "/" + object.path.substr(prefix_.size()) + "|" + std::to_string(object.size) + "|" +
           std::to_string(object.last_modified_ns) + "|" + object.etag;
  }

  Child Found(const RawListing& listing, const std::string& name) const {
    const std::string child_path = JoinPath(path(), name);
    if (listing.directories.contains(name)) {
      const std::string key = DirectoryKey(name);
      return Child{Make<RawDirectory>(key, mount_, key, child_path, store_, prefix_ + name + "/"), mount_->refresh_seconds()};
    }
    const ObjectMeta& object = listing.files.at(name);
    const std::string key = FileKey(object);
    return Child{
        Make<RawFile>(key, mount_, key, child_path, RawFile::Place{store_, object.path}, object.size, object.last_modified_ns),
        mount_->refresh_seconds()};
  }

  const std::shared_ptr<ObjectStore> store_;
  const std::string prefix_;
  std::shared_ptr<Refreshed<RawListingPtr>> listing_;
};

}  // namespace

NodePtr MakeRawDirectory(const View& view, const std::string& path) {
  const std::string key = view.DirKey("raw");
  const std::string& root = view.table->live().options().path;
  const std::shared_ptr<Mount>& mount = view.mount_ptr();
  return mount->Intern(key, [&]() -> NodePtr {
    return std::make_shared<RawDirectory>(mount, key, path, view.table->live().options().store, root.empty() ? "" : root + "/");
  });
}

}  // namespace lancefs
