// SPDX-License-Identifier: Apache-2.0
//
// The border between Arrow's Status/Result/Buffer and ours.
#pragma once

#include <arrow/buffer.h>
#include <arrow/result.h>
#include <arrow/status.h>

#include "base/bytes.h"
#include "base/status.h"

namespace lancefs {

inline Status FromArrow(const arrow::Status& status) {
  if (status.ok()) return Status::OK();
  const std::string text = status.message();
  switch (status.code()) {
    case arrow::StatusCode::OutOfMemory:
    case arrow::StatusCode::CapacityError: return Status::ResourceExhausted(text);
    case arrow::StatusCode::Cancelled: return Status::Cancelled(text);
    case arrow::StatusCode::IOError: return Status::IoError(text);
    case arrow::StatusCode::NotImplemented: return Status::NotSupported(text);
    case arrow::StatusCode::KeyError: return Status::NotFound(text);
    case arrow::StatusCode::UnknownError: return Status::Internal(text);
    default: return Status::InvalidArgument(text);
  }
}
template <typename T>
Result<T> FromArrow(arrow::Result<T> result) {
  if (!result.ok()) return FromArrow(result.status());
  return std::move(result).ValueUnsafe();
}
#define LANCEFS_ARROW_NOT_OK(expr) LANCEFS_RETURN_NOT_OK(::lancefs::FromArrow(expr))
#define LANCEFS_ARROW_ASSIGN(lhs, expr) LANCEFS_ASSIGN_OR_RETURN(lhs, ::lancefs::FromArrow(expr))

// An Arrow buffer over `bytes`, sharing its owner.
inline std::shared_ptr<arrow::Buffer> ToArrowBuffer(Bytes bytes) {
  class Holder : public arrow::Buffer {
   public:
    explicit Holder(Bytes bytes) : arrow::Buffer(bytes.data(), static_cast<int64_t>(bytes.size())), bytes_(std::move(bytes)) {}

   private:
    Bytes bytes_;
  };
  return std::make_shared<Holder>(std::move(bytes));
}

}  // namespace lancefs
