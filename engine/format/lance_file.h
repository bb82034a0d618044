// SPDX-License-Identifier: Apache-2.0
//
// The container of data files: footer, column metadata, page tables (docs/lance/file.md 1 and 7). Opening
// reads the file's tail once; small files come whole with it, and later reads are served from that
// tail where they lie in it.
//
// Files of 0.1 do not number their columns: there, column i is the field whose id is i above the
// smallest id among the file's fields, which the manifest tells.
//
// Thread safety: all calls, from any thread.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "backends/object_store.h"
#include "engine/format/file_version.h"

namespace lancefs {

struct PageInfo {
  uint64_t first_row = 0;          // prefix sum of lengths, in the column's own domain
  uint64_t length = 0;             // rows (2.1+) or values (2.0)
  std::vector<ByteRange> buffers;  // page buffers in the file
  std::string encoding;            // serialized ArrayEncoding (2.0) or PageLayout (2.1+)
};

// A page of a 0.1 file: the values of one field in one batch. Its size depends on the field's type,
// so nothing of it was checked.
struct LegacyPage {
  uint64_t position = 0;
  uint64_t length = 0;  // values; lists have one more offset than rows
};

struct ColumnInfo {
  std::vector<PageInfo> pages;           // none in 0.1
  std::vector<LegacyPage> legacy_pages;  // 0.1: one a batch
  uint64_t num_rows = 0;                 // sum of the page lengths
  std::vector<ByteRange> buffers;        // column buffers, normally none
  std::string encoding;                  // serialized v20::ColumnEncoding; empty = plain values
  uint64_t data_bytes = 0;               // sum of all page buffer sizes
};

class LanceFile {
 public:
  // `size_hint` is the file size if known (0 = unknown). A wrong hint is tolerated.
  // Errors: kNotFound, kCorruption (naming the file and what is wrong), kNotSupported (version).
  static Result<std::shared_ptr<LanceFile>> Open(std::shared_ptr<ObjectStore> store, std::string path, uint64_t size_hint,
                                                 const OpContext& ctx);

  FileVersion version() const { return version_; }
  const std::string& path() const { return path_; }
  uint64_t size() const { return size_; }
  uint32_t num_columns() const { return num_columns_; }  // 0 in 0.1
  // 0.1: the first row of every batch, and the number of rows last. Empty: no rows.
  const std::vector<uint32_t>& batch_offsets() const { return batch_offsets_; }
  // 0.1: a serialized pb::LegacyStatistics; may be empty.
  const std::string& legacy_statistics() const { return legacy_statistics_; }
  // Rows of the file. Without I/O where the tail holds the file's descriptor, as it mostly does.
  Result<uint64_t> CountRows(const OpContext& ctx);
  const std::shared_ptr<ObjectStore>& store() const { return store_; }

  // The metadata of those columns, read in one round for all that are not known yet. Every page
  // buffer was checked to lie inside the file.
  Result<std::vector<std::shared_ptr<const ColumnInfo>>> Columns(const std::vector<uint32_t>& indices, const OpContext& ctx);
  // The serialized FileDescriptor (global buffer 0) and the other global buffers' places.
  Result<Bytes> GlobalBuffer(uint32_t index, const OpContext& ctx);
  // As ObjectStore::ReadRangesAsync, served from the tail in memory where possible.
  Future<std::vector<Bytes>> ReadRangesAsync(std::vector<ByteRange> ranges, const OpContext& ctx);

  // The same for values of columns. In 0.1 the values of a row stand far apart, between those of all other rows of its batch:
  // they are read one by one, where a store elsewhere counts the bytes, and only joined while little is read in vain.
  Result<std::vector<Bytes>> ReadValues(std::vector<ByteRange> ranges, const OpContext& ctx);

  // A cache slot for decoders: what random access needs of a page (chunk tables, dictionaries). The
  // first value stored for a key wins; readers of one file share it.
  std::shared_ptr<const void> CachedPageState(uint32_t column, size_t page) const;
  void CachePageState(uint32_t column, size_t page, std::shared_ptr<const void> state);

 private:
  LanceFile() = default;
  Status ReadFooter(uint64_t size_hint, const OpContext& ctx);
  Status ReadLegacyMetadata(const OpContext& ctx);
  Status ReadTables(const OpContext& ctx);
  Result<ByteRange> ColumnPlace(uint32_t index) const;
  Result<std::shared_ptr<const ColumnInfo>> ParseColumn(const Bytes& bytes) const;

  std::shared_ptr<ObjectStore> store_;
  std::string path_;
  FileVersion version_ = FileVersion::kV2_0;
  uint64_t size_ = 0;
  uint32_t num_columns_ = 0;
  Bytes tail_;  // the file's last bytes
  uint64_t tail_offset_ = 0;
  std::vector<ByteRange> column_metadata_;  // places of the ColumnMetadata messages
  std::vector<ByteRange> global_buffers_;
  std::vector<uint32_t> batch_offsets_;  // 0.1
  uint64_t page_table_ = 0;              // 0.1: its place
  std::string legacy_statistics_;        // 0.1

  mutable std::mutex mutex_;
  std::unordered_map<uint32_t, std::shared_ptr<const ColumnInfo>> columns_;  // guarded by mutex_; those that were read
  std::unordered_map<uint64_t, std::shared_ptr<const void>> page_states_;    // guarded by mutex_
};

}  // namespace lancefs
