// SPDX-License-Identifier: Apache-2.0
#include "engine/rows/text_source.h"

#include <fcntl.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <cerrno>
#include <cstring>
#include <vector>

namespace lancefs::rows {
namespace {

class FileSource : public ByteSource {
 public:
  explicit FileSource(int fd) : fd_(fd) {}
  ~FileSource() override { ::close(fd_); }
  Result<size_t> Read(char* out, size_t size) override {
    while (true) {
      const ssize_t got = ::read(fd_, out, size);
      if (got >= 0) return static_cast<size_t>(got);
      if (errno != EINTR) return Status::IoError(std::string("cannot read the file: ") + std::strerror(errno));
    }
  }

 private:
  int fd_;
};

// Members may follow each other, as gzip files that were joined with cat.
class GzipSource : public ByteSource {
 public:
  explicit GzipSource(std::unique_ptr<ByteSource> source) : source_(std::move(source)), input_(256 * 1024) {}
  ~GzipSource() override {
    if (open_) inflateEnd(&stream_);
  }
  Result<size_t> Read(char* out, size_t size) override {
    stream_.next_out = reinterpret_cast<Bytef*>(out);
    stream_.avail_out = static_cast<uInt>(std::min<size_t>(size, size_t{1} << 30));
    const uInt room = stream_.avail_out;
    while (stream_.avail_out == room) {
      if (stream_.avail_in == 0 && !input_end_) {
        LANCEFS_ASSIGN_OR_RETURN(const size_t got, source_->Read(input_.data(), input_.size()));
        input_end_ = got == 0;
        stream_.next_in = reinterpret_cast<Bytef*>(input_.data());
        stream_.avail_in = static_cast<uInt>(got);
      }
      if (stream_.avail_in == 0 && !in_member_) return size_t{0};
      if (stream_.avail_in == 0) return Status::InvalidArgument("the gzip data is truncated");
      LANCEFS_RETURN_NOT_OK(Step());
    }
    return static_cast<size_t>(room - stream_.avail_out);
  }

 private:
  Status Step() {
    if (!in_member_) {
      const int made = open_ ? inflateReset(&stream_) : inflateInit2(&stream_, 15 + 16);
      if (made != Z_OK) return Status::ResourceExhausted("cannot start gzip decompression");
      open_ = true;
      in_member_ = true;
    }
    const int code = inflate(&stream_, Z_NO_FLUSH);
    if (code == Z_STREAM_END) {
      in_member_ = false;
    } else if (code != Z_OK && code != Z_BUF_ERROR) {
      return Status::InvalidArgument(std::string("damaged gzip data: ") + (stream_.msg != nullptr ? stream_.msg : "unknown"));
    }
    return Status::OK();
  }

  std::unique_ptr<ByteSource> source_;
  std::vector<char> input_;
  z_stream stream_{};
  bool open_ = false;
  bool in_member_ = false;
  bool input_end_ = false;
};

class ZstdSource : public ByteSource {
 public:
  explicit ZstdSource(std::unique_ptr<ByteSource> source)
      : source_(std::move(source)), input_(ZSTD_DStreamInSize()), stream_(ZSTD_createDStream(), &ZSTD_freeDStream) {}
  Result<size_t> Read(char* out, size_t size) override {
    ZSTD_outBuffer to{out, size, 0};
    while (to.pos == 0) {
      if (from_.pos == from_.size && !input_end_) {
        LANCEFS_ASSIGN_OR_RETURN(const size_t got, source_->Read(input_.data(), input_.size()));
        input_end_ = got == 0;
        from_ = {input_.data(), got, 0};
      }
      const bool drained = from_.pos == from_.size;
      if (drained && !in_frame_) return size_t{0};
      const size_t wanted = ZSTD_decompressStream(stream_.get(), &to, &from_);
      if (ZSTD_isError(wanted)) return Status::InvalidArgument(std::string("damaged zstd data: ") + ZSTD_getErrorName(wanted));
      in_frame_ = wanted != 0;
      if (drained && in_frame_ && to.pos == 0) return Status::InvalidArgument("the zstd data is truncated");
    }
    return to.pos;
  }

 private:
  std::unique_ptr<ByteSource> source_;
  std::vector<char> input_;
  std::unique_ptr<ZSTD_DStream, size_t (*)(ZSTD_DStream*)> stream_;
  ZSTD_inBuffer from_{nullptr, 0, 0};
  bool in_frame_ = false;
  bool input_end_ = false;
};

}  // namespace

Result<std::unique_ptr<ByteSource>> OpenByteSource(const std::string& path, Compression compression) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    const std::string text = "cannot open " + path + ": " + std::strerror(errno);
    return errno == ENOENT ? Status::NotFound(text) : errno == EACCES ? Status::PermissionDenied(text) : Status::IoError(text);
  }
  (void)::posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
  std::unique_ptr<ByteSource> source = std::make_unique<FileSource>(fd);
  if (compression == Compression::kGzip) source = std::make_unique<GzipSource>(std::move(source));
  if (compression == Compression::kZstd) source = std::make_unique<ZstdSource>(std::move(source));
  return source;
}

Status ChunkSource::Fill(size_t capacity, char* memory, size_t* size) {
  while (*size < capacity && !at_end_) {
    LANCEFS_ASSIGN_OR_RETURN(const size_t got, source_->Read(memory + *size, capacity - *size));
    at_end_ = got == 0;
    *size += got;
  }
  return Status::OK();
}

Result<bool> ChunkSource::Next(TextChunk* chunk) {
  if (done_) return false;
  size_t capacity = std::max<size_t>({chunk_bytes_, carry_.size() * 2, 16});
  auto memory = std::make_unique_for_overwrite<char[]>(capacity + kPadding);
  size_t size = carry_.size();
  std::memcpy(memory.get(), carry_.data(), size);
  carry_.clear();
  chunk->first = !started_;
  chunk->last = chunk->too_long = false;
  size_t mark = 0;  // length of the byte order mark
  while (true) {
    LANCEFS_RETURN_NOT_OK(Fill(capacity, memory.get(), &size));
    if (!started_) {
      const std::string_view head(memory.get(), size);
      if (head.starts_with("\xff\xfe") || head.starts_with("\xfe\xff")) {
        return Status::InvalidArgument("the file is UTF-16 text; UTF-8 is needed");
      }
      mark = head.starts_with("\xef\xbb\xbf") ? 3 : 0;
    }
    if (at_end_) {
      chunk->last = done_ = true;
      break;
    }
    const size_t cut = cutter_(memory.get() + mark, size - mark, chunk->first);
    if (cut > 0) {
      carry_.assign(memory.get() + mark + cut, size - mark - cut);
      size = mark + cut;
      break;
    }
    if (capacity >= kMaxRecordBytes) {
      chunk->too_long = chunk->last = done_ = true;
      break;
    }
    capacity *= 2;
    auto larger = std::make_unique_for_overwrite<char[]>(capacity + kPadding);
    std::memcpy(larger.get(), memory.get(), size);
    memory = std::move(larger);
  }
  started_ = true;
  std::memset(memory.get() + size, 0, kPadding);
  chunk->begin = memory.get() + mark;
  chunk->end = memory.get() + size;
  chunk->memory = std::move(memory);
  return true;
}

}  // namespace lancefs::rows
