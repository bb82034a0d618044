// SPDX-License-Identifier: Apache-2.0
//
// Where append and create take rows from: a file, standard input or a pipe, or another dataset in any
// store. What is no file is copied into a temporary one first, so that nothing is committed of a
// source that breaks off.
#pragma once

#include <string>

#include "engine/rows/row_reader.h"
#include "tools/commands.h"

namespace lancefs {

class RowSource {
 public:
  RowSource() = default;
  RowSource(RowSource&& other) noexcept;
  RowSource& operator=(RowSource&&) = delete;
  ~RowSource();  // removes the temporary file

  // `path` is of another dataset's tree, "" = all rows. Errors: the source's; kInvalidArgument for 0 bytes (RULES 24).
  static Result<RowSource> Open(const GlobalOptions& global, const std::string& source, const std::string& path,
                                const OpContext& ctx);
  const std::string& file() const { return file_; }  // a local file
  const std::string& name() const { return name_; }  // which the format may be told from

 private:
  Result<int> MakeTemporary();
  std::string file_;
  std::string name_;
  bool temporary_ = false;
};

}  // namespace lancefs
