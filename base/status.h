// SPDX-License-Identifier: Apache-2.0
//
// Status and Result<T>: how every layer of lancefs reports failure. No exception crosses a layer;
// Arrow's own Status is translated where Arrow is called (engine/arrow_status.h), errno where the
// kernel is called, and the other way round only in fs/errno_map.cc.
//
// Thread safety: values; const calls may run concurrently, anything else needs outside locking.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace lancefs {

enum class StatusCode : uint8_t {
  kOk = 0,
  kInvalidArgument,  // the caller's input is wrong: SQL, rows, options, paths
  kNotFound,         // a named thing is absent (objects: see ObjectStore::Head, absence is a value)
  kAlreadyExists,
  kPermissionDenied,  // the store or the mount's rights said no
  kUnauthenticated,
  kNotSupported,  // a format feature or an option that we refuse by name
  kCorruption,    // foreign bytes break the format
  kIoError,
  kUnavailable,        // transient; worth a retry
  kConflict,           // a concurrent commit cannot be combined with ours
  kResourceExhausted,  // memory, spool or spill budget
  kCancelled,
  kDeadlineExceeded,
  kStale,  // the version or object that was being read is gone or changed
  kTooLarge,
  kReadOnly,        // changes are not allowed in this place
  kUnknownOutcome,  // a write may or may not have been applied
  kInternal,
};

// The stable lower-case name of `code`, e.g. "invalid argument".
std::string_view StatusCodeName(StatusCode code);

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(StatusCode code, std::string message);

  static Status OK() { return Status(); }
#define LANCEFS_STATUS_FACTORY(Name) \
  static Status Name(std::string message) { return Status(StatusCode::k##Name, std::move(message)); }
  LANCEFS_STATUS_FACTORY(InvalidArgument)
  LANCEFS_STATUS_FACTORY(NotFound)
  LANCEFS_STATUS_FACTORY(AlreadyExists)
  LANCEFS_STATUS_FACTORY(PermissionDenied)
  LANCEFS_STATUS_FACTORY(Unauthenticated)
  LANCEFS_STATUS_FACTORY(NotSupported)
  LANCEFS_STATUS_FACTORY(Corruption)
  LANCEFS_STATUS_FACTORY(IoError)
  LANCEFS_STATUS_FACTORY(Unavailable)
  LANCEFS_STATUS_FACTORY(Conflict)
  LANCEFS_STATUS_FACTORY(ResourceExhausted)
  LANCEFS_STATUS_FACTORY(Cancelled)
  LANCEFS_STATUS_FACTORY(DeadlineExceeded)
  LANCEFS_STATUS_FACTORY(Stale)
  LANCEFS_STATUS_FACTORY(TooLarge)
  LANCEFS_STATUS_FACTORY(ReadOnly)
  LANCEFS_STATUS_FACTORY(UnknownOutcome)
  LANCEFS_STATUS_FACTORY(Internal)
#undef LANCEFS_STATUS_FACTORY

  bool ok() const { return state_ == nullptr; }
  StatusCode code() const { return state_ ? state_->code : StatusCode::kOk; }
  bool Is(StatusCode code) const { return this->code() == code; }
  // What went wrong and where; empty when ok.
  const std::string& message() const;
  // "<code name>: <message>", or "ok".
  std::string ToString() const;
  // The same code with "<context>: " before the message. OK stays OK.
  Status WithContext(std::string_view context) const;

 private:
  struct State {
    StatusCode code;
    std::string message;
  };
  std::shared_ptr<const State> state_;  // null = ok
};

// A value or the Status that tells why there is none.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}         // NOLINT: implicit by design
  Result(Status status) : status_(std::move(status)) {  // NOLINT: implicit by design
    if (status_.ok()) status_ = Status::Internal("Result made from an OK status");
  }
  template <typename U>
  requires(std::is_convertible_v<U, T> && !std::is_same_v<std::remove_cvref_t<U>, T> &&
           !std::is_same_v<std::remove_cvref_t<U>, Status> && !std::is_same_v<std::remove_cvref_t<U>, Result>) Result(U&& value)
      : value_(std::forward<U>(value)) {}  // NOLINT: implicit by design

  bool ok() const { return value_.has_value(); }
  const Status& status() const { return status_; }
  // REQUIRES: ok().
  T& operator*() & { return *value_; }
  const T& operator*() const& { return *value_; }
  T&& operator*() && { return std::move(*value_); }
  T* operator->() { return &*value_; }
  const T* operator->() const { return &*value_; }
  T MoveValue() { return std::move(*value_); }

 private:
  std::optional<T> value_;
  Status status_;
};

#define LANCEFS_CONCAT_INNER(a, b) a##b
#define LANCEFS_CONCAT(a, b) LANCEFS_CONCAT_INNER(a, b)
#define LANCEFS_RETURN_NOT_OK(expr)                    \
  do {                                                 \
    ::lancefs::Status lancefs_status_ = (expr);        \
    if (!lancefs_status_.ok()) return lancefs_status_; \
  } while (false)
#define LANCEFS_ASSIGN_OR_RETURN_IMPL(result, lhs, expr) \
  auto&& result = (expr);                                \
  if (!result.ok()) return result.status();              \
  lhs = std::move(result).MoveValue();
// LANCEFS_ASSIGN_OR_RETURN(auto value, MakesResult()); gives the value or leaves the function.
#define LANCEFS_ASSIGN_OR_RETURN(lhs, expr) LANCEFS_ASSIGN_OR_RETURN_IMPL(LANCEFS_CONCAT(lancefs_result_, __COUNTER__), lhs, expr)

}  // namespace lancefs
