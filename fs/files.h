// SPDX-License-Identifier: Apache-2.0
//
// The kinds of files in the tree:
//
//   TextFile    a text that is made from memory: fixed for a version, or made anew for every open (status/)
//   LoadedFile  a text that costs a request: its size is an estimate until it was opened
//   RowsFile    rows of a query in one format, or its count: a QueryResult
//   RawFile     an object of the store, byte for byte, by ranged reads
//   LinkNode    a symbolic link
//
// Thread safety: as Node.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "fs/node.h"
#include "fs/path_grammar.h"
#include "fs/result.h"
#include "fs/table.h"

namespace lancefs {

// Attributes that all nodes of a mount have in common.
FileAttr BaseAttr(const Mount& mount, const Node& node, uint32_t type, uint32_t permissions, int64_t time_ns);
// With that size, known exactly.
void SetSize(FileAttr* attr, uint64_t size);

// Bytes in memory as an open file.
std::unique_ptr<OpenFile> OpenText(std::string text, bool direct_io, bool keep_cache);
std::unique_ptr<OpenFile> OpenBytes(Bytes bytes, bool direct_io, bool keep_cache);

class TextFile : public Node {
 public:
  using Make = std::function<Result<std::string>(const Caller&)>;
  // `fixed`: made once, the kernel may keep it for ever. Else made for every stat and open.
  TextFile(std::shared_ptr<Mount> mount, std::string key, std::string path, int64_t time_ns, bool fixed, Make make)
      : Node(std::move(key), std::move(path)),
        mount_(std::move(mount)),
        time_ns_(time_ns),
        fixed_(fixed),
        make_(std::move(make)) {}
  FileAttr Attr(const Scope& scope) override;
  double attr_timeout() const override { return fixed_ ? kForever : 0; }
  Result<std::unique_ptr<OpenFile>> Open(const Scope& scope) override;

 private:
  Result<std::string> Text(const Caller& caller);

  const std::shared_ptr<Mount> mount_;
  const int64_t time_ns_;
  const bool fixed_;
  const Make make_;
  std::mutex mutex_;
  std::optional<std::string> text_;  // guarded by mutex_; of a fixed file
};

class LoadedFile : public Node {
 public:
  using Load = std::function<Result<std::string>(const OpContext&)>;
  LoadedFile(std::shared_ptr<Mount> mount, std::string key, std::string path, int64_t time_ns, Load load);
  FileAttr Attr(const Scope& scope) override;
  Result<std::unique_ptr<OpenFile>> Open(const Scope& scope) override;

 private:
  const std::shared_ptr<Mount> mount_;
  const int64_t time_ns_;
  std::shared_ptr<Refreshed<std::string>> text_;
};

class RowsFile : public Node {
 public:
  enum class Content { kRows, kHead, kCount };
  struct Source {
    std::shared_ptr<const Dataset> dataset;
    std::shared_ptr<const BoundQuery> query;
    RowFormat format = RowFormat::kJsonl;
    Content content = Content::kRows;
  };
  RowsFile(std::shared_ptr<Mount> mount, std::string key, std::string path, Source source);
  FileAttr Attr(const Scope& scope) override;
  double attr_timeout() const override { return mount_->results().KnownSize(key()) ? kForever : 0; }
  Result<std::unique_ptr<OpenFile>> Open(const Scope& scope) override;
  std::vector<std::string> ListXattr() override;
  std::optional<std::string> GetXattr(const std::string& name) override;

 private:
  ResultSpec Spec() const;
  std::optional<std::chrono::milliseconds> Budget() const;
  void Sharpen(const OpContext& ctx);

  const std::shared_ptr<Mount> mount_;
  const Source source_;
  std::atomic<uint64_t> estimate_;  // not less than the size that is not known yet
  std::mutex sharpening_;
  bool sharpened_ = false;  // guarded by sharpening_
};

class RawFile : public Node {
 public:
  // Where its first byte is.
  struct Place {
    std::shared_ptr<ObjectStore> store;
    std::string object;
    uint64_t offset = 0;
  };
  // What the file is made for: kWhole lets the kernel read ahead as far as it likes; of a large kParts file no more is read
  // than was asked for, but for a quarter on top where somebody reads on and on.
  enum class Reads { kWhole, kParts };
  RawFile(std::shared_ptr<Mount> mount, std::string key, std::string path, Place place, uint64_t size, int64_t time_ns,
          Reads reads = Reads::kWhole)
      : Node(std::move(key), std::move(path)),
        mount_(std::move(mount)),
        place_(std::move(place)),
        size_(size),
        time_ns_(time_ns),
        reads_(reads) {}
  FileAttr Attr(const Scope& scope) override;
  double attr_timeout() const override { return kForever; }
  Result<std::unique_ptr<OpenFile>> Open(const Scope& scope) override;

 private:
  const std::shared_ptr<Mount> mount_;
  const Place place_;
  const uint64_t size_;
  const int64_t time_ns_;
  const Reads reads_;
};

class LinkNode : public Node {
 public:
  using Target = std::function<Result<std::string>(const Scope&)>;
  // `size`: of a target that is known already.
  LinkNode(std::shared_ptr<Mount> mount, std::string key, std::string path, Target target, uint64_t size = 0)
      : Node(std::move(key), std::move(path)), mount_(std::move(mount)), target_(std::move(target)), size_(size) {}
  FileAttr Attr(const Scope& scope) override;
  Result<std::string> ReadLink(const Scope& scope) override { return target_(scope); }

 private:
  const std::shared_ptr<Mount> mount_;
  const Target target_;
  const uint64_t size_;
};

}  // namespace lancefs
