// SPDX-License-Identifier: Apache-2.0
#include "fs/files.h"

#include <algorithm>

#include "base/log.h"
#include "engine/scan/scanner.h"
#include "fs/result_size.h"
#include "fs/row_producer.h"
#include "fs/text.h"

namespace lancefs {
namespace {

constexpr uint64_t kUnknownSize = 4096;
constexpr uint64_t kHeadRows = 1000;
constexpr uint64_t kUncachedFrom = 256 << 10;  // smaller blobs are read whole and kept by the kernel
constexpr char kErrorXattr[] = "user.lancefs.error";

class TextOpenFile : public OpenFile {
 public:
  TextOpenFile(Bytes text, bool direct_io, bool keep_cache)
      : text_(std::move(text)), direct_io_(direct_io), keep_cache_(keep_cache) {}
  bool direct_io() const override { return direct_io_; }
  bool keep_cache() const override { return keep_cache_; }
  std::optional<Result<Bytes>> TryRead(uint64_t offset, size_t size) override {
    if (offset >= text_.size()) return Result<Bytes>(Bytes());
    return Result<Bytes>(text_.Slice(offset, std::min<uint64_t>(size, text_.size() - offset)));
  }
  Result<Bytes> Read(uint64_t offset, size_t size, const OpContext&) override { return *TryRead(offset, size); }
  Result<std::optional<uint64_t>> TrueSize(const OpContext&) override { return std::optional<uint64_t>(text_.size()); }

 private:
  const Bytes text_;
  const bool direct_io_;
  const bool keep_cache_;
};

class RowsOpenFile : public OpenFile {
 public:
  explicit RowsOpenFile(std::unique_ptr<ResultReader> reader) : reader_(std::move(reader)) {}
  // A growing result has no size that the page cache could go by.
  bool direct_io() const override { return !reader_->exact(); }
  bool keep_cache() const override { return reader_->exact(); }
  std::optional<Result<Bytes>> TryRead(uint64_t offset, size_t size) override { return reader_->TryRead(offset, size); }
  Result<Bytes> Read(uint64_t offset, size_t size, const OpContext& ctx) override { return reader_->Read(offset, size, ctx); }
  Result<std::optional<uint64_t>> TrueSize(const OpContext& ctx) override {
    LANCEFS_ASSIGN_OR_RETURN(uint64_t size, reader_->Complete(ctx));
    return std::optional<uint64_t>(size);
  }

 private:
  const std::unique_ptr<ResultReader> reader_;
};

// Reads an object or a part of it. From remote stores, sequential readers get more than they ask for: first a little,
// then whole blocks, and the next one is fetched while they read.
class RawOpenFile : public OpenFile {
 public:
  RawOpenFile(RawFile::Place place, uint64_t size, bool direct_io)
      : place_(std::move(place)), size_(size), direct_io_(direct_io), blocks_from_(direct_io ? kRamp : kBlock / 4) {}
  bool direct_io() const override { return direct_io_; }
  bool keep_cache() const override { return !direct_io_; }

  Result<Bytes> Read(uint64_t offset, size_t size, const OpContext& ctx) override {
    if (offset >= size_) return Bytes();
    size = static_cast<size_t>(std::min<uint64_t>(size, size_ - offset));
    if (place_.store->traits().is_local) return ReadRange(offset, size, ctx);
    uint64_t run = 0;
    {
      std::lock_guard lock(mutex_);
      // The kernel's readahead may arrive a little out of order.
      const bool sequential = offset <= high_ + (1 << 20) && offset + kBlock > high_;
      high_ = std::max(high_, offset + size);
      run = run_ = sequential ? run_ + size : 0;
    }
    if (run >= blocks_from_) return ReadBlocks(offset, size, ctx);
    return direct_io_ ? ReadAhead(offset, size, run, ctx) : ReadRange(offset, size, ctx);
  }

 private:
  static constexpr uint64_t kBlock = 4ULL << 20;
  static constexpr uint64_t kRamp = 4 * kBlock;
  static constexpr size_t kBlocks = 4;

  Result<Bytes> ReadRange(uint64_t offset, uint64_t size, const OpContext& ctx) {
    LANCEFS_ASSIGN_OR_RETURN(std::vector<Bytes> parts,
                             place_.store->ReadRanges(place_.object, {{place_.offset + offset, size}}, ctx));
    return parts[0];
  }

  // With a quarter of what was read in sequence on top, kept for the next read.
  Result<Bytes> ReadAhead(uint64_t offset, uint64_t size, uint64_t run, const OpContext& ctx) {
    Bytes known;  // the front of what is asked for
    {
      std::lock_guard lock(mutex_);
      if (offset >= ahead_from_ && offset < ahead_from_ + ahead_.size()) {
        const uint64_t skip = offset - ahead_from_;
        known = ahead_.Slice(skip, std::min(size, ahead_.size() - skip));
      }
    }
    if (known.size() == size) return known;
    const uint64_t from = offset + known.size(), missing = size - known.size();
    LANCEFS_ASSIGN_OR_RETURN(Bytes bytes, ReadRange(from, std::min(std::max(missing, run / 4), size_ - from), ctx));
    {
      std::lock_guard lock(mutex_);
      ahead_ = bytes;
      ahead_from_ = from;
    }
    if (known.empty()) return bytes.Slice(0, size);
    uint8_t* data = nullptr;
    Bytes out = Bytes::Allocate(size, &data);
    std::memcpy(data, known.data(), known.size());
    std::memcpy(data + known.size(), bytes.data(), missing);
    return out;
  }

  Future<std::vector<Bytes>> Block(uint64_t index) {
    std::lock_guard lock(mutex_);
    auto it = blocks_.find(index);
    if (it != blocks_.end()) return it->second;
    const uint64_t offset = index * kBlock;
    auto future =
        place_.store->ReadRangesAsync(place_.object, {{place_.offset + offset, std::min(kBlock, size_ - offset)}}, OpContext());
    if (blocks_.size() >= kBlocks) blocks_.erase(blocks_.begin()->first < index ? blocks_.begin() : std::prev(blocks_.end()));
    blocks_.emplace(index, future);
    return future;
  }

  Result<Bytes> ReadBlocks(uint64_t offset, size_t size, const OpContext& ctx) {
    const uint64_t first = offset / kBlock, last = (offset + size - 1) / kBlock;
    std::vector<Future<std::vector<Bytes>>> futures;
    for (uint64_t index = first; index <= last; ++index) futures.push_back(Block(index));
    if ((last + 1) * kBlock < size_) (void)Block(last + 1);
    uint8_t* data = nullptr;
    Bytes out = Bytes::Allocate(size, &data);
    for (uint64_t index = first; index <= last; ++index) {
      Result<std::vector<Bytes>> block = futures[index - first].Get(ctx);
      if (!block.ok()) {
        std::lock_guard lock(mutex_);
        blocks_.erase(index);
        return block.status();
      }
      const uint64_t from = std::max(offset, index * kBlock), to = std::min(offset + size, (index + 1) * kBlock);
      if (first == last) return (*block)[0].Slice(from - index * kBlock, to - from);
      std::memcpy(data + (from - offset), (*block)[0].data() + (from - index * kBlock), to - from);
    }
    return out;
  }

  const RawFile::Place place_;
  const uint64_t size_;
  const bool direct_io_;
  const uint64_t blocks_from_;  // bytes in sequence from which on blocks are read
  std::mutex mutex_;
  uint64_t high_ = 0;  // guarded by mutex_, like all below
  uint64_t run_ = 0;   // bytes read in sequence
  Bytes ahead_;
  uint64_t ahead_from_ = 0;
  std::map<uint64_t, Future<std::vector<Bytes>>> blocks_;
};

// `count` of a question that has a filter.
class CountProducer : public ResultProducer {
 public:
  CountProducer(std::shared_ptr<const Dataset> dataset, ScanOptions options)
      : dataset_(std::move(dataset)), options_(std::move(options)) {}
  Result<bool> Next(const ByteSink& sink, bool, const OpContext& ctx) override {
    LANCEFS_ASSIGN_OR_RETURN(uint64_t count, CountRows(dataset_, options_, ctx));
    const std::string text = std::to_string(count) + "\n";
    LANCEFS_RETURN_NOT_OK(sink({reinterpret_cast<const uint8_t*>(text.data()), text.size()}));
    return false;
  }

 private:
  const std::shared_ptr<const Dataset> dataset_;
  const ScanOptions options_;
};

ResultShape ShapeOf(const RowsFile::Source& source) {
  const BoundQuery& query = *source.query;
  const uint64_t rows = source.content == RowsFile::Content::kHead ? std::min(kHeadRows, query.max_rows) : query.max_rows;
  return {query.scan, *query.schema, rows, source.format};
}

uint64_t Estimate(const RowsFile::Source& source) {
  return source.content == RowsFile::Content::kCount ? kUnknownSize : EstimateResultBytes(*source.dataset, ShapeOf(source));
}

}  // namespace

FileAttr BaseAttr(const Mount& mount, const Node& node, uint32_t type, uint32_t permissions, int64_t time_ns) {
  FileAttr attr;
  attr.ino = node.ino();
  attr.mode = type | (permissions & ~mount.options.umask);
  attr.uid = mount.options.uid;
  attr.gid = mount.options.gid;
  attr.atime_ns = attr.mtime_ns = attr.ctime_ns = time_ns != 0 ? time_ns : mount.started_ns;
  return attr;
}

void SetSize(FileAttr* attr, uint64_t size) {
  attr->size = size;
  attr->blocks = (size + 511) / 512;
}

std::unique_ptr<OpenFile> OpenText(std::string text, bool direct_io, bool keep_cache) {
  return OpenBytes(Bytes::FromString(std::move(text)), direct_io, keep_cache);
}

std::unique_ptr<OpenFile> OpenBytes(Bytes bytes, bool direct_io, bool keep_cache) {
  return std::make_unique<TextOpenFile>(std::move(bytes), direct_io, keep_cache);
}

// ---- TextFile -----------------------------------------------------------------------------------

Result<std::string> TextFile::Text(const Caller& caller) {
  if (!fixed_) return make_(caller);
  std::lock_guard lock(mutex_);
  if (!text_) {
    LANCEFS_ASSIGN_OR_RETURN(text_, make_(caller));
  }
  return *text_;
}

FileAttr TextFile::Attr(const Scope& scope) {
  FileAttr attr = BaseAttr(*mount_, *this, S_IFREG, 0444, fixed_ ? time_ns_ : NowNs());
  Result<std::string> text = Text(scope.caller);
  SetSize(&attr, text.ok() ? text->size() : kUnknownSize);
  return attr;
}

Result<std::unique_ptr<OpenFile>> TextFile::Open(const Scope& scope) {
  LANCEFS_ASSIGN_OR_RETURN(std::string text, Text(scope.caller));
  return OpenText(std::move(text), /*direct_io=*/!fixed_, /*keep_cache=*/fixed_);
}

// ---- LoadedFile ---------------------------------------------------------------------------------

LoadedFile::LoadedFile(std::shared_ptr<Mount> mount, std::string key, std::string path, int64_t time_ns, Load load)
    : Node(std::move(key), std::move(path)),
      mount_(std::move(mount)),
      time_ns_(time_ns),
      text_(std::make_shared<Refreshed<std::string>>(std::move(load))) {}

FileAttr LoadedFile::Attr(const Scope&) {
  FileAttr attr = BaseAttr(*mount_, *this, S_IFREG, 0444, time_ns_);
  attr.size = kUnknownSize;
  if (auto text = text_->Peek()) SetSize(&attr, text->size());
  return attr;
}

Result<std::unique_ptr<OpenFile>> LoadedFile::Open(const Scope& scope) {
  LANCEFS_ASSIGN_OR_RETURN(std::string text, text_->Get(mount_->options.refresh, scope.ctx, scope.may_wait));
  return OpenText(std::move(text), /*direct_io=*/false, /*keep_cache=*/false);
}

// ---- RowsFile -----------------------------------------------------------------------------------

RowsFile::RowsFile(std::shared_ptr<Mount> mount, std::string key, std::string path, Source source)
    : Node(std::move(key), std::move(path)), mount_(std::move(mount)), source_(std::move(source)), estimate_(Estimate(source_)) {}

FileAttr RowsFile::Attr(const Scope&) {
  FileAttr attr = BaseAttr(*mount_, *this, S_IFREG, 0444, source_.dataset->timestamp_ns());
  if (std::optional<uint64_t> size = mount_->results().KnownSize(key())) {
    SetSize(&attr, *size);
    return attr;
  }
  // The estimate holds even if the result has outgrown it; no blocks, so that du does not count it.
  attr.size = std::max(estimate_.load(), (mount_->results().GrownSize(key()) * 2 + 4095) / 4096 * 4096);
  return attr;
}

ResultSpec RowsFile::Spec() const {
  ResultSpec spec;
  spec.key = key();
  spec.streams = source_.content == Content::kRows && RowFormatStreams(source_.format);
  // What OPEN runs to its end, or for a while, need not have its first rows before the others.
  const bool runs = !spec.streams || Budget().value_or(std::chrono::milliseconds(1)).count() > 0;
  spec.make = [source = source_, runs](const OpContext&) -> Result<std::unique_ptr<ResultProducer>> {
    ScanOptions scan = source.query->scan;
    scan.reads_all = runs && !(scan.filter != nullptr && scan.limit);
    if (source.content == Content::kCount)
      return std::unique_ptr<ResultProducer>(new CountProducer(source.dataset, std::move(scan)));
    if (source.content == Content::kHead) scan.limit = std::min(scan.limit.value_or(kHeadRows), kHeadRows);
    return MakeRowProducer(source.dataset, scan, source.format);
  };
  return spec;
}

// How long OPEN may run the query; absent = to its end.
std::optional<std::chrono::milliseconds> RowsFile::Budget() const {
  const FilesystemOptions& options = mount_->options;
  if (source_.content != Content::kRows || options.sizes == SizeMode::kExact) return std::nullopt;
  if (options.sizes == SizeMode::kStream) return std::chrono::milliseconds(0);
  const BoundQuery& query = *source_.query;
  const Dataset& dataset = *source_.dataset;
  if (query.has_filter || dataset.num_rows() == 0) return options.open_budget;
  const double share = static_cast<double>(query.max_rows) / static_cast<double>(dataset.num_rows());
  const bool large = static_cast<double>(dataset.data_bytes()) * share > static_cast<double>(options.large_bytes);
  return large ? std::chrono::milliseconds(0) : options.open_budget;
}

Result<std::unique_ptr<OpenFile>> RowsFile::Open(const Scope& scope) {
  if (!scope.may_wait) return Status::Unavailable("the query has to run");
  LANCEFS_ASSIGN_OR_RETURN(auto reader, mount_->results().Open(Spec(), Budget(), scope.ctx));
  if (!reader->exact()) Sharpen(scope.ctx);
  return std::unique_ptr<OpenFile>(new RowsOpenFile(std::move(reader)));
}

// Who opened a result that is streamed may take the size that fstat tells for what to allocate.
void RowsFile::Sharpen(const OpContext& ctx) {
  std::lock_guard lock(sharpening_);  // whoever comes second needs the answer, too
  if (sharpened_) return;
  // The first rows of a large table shall cost little; who ran the query for a while has opened many files.
  const uint64_t most_files = Budget() == std::chrono::milliseconds(0) ? 8 : 64;
  const Result<std::optional<uint64_t>> bytes = MeasureResultBytes(source_.dataset, ShapeOf(source_), most_files, ctx);
  sharpened_ = bytes.ok() || !bytes.status().Is(StatusCode::kCancelled);
  if (bytes.ok()) {
    if (*bytes) estimate_ = **bytes;
    return;
  }
  // Whatever it is, reading will tell.
  Log(LogLevel::kDebug, "no better estimate of a size", {{"path", path()}, {"error", bytes.status().ToString()}});
}

std::vector<std::string> RowsFile::ListXattr() {
  return mount_->results().LastFailure(key()) ? std::vector<std::string>{kErrorXattr} : std::vector<std::string>();
}

std::optional<std::string> RowsFile::GetXattr(const std::string& name) {
  if (name != kErrorXattr) return std::nullopt;
  const std::optional<Status> failure = mount_->results().LastFailure(key());
  if (!failure) return std::nullopt;
  return failure->ToString();
}

// ---- RawFile, LinkNode --------------------------------------------------------------------------

FileAttr RawFile::Attr(const Scope&) {
  FileAttr attr = BaseAttr(*mount_, *this, S_IFREG, 0444, time_ns_);
  SetSize(&attr, size_);
  return attr;
}

Result<std::unique_ptr<OpenFile>> RawFile::Open(const Scope&) {
  // The kernel reads ahead of who reads through its cache.
  const bool direct_io = reads_ == Reads::kParts && size_ > kUncachedFrom;
  return std::unique_ptr<OpenFile>(new RawOpenFile(place_, size_, direct_io));
}

FileAttr LinkNode::Attr(const Scope&) {
  FileAttr attr = BaseAttr(*mount_, *this, S_IFLNK, 0777, 0);
  attr.size = size_;
  return attr;
}

}  // namespace lancefs
