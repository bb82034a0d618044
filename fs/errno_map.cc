// SPDX-License-Identifier: Apache-2.0
#include "fs/errno_map.h"

#include <cerrno>

#include "base/log.h"

namespace lancefs {

int ErrnoOf(const Status& status, std::string_view operation) {
  switch (status.code()) {
    case StatusCode::kOk: return 0;
    // What only data shows while a file is being read is no fault of the read() call's arguments.
    case StatusCode::kInvalidArgument: return operation == "read" ? EIO : EINVAL;
    case StatusCode::kNotFound: return operation == "read" ? ESTALE : ENOENT;
    case StatusCode::kAlreadyExists: return EEXIST;
    case StatusCode::kPermissionDenied:
    case StatusCode::kUnauthenticated: return EACCES;
    case StatusCode::kNotSupported: return EOPNOTSUPP;
    case StatusCode::kCorruption:
    case StatusCode::kIoError:
    case StatusCode::kUnavailable:
    case StatusCode::kUnknownOutcome:
    case StatusCode::kInternal: return EIO;
    case StatusCode::kConflict: return operation == "rmdir" || operation == "rename" ? ENOTEMPTY : EAGAIN;
    case StatusCode::kResourceExhausted: return ENOSPC;
    case StatusCode::kCancelled: return EINTR;
    case StatusCode::kDeadlineExceeded: return ETIMEDOUT;
    case StatusCode::kStale: return ESTALE;
    case StatusCode::kTooLarge: return EFBIG;
    case StatusCode::kReadOnly: return EROFS;
  }
  return EIO;
}

int ReportError(const Status& status, std::string_view operation, std::string_view path, const Caller& caller, StatusLog* log) {
  const int error_number = ErrnoOf(status, operation);
  if (error_number == 0 || error_number == EINTR) return error_number;
  // Shells and tools ask for names that are not there all day long.
  const bool absence = error_number == ENOENT || error_number == EEXIST || error_number == EROFS || error_number == ENOTEMPTY;
  if (absence) return error_number;
  const bool users_fault = status.Is(StatusCode::kInvalidArgument);
  Log(users_fault ? LogLevel::kInfo : LogLevel::kWarn, "fs_error",
      {{"op", std::string(operation)},
       {"path", std::string(path)},
       {"uid", std::to_string(caller.uid)},
       {"errno", std::to_string(error_number)},
       {"code", std::string(StatusCodeName(status.code()))},
       {"message", status.message()}});
  if (log != nullptr) {
    ErrorRecord record;
    record.uid = caller.uid;
    record.operation = operation;
    record.path = path;
    record.error_number = error_number;
    record.code = StatusCodeName(status.code());
    record.message = status.message();
    log->AddError(std::move(record));
  }
  return error_number;
}

}  // namespace lancefs
