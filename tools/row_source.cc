// SPDX-License-Identifier: Apache-2.0
#include "tools/row_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace lancefs {
namespace {

constexpr const char* kAllRows = "rows.arrows";

std::string BaseName(const std::string& path) { return path.substr(path.rfind('/') + 1); }

Status ErrnoStatus(const std::string& what) { return Status::IoError(what + ": " + std::strerror(errno)); }

// Copies what can be read from `from` to its end.
Status Drain(int from, int to, const std::string& name, const OpContext& ctx) {
  std::string piece(1 << 20, '\0');
  for (;;) {
    LANCEFS_RETURN_NOT_OK(ctx.Check());
    const ssize_t n = ::read(from, piece.data(), piece.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoStatus("cannot read " + name);
    if (n == 0) return Status::OK();
    for (ssize_t done = 0; done < n;) {
      const ssize_t written = ::write(to, piece.data() + done, static_cast<size_t>(n - done));
      if (written < 0 && errno != EINTR) return ErrnoStatus("cannot write a temporary file");
      done += std::max<ssize_t>(written, 0);
    }
  }
}

Status CopyPipe(const std::string& source, int to, const OpContext& ctx) {
  if (source == "-") return Drain(STDIN_FILENO, to, "standard input", ctx);
  const int from = ::open(source.c_str(), O_RDONLY | O_CLOEXEC);
  if (from < 0) return ErrnoStatus("cannot open " + source);
  const Status status = Drain(from, to, source, ctx);
  ::close(from);
  return status;
}

}  // namespace

RowSource::RowSource(RowSource&& other) noexcept
    : file_(std::move(other.file_)), name_(std::move(other.name_)), temporary_(std::exchange(other.temporary_, false)) {}

RowSource::~RowSource() {
  if (temporary_) ::unlink(file_.c_str());
}

Result<int> RowSource::MakeTemporary() {
  const char* folder = std::getenv("TMPDIR");  // /tmp may be memory
  file_ = std::string(folder != nullptr && *folder != '\0' ? folder : "/var/tmp") + "/lancefs-rows-XXXXXX";
  const int fd = ::mkostemp(file_.data(), O_CLOEXEC);
  if (fd < 0) return ErrnoStatus("cannot make the temporary file " + file_);
  temporary_ = true;
  return fd;
}

Result<RowSource> RowSource::Open(const GlobalOptions& global, const std::string& source, const std::string& path,
                                  const OpContext& ctx) {
  RowSource rows;
  struct stat st {};
  const bool exists = source.find("://") == std::string::npos && ::stat(source.c_str(), &st) == 0;
  const bool dataset = source.find("://") != std::string::npos || (exists && S_ISDIR(st.st_mode));
  if (!dataset && !path.empty()) return Status::InvalidArgument("--path is for datasets, and " + source + " is a file");
  if (!dataset && source != "-" && (!exists || S_ISREG(st.st_mode))) {
    if (exists && st.st_size == 0) return Status::InvalidArgument(source + " is empty (0 bytes)");
    rows.file_ = source;
    rows.name_ = BaseName(source);
    return rows;
  }
  LANCEFS_ASSIGN_OR_RETURN(const int fd, rows.MakeTemporary());
  const std::string taken = path.empty() ? kAllRows : path;
  Status status = dataset ? CopyTreeFile(global, TreeArguments{source, taken}, fd, ctx) : CopyPipe(source, fd, ctx);
  const off_t size = ::lseek(fd, 0, SEEK_CUR);
  if (::close(fd) != 0 && status.ok()) status = ErrnoStatus("cannot write a temporary file");
  LANCEFS_RETURN_NOT_OK(status);
  if (size == 0) return Status::InvalidArgument(source + " gave no bytes");
  rows.name_ = dataset ? BaseName(taken) : "rows";
  return rows;
}

}  // namespace lancefs
