// SPDX-License-Identifier: Apache-2.0
#include "fs/status_log.h"

#include <nlohmann/json.hpp>

#include "fs/text.h"

namespace lancefs {
namespace {

using Json = nlohmann::ordered_json;

std::string Dump(const Json& json, int indent) { return json.dump(indent, ' ', false, Json::error_handler_t::replace); }

}  // namespace

std::string ErrorRecord::file_name() const {
  const size_t slash = path.rfind('/');
  std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  for (char& c : name) {
    const bool plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
    if (!plain) c = '_';
  }
  if (name.size() > 100) name.resize(100);
  return std::to_string(seq) + "-" + name + ".json";
}

std::string ErrorRecord::ToJson() const {
  Json json;
  json["seq"] = seq;
  json["time"] = FormatTime(time_ns);
  json["uid"] = uid;
  if (!table.empty()) json["table"] = table;
  json["operation"] = operation;
  json["path"] = path;
  json["errno"] = error_number;
  json["code"] = code;
  json["message"] = message;
  if (row != 0) json["row"] = row;
  if (!column.empty()) json["column"] = column;
  if (row != 0) json["value"] = value;
  return Dump(json, 2) + "\n";
}

StatusLog::StatusLog(size_t max_commits, size_t max_errors) : max_commits_(max_commits), max_errors_(max_errors) {}

void StatusLog::AddCommit(CommitRecord record) {
  if (record.time_ns == 0) record.time_ns = NowNs();
  std::lock_guard lock(mutex_);
  commits_.push_back(std::move(record));
  if (commits_.size() > max_commits_) commits_.pop_front();
}

uint64_t StatusLog::AddError(ErrorRecord record) {
  if (record.time_ns == 0) record.time_ns = NowNs();
  std::lock_guard lock(mutex_);
  if (!errors_.empty()) {
    const ErrorRecord& last = errors_.back();
    if (last.uid == record.uid && last.path == record.path && last.operation == record.operation &&
        last.message == record.message && record.time_ns - last.time_ns < 1'000'000'000) {
      return last.seq;
    }
  }
  // close(), write() and rename() of a refused drop repeat what the drop's own record tells with row and column.
  if (record.operation != "append") {
    const auto base_name = [](const std::string& path) { return path.substr(path.rfind('/') + 1); };
    for (auto it = errors_.rbegin(); it != errors_.rend(); ++it) {
      if (it->operation != "append" || it->message != record.message) continue;
      // A rename knows the old name.
      if (record.operation == "rename" || base_name(it->path) == base_name(record.path)) return it->seq;
    }
  }
  record.seq = next_seq_++;
  if (last_error_.size() >= 1000 && !last_error_.contains(record.uid)) last_error_.erase(last_error_.begin());
  last_error_[record.uid] = record;
  errors_.push_back(std::move(record));
  if (errors_.size() > max_errors_) errors_.pop_front();
  return next_seq_ - 1;
}

std::string StatusLog::CommitsJsonl() const {
  std::lock_guard lock(mutex_);
  std::string out;
  for (const CommitRecord& record : commits_) {
    Json json;
    json["time"] = FormatTime(record.time_ns);
    if (!record.table.empty()) json["table"] = record.table;
    json["name"] = record.name;
    json["version"] = record.version == 0 ? Json() : Json(record.version);
    json["rows"] = record.rows;
    json["bytes"] = record.bytes;
    if (!record.transaction.empty()) json["transaction"] = record.transaction;
    if (!record.note.empty()) json["note"] = record.note;
    out += Dump(json, -1) + "\n";
  }
  return out;
}

std::string StatusLog::LastError(uint32_t uid) const {
  std::lock_guard lock(mutex_);
  auto it = last_error_.find(uid);
  if (it == last_error_.end()) return "";
  const ErrorRecord& record = it->second;
  return FormatTime(record.time_ns) + " " + record.operation + " " + record.path + "\n" + record.code + ": " + record.message +
         "\n";
}

std::vector<ErrorRecord> StatusLog::Errors() const {
  std::lock_guard lock(mutex_);
  return {errors_.begin(), errors_.end()};
}

std::optional<ErrorRecord> StatusLog::FindError(const std::string& file_name) const {
  std::lock_guard lock(mutex_);
  for (const ErrorRecord& record : errors_) {
    if (record.file_name() == file_name) return record;
  }
  return std::nullopt;
}

}  // namespace lancefs
